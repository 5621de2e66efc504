"""On the line: pictures inspected as they come, and a log of every verdict."""
