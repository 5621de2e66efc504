"""Names in a line: the first few, and how many follow."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 5  # pictures or parameters named in one line


def named(names: Sequence[str]) -> str:
    """The first names, and how many follow.

    >>> named(["a", "b"]), named(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
