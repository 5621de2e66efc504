"""How many parts prove what: exact limits of a rate from the number of parts that were right and wrong.

The limit is the one-sided one of Clopper and Pearson (1934). With no failure among n parts it is `1 - (1 - C)^(1/n)`:
the "success run" of reliability tests, or roughly the rule of three, 3/n at 95 %.
"""

from __future__ import annotations

from iad.errors import IadError

MOST = 10**9  # parts: nobody tests as many


def rate_shown(failures: int, total: int, confidence: float) -> float:
    """The rate shown not to be exceeded: the one that gives so few failures with a probability of 1 - confidence.

    Args:
        failures: from 0 to `total`.
        total: independent parts, at least 1.
        confidence: in (0, 1).

    >>> round(rate_shown(0, 299, 0.95), 4), round(rate_shown(1, 93, 0.95), 4), rate_shown(2, 2, 0.95)
    (0.01, 0.05, 1.0)
    """
    from scipy.special import betaincinv

    return 1.0 if failures >= total else float(betaincinv(failures + 1, total - failures, confidence))


def parts_needed(rate: float, confidence: float, failures: int = 0) -> int:
    """The smallest number of parts that shows a rate of at most `rate`, if no more than `failures` of them go wrong.

    Args:
        rate: in (0, 1).
        confidence: in (0, 1).
        failures: 0 or more.

    Raises:
        IadError: if that were more than a billion parts.

    >>> [parts_needed(0.05, 0.95, failures) for failures in (0, 1, 2)], parts_needed(0.01, 0.95)
    ([59, 93, 124], 299)
    """
    most = failures + 1
    while rate_shown(failures, most, confidence) > rate:
        most *= 2
        if most > MOST:
            raise IadError(f"a rate of {rate:g} takes more than {MOST:,} parts to show; ask for a larger one")
    least = failures  # so many show nothing
    while most - least > 1:
        middle = (least + most) // 2
        if rate_shown(failures, middle, confidence) > rate:
            least = middle
        else:
            most = middle
    return most
