"""Text for people: numbers with their nouns, percentages and the first of many names in a line, and tables of text."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

UNSHOWN = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories of control characters, halves of characters, ends of lines
SHOWN = 5  # names told in one line
LEFT_ALIGNED = 2  # the first columns of a table hold names, the others numbers


def counted(count: int, one: str, many: str = "") -> str:
    """A number and its noun, with a verb where one follows; `many` is the plural where an s does not make it.

    >>> counted(1, "picture"), counted(2000, "picture"), counted(2, "category", "categories")
    ('1 picture', '2,000 pictures', '2 categories')
    >>> counted(1, "mask is", "masks are")
    '1 mask is'
    """
    return f"{count:,} {one}" if count == 1 else f"{count:,} {many or f'{one}s'}"


def of_them(count: int, total: int, one: str, many: str) -> str:
    """Some of several things and their verb; of a single thing, "the" and no numbers.

    >>> of_them(1, 30, "picture differs", "pictures differ"), of_them(30, 30, "picture differs", "pictures differ")
    ('1 of 30 pictures differs', '30 of 30 pictures differ')
    >>> of_them(1, 1, "picture differs", "pictures differ")
    'the picture differs'
    """
    if total == 1:
        return f"the {one}"
    noun, verb = many.split(" ", 1)[0], (one if count == 1 else many).split(" ", 1)[1]
    return f"{count:,} of {total:,} {noun} {verb}"


def printable(text: str) -> str:
    r"""A text in one line: what would steer a terminal, end the line or is no character becomes a question mark.

    >>> printable("a\x1b[2Jb\n.png")
    'a?[2Jb?.png'
    """
    return "".join("?" if unicodedata.category(letter) in UNSHOWN else letter for letter in text)


def percent(share: float) -> str:
    """A share as a percentage, three digits.

    >>> percent(0.05), percent(0.0495), percent(1 / 3)
    ('5 %', '4.95 %', '33.3 %')
    """
    return f"{100 * share:.3g} %"


def named(names: Sequence[str], most: int = SHOWN) -> str:
    """The first names, and how many follow.

    >>> named(["a", "b"]), named(list("abcdefg")), named(["a", "b", "c"], most=2)
    ('a, b', 'a, b, c, d, e and 2 more', 'a, b and 1 more')
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def and_more(others: int) -> str:
    """What follows the first of several faults in a refusal; nothing where it is the only one.

    >>> and_more(2), and_more(0)
    (' (and 2 more)', '')
    """
    return f" (and {others:,} more)" if others else ""


def as_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns with spaces: names to the left, numbers to the right.

    >>> print(as_text(["method", "backbone", "AUROC"], [["vit", "-", "0.94"]]))
    method  backbone  AUROC
    ------  --------  -----
    vit     -          0.94
    """
    widths = _widths(header, rows)
    rule = ["-" * width for width in widths]
    return "\n".join("  ".join(_aligned(line, widths)).rstrip() for line in (header, rule, *rows))


def as_markdown(header: Sequence[str], rows: Sequence[Sequence[str]], *, padded: bool = False) -> str:
    """Write a GitHub-flavoured Markdown table with the same alignment; padded cells read well in a terminal too.

    >>> print(as_markdown(["method", "backbone", "AUROC"], [["vit", "-", "0.94"]]))
    | method | backbone | AUROC |
    |:--|:--|--:|
    | vit | - | 0.94 |
    >>> print(as_markdown(["method", "backbone", "AUROC"], [["vit", "-", "0.94"]], padded=True))
    | method | backbone | AUROC |
    |:-------|:---------|------:|
    | vit    | -        |  0.94 |
    """
    widths = _widths(header, rows) if padded else [0] * len(header)
    rules = ["-" * max(width + 1, 2) for width in widths]
    marks = [f":{rule}" if column < LEFT_ALIGNED else f"{rule}:" for column, rule in enumerate(rules)]
    lines = ["| " + " | ".join(_aligned(line, widths)) + " |" for line in (header, *rows)]
    return "\n".join([lines[0], "|" + "|".join(marks) + "|", *lines[1:]])


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if column < LEFT_ALIGNED else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
