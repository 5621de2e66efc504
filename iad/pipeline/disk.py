"""What embeddings take on disk, told before they are made, and refused where the disk cannot hold it."""

from __future__ import annotations

import math

from iad.errors import IadError

LONG_SECONDS, LARGE_BYTES = 120.0, 2**30  # what takes less of both is not worth a line
GIB = 2**30


def require_disk(what: str, needed: int, free: int, advice: str) -> None:
    """Refuse to write files that the disk cannot hold, before they are made.

    Args:
        what: is written, for a person to read.
        needed: bytes.
        free: bytes.
        advice: what to change.

    Raises:
        IadError: with both numbers.

    >>> require_disk("extract_vit: 20,000 pictures", 8 * 2**30, 2**30, "free some")
    Traceback (most recent call last):
    iad.errors.IadError: extract_vit: 20,000 pictures: 8.0 GiB on disk, and 1.0 GiB are free; free some
    """
    if needed > free:
        raise IadError(f"{what}: {needed / GIB:.1f} GiB on disk, and {free / GIB:.1f} GiB are free; {advice}")


def disk_line(what: str, needed: int, free: int, seconds: float, advice: str) -> str:
    """The line before embeddings are made; empty for what is soon done and small.

    >>> disk_line("20,000 pictures", 8 * 2**30, 50 * 2**30, 1500.0, "a smaller picture takes less")
    '20,000 pictures: 8.0 of 50.0 GiB free on disk, about 25 minutes (estimates); a smaller picture takes less'
    """
    if seconds < LONG_SECONDS and needed < LARGE_BYTES:
        return ""
    sizes = f"{needed / GIB:.1f} of {free / GIB:.1f} GiB free on disk"
    return f"{what}: {sizes}, about {math.ceil(seconds / 60):,} minutes (estimates); {advice}"
