"""Words in a line: a number with its noun, and the first few of many names."""

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


def counted(count: int, one: str, many: str = "") -> str:
    """A number and its noun; `many` is the plural where an s does not make it.

    >>> counted(1, "picture"), counted(2, "picture"), counted(2, "category", "categories")
    ('1 picture', '2 pictures', '2 categories')
    """
    return f"{count:,} {one}" if count == 1 else f"{count:,} {many or f'{one}s'}"
