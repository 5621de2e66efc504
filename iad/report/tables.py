"""Tables of text, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

LEFT_ALIGNED = 2  # the first columns hold names, the others numbers


def as_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns with spaces: names to the left, numbers to the right.

    >>> print(as_text(["method", "backbone", "AUROC"], [["vit", "-", "0.94"]]))
    method  backbone  AUROC
    ------  --------  -----
    vit     -          0.94
    """
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join("  ".join(_aligned(line, widths)).rstrip() for line in (header, rule, *rows))


def as_markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a GitHub-flavoured Markdown table with the same alignment.

    >>> print(as_markdown(["method", "backbone", "AUROC"], [["vit", "-", "0.94"]]))
    | method | backbone | AUROC |
    |:--|:--|--:|
    | vit | - | 0.94 |
    """
    marks = [":--" if place < LEFT_ALIGNED else "--:" for place in range(len(header))]
    lines = ["| " + " | ".join(line) + " |" for line in (header, *rows)]
    return "\n".join([lines[0], "|" + "|".join(marks) + "|", *lines[1:]])


def as_padded_markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table that also reads well in a terminal: its cells are padded to the columns' widths.

    >>> print(as_padded_markdown(["method", "backbone", "AUROC"], [["vit", "-", "0.94"]]))
    | method | backbone | AUROC |
    |:-------|:---------|------:|
    | vit    | -        |  0.94 |
    """
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    marks = [f":{'-' * (width + 1)}" if place < LEFT_ALIGNED else f"{'-' * (width + 1)}:"
             for place, width in enumerate(widths)]  # fmt: skip
    lines = ["| " + " | ".join(_aligned(line, widths)) + " |" for line in (header, *rows)]
    return "\n".join([lines[0], "|" + "|".join(marks) + "|", *lines[1:]])


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if place < LEFT_ALIGNED else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
