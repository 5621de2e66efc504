"""Distance of patch features to a memory bank of good ones."""
