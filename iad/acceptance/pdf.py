"""The page of a study as PDF, one page A4, by matplotlib: the extra `pipeline` brings it, and nothing else is needed.

Letters are those of DejaVu Sans, which comes with matplotlib and is embedded, so that every reader shows the same; the
text stays text, to be searched and copied. There is no time in the file: the same page gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from iad.acceptance.sheet import SIGNED, Block, Sheet
from iad.report.figures.style import BAD, FAINT, INK, MUTED, RC, legible

WIDTH, HEIGHT, MARGIN, POINTS = 595.0, 842.0, 42.0, 72.0  # of A4, in points
SIZE, LEADING, TITLE = 7.2, 1.5, 15.0
GAP = 12.0  # between columns
SIGN = 46.0  # height of the lines to sign
GOOD, CONDITIONAL = "#2F6F4F", "#8A5A00"
EMBED = {"pdf.fonttype": 42}  # whole letters as TrueType: searched and copied as text
UNTIMED = {"CreationDate": None, "Creator": None, "Producer": None}


def as_pdf(sheet: Sheet) -> bytes:
    """The page as a PDF file; where it would not fit, all of it is drawn smaller."""
    with rc_context(RC | EMBED):
        scale = 1.0
        for _ in range(4):  # what is smaller also breaks into fewer lines
            page = _Page(scale)
            page.draw(sheet)
            if page.used <= HEIGHT - MARGIN:
                break
            scale *= (HEIGHT - 2 * MARGIN) / (page.used - MARGIN)
        file = io.BytesIO()
        page.figure.savefig(file, format="pdf", metadata=UNTIMED | {"Title": legible(sheet.title)})
        return file.getvalue()


class _Page:
    """A page that is written from its top to its bottom; lengths in points, y grows downwards."""

    def __init__(self, scale: float) -> None:
        self.size, self.scale, self.used = SIZE * scale, scale, MARGIN
        self.figure = Figure(figsize=(WIDTH / POINTS, HEIGHT / POINTS))
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(HEIGHT, 0))
        self.axes.set_axis_off()

    def draw(self, sheet: Sheet) -> None:
        self.line(sheet.title, size=TITLE * self.scale, weight="bold")
        self.used += 4 * self.scale
        self.facts(sheet.facts)
        self.table(sheet.checks, rulings=True)
        self.used += 3 * self.scale
        colour = {"accepted": GOOD, "not accepted": BAD}.get(sheet.verdict, CONDITIONAL)
        self.line(sheet.verdict, size=1.5 * self.size, weight="bold", color=colour)
        for warning in sheet.warnings:
            self.paragraph(f"Note: {warning}")
        for block in sheet.blocks:
            self.table(block)
        self.signature()

    def line(self, text: str, x: float = MARGIN, **look: Any) -> None:
        size = look.setdefault("size", self.size)
        self.used += size * LEADING
        self.text(text, x, **look)

    def text(self, text: str, x: float, **look: Any) -> None:
        given: dict[str, Any] = {"size": self.size, "color": INK, "va": "baseline"} | look
        self.axes.text(x, self.used, legible(text), **given)

    def paragraph(self, text: str, x: float = MARGIN, **look: Any) -> None:
        for line in self.broken(text, WIDTH - MARGIN - x):
            self.line(line, x, **look)

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        left = MARGIN + max(self.width(name) for name, _ in facts) + GAP * self.scale
        for name, text in facts:
            for number, line in enumerate(self.broken(text, WIDTH - MARGIN - left)):
                self.line(line, left)
                if number == 0:
                    self.text(name, MARGIN, color=MUTED)

    def table(self, block: Block, *, rulings: bool = False) -> None:
        self.used += 5 * self.scale
        self.line(block.title, size=1.15 * self.size, weight="bold")
        columns = list(zip(block.header, *block.rows, strict=True))
        widths = [max(self.width(cell, bold=row == 0) for row, cell in enumerate(column)) for column in columns]
        room = max(0.0, WIDTH - 2 * MARGIN - sum(widths)) / max(1, len(widths) - 1)
        gap = min(room, 4 * GAP * self.scale)
        for row, cells in enumerate((block.header, *block.rows)):
            self.used += self.size * LEADING
            x = MARGIN
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
                left = column == 0 or rulings
                look: dict[str, Any] = {"color": MUTED, "weight": "bold"} if row == 0 else {}
                if rulings and row and column == len(cells) - 1:
                    look = {"color": {"met": GOOD, "with conditions": CONDITIONAL}.get(cell, BAD)}
                self.text(cell, x if left else x + width, ha="left" if left else "right", **look)
                x += width + gap
            self.rule(MARGIN, WIDTH - MARGIN, self.used + 0.35 * self.size, FAINT)
        for note in block.notes:
            self.paragraph(note, color=MUTED)

    def signature(self) -> None:
        self.used += SIGN * self.scale
        width = (WIDTH - 2 * MARGIN) / len(SIGNED)
        for number, name in enumerate(SIGNED):
            x = MARGIN + number * width
            self.rule(x, x + width - GAP, self.used, INK)
            self.axes.text(x, self.used + self.size * LEADING, name, size=self.size, color=MUTED)
        self.used += 2 * self.size

    def rule(self, start: float, end: float, y: float, colour: str) -> None:
        self.axes.plot([start, end], [y, y], color=colour, linewidth=0.5, solid_capstyle="butt")

    def width(self, text: str, *, bold: bool = False) -> float:
        """Of the letters as they are in the font: a screen would move them to its pixels."""
        font = FontProperties(family=RC["font.family"], size=self.size, weight="bold" if bold else "normal")
        found: float = text_to_path.get_text_width_height_descent(legible(text), font, ismath=False)[0]
        return found

    def broken(self, text: str, room: float) -> Iterable[str]:
        """Lines that fit; a word that is longer than a line is cut."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self.width(longer) <= room:
                lines[-1] = longer
                continue
            while self.width(word) > room:
                fits = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or self.width(word[:n]) <= room)
                lines, word = [*lines, word[:fits]], word[fits:]
            lines.append(word)
        return [line for line in lines if line] or [""]
