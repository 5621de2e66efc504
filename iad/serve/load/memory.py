"""Memory that a very large picture took, given back to the system."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence

from iad.bundles.verdict import Verdict

LARGE = 8_000_000  # pixels


def give_back_after(verdicts: Sequence[Verdict]) -> None:
    """Give back what the allocator keeps, after a picture that was very large, or that could not be read half way.

    The C library of GNU keeps freed blocks of up to 32 MiB for the next picture, and then has them for ever; other
    systems are left alone.

    Args:
        verdicts: of pictures that were just inspected.
    """
    if os.name == "posix" and any(one.look is None or one.look.width * one.look.height > LARGE for one in verdicts):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
