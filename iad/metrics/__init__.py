"""How good scores and anomaly maps are: metrics of pictures and of pixels, and their curves."""
