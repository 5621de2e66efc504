"""Which kind of defect a rejected part likely has, by what the odd places of a few named examples look like."""
