"""Is one revision worse than another? The rule, what a threshold promised, and results at a revision."""
