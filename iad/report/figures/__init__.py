"""Numbers in, figure out: nothing here computes a metric, reads a file or keeps a state."""
