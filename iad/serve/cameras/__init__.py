"""Cameras as where pictures come from: frames when somebody asks for one, and what shows that a camera is broken."""
