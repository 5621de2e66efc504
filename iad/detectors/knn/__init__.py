"""Distance of pooled features to the nearest good pictures."""
