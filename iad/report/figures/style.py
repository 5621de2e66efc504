"""One look for every figure: colours, fonts, sizes, and a way to bytes that are the same for the same numbers.

Figures are made of `matplotlib.figure.Figure` and drawn with Agg. `pyplot`, which keeps a global state and asks for a
screen, is never imported.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from functools import cache, wraps
from itertools import cycle, islice
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text
from PIL import Image

Dot: TypeAlias = tuple[float, float]
"""Where the threshold in use stands in a panel: its x and its y."""

P = ParamSpec("P")
R = TypeVar("R")

DPI = 160
INK = "#1F2933"
MUTED = "#6B7785"
FAINT = "#D9DEE4"
GOOD = "#8FA3B5"
GOOD_TEXT = "#4F6579"  # the same, dark enough to read
BAD = "#B3392F"
MISSING = "\u25a1"  # a white square
# Okabe and Ito, "Color Universal Design" (2008), without black and yellow: told apart with every kind of colour vision
METHOD_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DASHES = ("solid", "dashed", "dotted")  # from the seventh method on

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so that every machine draws the same letters
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # names of defects and files are drawn as they are, dollar signs too
}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a function that draws with this project's settings, and leave matplotlib's own as they were.

    >>> from matplotlib import rcParams
    >>> before = rcParams["font.size"]
    >>> styled(lambda: rcParams["font.size"])(), rcParams["font.size"] == before
    (9.0, True)
    """

    @wraps(draw)
    def with_settings(*args: P.args, **kwargs: P.kwargs) -> R:
        with rc_context(RC):
            return draw(*args, **kwargs)

    return with_settings


def new_figure(width_pixels: int, height_pixels: int) -> Figure:
    """An empty figure of this size; call it within `styled`.

    >>> new_figure(320, 160).canvas.get_width_height()
    (320, 160)
    """
    figure = Figure(figsize=(width_pixels / DPI, height_pixels / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


@styled
def png(figure: Figure, *, few_colours: bool = False) -> bytes:
    """The figure as a PNG file without dates or names of software, so that the same numbers give the same bytes.

    Args:
        figure: what to write.
        few_colours: keep the 256 colours that cover it best; where photos fill it, the file is a quarter as large.

    >>> png(new_figure(32, 16)) == png(new_figure(32, 16))
    True
    """
    for text in figure.findobj(Text):
        text.set_text(legible(text.get_text()))
    buffer = io.BytesIO()
    if few_colours:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
        # the colours are refined, else grey would get a tint; one pixel of sixteen tells as much about them
        palette = Image.fromarray(pixels[::4, ::4]).quantize(method=Image.Quantize.MAXCOVERAGE, kmeans=1)
        Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE).save(buffer, format="png")
    else:
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def legible(text: str) -> str:
    """A text with a square for each letter that the font lacks, as those of Chinese: every machine draws the same.

    >>> legible("\u96f6\u4ef6_$1.png, \u00e9 \u0416")
    '\u25a1\u25a1_$1.png, \u00e9 \u0416'
    """
    known = _letters()
    return "".join(letter if ord(letter) in known or letter == "\n" else MISSING for letter in text)


def legend_label(name: str) -> str:
    """A name as the label of a line: matplotlib leaves labels out that begin with an underscore.

    >>> legend_label("vit"), legend_label("_vit")
    ('vit', ' _vit')
    """
    return f" {name}" if name.startswith("_") else name


@cache
def _letters() -> frozenset[int]:
    font = get_font(findfont(FontProperties(family=RC["font.family"])))
    return frozenset(font.get_charmap())


def method_lines(methods: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour and dashes for each method, by the order of their names, so that figures and revisions agree.

    >>> method_lines(["vit", "ae"])
    {'ae': {'color': '#0072B2', 'linestyle': 'solid'}, 'vit': {'color': '#E69F00', 'linestyle': 'solid'}}
    """
    looks = [{"color": colour, "linestyle": dashes} for dashes in DASHES for colour in METHOD_COLOURS]
    names = sorted(methods)
    return dict(zip(names, islice(cycle(looks), len(names)), strict=True))


def bare(axes: Axes) -> None:
    """Take ticks and frame away, for a picture or a note."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def pixel_axes(figure: Figure) -> Axes:
    """Invisible axes over the whole figure, whose unit is the pixel, counted from the top left corner.

    >>> axes = pixel_axes(new_figure(320, 160))
    >>> [float(end) for end in (*axes.get_xlim(), *axes.get_ylim())]  # y grows downwards
    [0.0, 320.0, 160.0, 0.0]
    """
    width, height = figure.get_size_inches() * figure.dpi
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def fitted(shape: tuple[int, ...], side: float) -> tuple[float, float]:
    """Height and width at which a picture of this shape `(H, W, ...)` just fits a square.

    >>> fitted((100, 200, 3), 50)
    (25.0, 50.0)
    """
    height, width = shape[:2]
    return side * min(1.0, height / width), side * min(1.0, width / height)


def draw_picture(axes: Axes, picture: np.ndarray, left: float, top: float, side: float) -> None:
    """Draw a picture, uint8 `(H, W, 3)`, on `pixel_axes`, in the middle of as much of a square as it fills."""
    height, width = fitted(picture.shape, side)
    left, top, limits = left + (side - width) / 2, top + (side - height) / 2, axes.axis()
    axes.imshow(picture, extent=(left, left + width, top + height, top), aspect="auto")
    axes.axis(limits)  # imshow moves them


def note(axes: Axes, text: str) -> None:
    """Write a quiet line in the middle of an empty panel, where there is nothing to draw."""
    bare(axes)
    axes.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, transform=axes.transAxes)
