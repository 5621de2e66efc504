"""Options chosen on a user's own good pictures, which are told from copies with painted defects; no label is seen."""
