"""Image anomaly detection from pictures of good parts only."""
