"""Whether a threshold's promise still holds: a test of the parts as they come, what changed, and what operators say."""

ALARM_RATE = 0.001
"""Probability of a false alarm in a whole run, however long; 1 / ALARM_RATE is the wealth at which there is one."""

DEFECTS = 0.03
"""Share of parts that may be defective without an alarm."""
