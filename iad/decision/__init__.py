"""Scores to verdicts: thresholds from the scores of good pictures, and the one predicate that applies them."""
