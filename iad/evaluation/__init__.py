"""How good the scores and verdicts are: metrics, their intervals, curves and the tables made of them."""
