"""Whether a threshold's promise still holds: a test of the parts as they come, what changed, and what operators say."""
