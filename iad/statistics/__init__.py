"""How sure a number is, and whether two differ: bootstrap, exact intervals, paired tests."""
