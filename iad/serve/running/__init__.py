"""What folders and cameras that are watched have in common: the loop of steps, where pictures go, when to stop."""
