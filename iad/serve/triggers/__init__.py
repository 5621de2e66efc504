"""When a camera is to take a frame: by the clock, when a program asks over HTTP, or when a node of OPC UA changes."""
