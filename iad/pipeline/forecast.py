"""What a stage will take, told before it begins, and refused where it cannot fit: from counts and a measured rate.

All of it is an estimate, and "at most" where a search may skip what it can prove to be far. It is said, and never
written to an artefact.
"""

from __future__ import annotations

import math
import time

import numpy as np

from iad.detectors.base import Outlook
from iad.errors import IadError

LONG_SECONDS = 120.0  # what takes less is not worth a line
GIB = 2**30
STAGE_GIB = 0.6  # of memory that a stage takes anyway, PyTorch's above all
QUERIES, ROWS, FEATURES, TRIES = 256, 4096, 256, 3


def forecast(found: Outlook, *, rate: float | None = None) -> str:
    """The line before a score: what the detector decides, and what that takes; of what is soon done, the former alone.

    Args:
        found: what the detector says.
        rate: multiplications per second; None: measured here, in some hundredths of a second.

    >>> found = Outlook("300 pictures", "all patches", 2.0, 6e13, "patch.max_bank_gib", 0.4, "a smaller image")
    >>> print(forecast(found, rate=1e11))
    all patches; 300 pictures: at most about 10 minutes at this machine's rate, and 2.6 GiB of memory (estimates); a ...
    """
    seconds = found.products / (rate or measured_rate())
    if seconds < LONG_SECONDS:
        return found.decided
    minutes, gib = math.ceil(seconds / 60), found.gib + STAGE_GIB
    takes = f"at most about {minutes:,} minutes at this machine's rate, and {gib:.1f} GiB of memory (estimates)"
    return "; ".join(filter(None, (found.decided, f"{found.what}: {takes}", f"{found.advice} takes less")))


def require_memory(found: Outlook, available: int | None) -> None:
    """Refuse a score that memory cannot hold, before it begins.

    Args:
        found: what the detector says.
        available: bytes that this process may still use; None: unknown, so nothing is refused.

    Raises:
        IadError: with the number to set.

    >>> found = Outlook("300 pictures", "all patches", 5.0, 1.0, "patch.max_bank_gib", 0.4, "a smaller image")
    >>> require_memory(found, 3 * 2**30)
    Traceback (most recent call last):
    iad.errors.IadError: 300 pictures: about 5.6 GiB of memory, and 3.0 GiB are available here; set ...
    """
    if available is None or (need := found.gib + STAGE_GIB) <= (there := available / GIB):
        return
    left = math.floor(100 * (there - STAGE_GIB) * found.limit) / 100
    remedy = f"set {found.smaller} to {left:g}" if left > 0 else "free some memory"
    raise IadError(f"{found.what}: about {need:.1f} GiB of memory, and {there:.1f} GiB are available here; {remedy}")


def measured_rate() -> float:
    """Multiplications per second of a matrix product here, float32, the best of three short ones.

    >>> measured_rate() > 0
    True
    """
    queries, rows = np.ones((QUERIES, FEATURES), np.float32), np.ones((FEATURES, ROWS), np.float32)
    best = float("inf")
    for _ in range(TRIES):
        begin = time.perf_counter()
        _ = queries @ rows
        best = min(best, time.perf_counter() - begin)
    return QUERIES * ROWS * FEATURES / max(best, 1e-9)
