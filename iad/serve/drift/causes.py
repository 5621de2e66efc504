"""The likely cause of a change, in words: what the pictures show now beside those of the bundle.

It explains an alarm and raises none: nothing here holds a rate of false alarms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from iad.bundles.sight import TRAITS
from iad.words import counted, percent

FAR = 1.0  # spreads of the bundle's pictures by which the median of the last ones has to be off
ODD = 6.0  # spreads by which a single picture is unlike the others
FEW_ODD = 0.03  # share of pictures that may be
LEAST = np.array([1.0, 0.01, 0.002, 0.002, 0.1, 0.002, 0.5, 0.001])  # spreads; a smaller change is not worth a word
FEWEST = 8  # pictures of which something is said
Worded = Callable[[float, float], str]  # of the value now and the usual one


def likely_causes(sights: np.ndarray, usual: np.ndarray) -> list[str]:
    """In what pictures differ from those of a bundle, the largest difference first.

    Args:
        sights: float64 `(M, 8)`, their traits, in the order of `TRAITS`; NaN where one is not known.
        usual: float64 `(n, 8)`, the same of the bundle's.

    >>> usual = np.linspace([95, 0.9, 0, 0, 0, 0, 5, 0.2], [105, 1.1, 0, 0, 0, 0, 6, 0.3], 41)
    >>> likely_causes(usual * [0.8, 0.8, 1, 1, 1, 1, 0.8, 1], usual)
    ['darker by 20 % (mean grey level 80, usually 100)']
    """
    if min(len(sights), len(usual)) < FEWEST:
        return []
    low, middle, high = np.quantile(usual, [0.25, 0.5, 0.75], axis=0)
    away = (sights - middle) / np.maximum((high - low) / 1.349, LEAST)  # in standard deviations of a normal law, (M, 8)
    shift = np.nan_to_num(np.median(away, axis=0))
    shift[TRAITS.index("rest")] = max(0.0, shift[TRAITS.index("rest")])  # less of it explains nothing
    now = np.median(sights, axis=0)
    told = {name: (float(now[row]), float(middle[row])) for row, name in enumerate(TRAITS)}
    far = [TRAITS[row] for row in np.argsort(-np.abs(shift)) if abs(shift[row]) >= FAR]
    lines = [WORDS[name](*told[name]) for name in _explaining(far)]
    odd = np.nan_to_num(np.abs(away)).max(axis=1) >= ODD
    if not lines and odd.mean() > FEW_ODD:
        return [f"{percent(float(odd.mean()))} of the pictures show something else: another product among them?"]
    return lines


def cause_in_words(causes: Sequence[str], pictures: int) -> str:
    """What is told of the cause of a change, as the end of a sentence.

    Args:
        causes: what `likely_causes` found.
        pictures: how many pictures it looked at.

    >>> cause_in_words(["darker by 20 %"], 9)
    'likely cause: darker by 20 %'
    >>> cause_in_words([], 9), cause_in_words([], 1)
    ('light, place and sharpness of these 9 pictures tell no cause', '1 picture is too few to tell a cause')
    """
    if causes:
        return f"likely cause: {'; '.join(causes)}"
    if pictures < FEWEST:
        return f"{counted(pictures, 'picture is', 'pictures are')} too few to tell a cause"
    return f"light, place and sharpness of these {pictures:,} pictures tell no cause"


def _explaining(far: Sequence[str]) -> list[str]:
    """Without what follows from another trait: less light has less contrast."""
    follows = {"contrast": "light"}
    return [name for name in far if follows.get(name) not in far]


def _change(more: str, less: str) -> Worded:
    def worded(now: float, usual: float) -> str:
        return f"{more if now > usual else less} by {percent(abs(now / usual - 1))}"

    return worded


def _light(now: float, usual: float) -> str:
    return f"{_change('brighter', 'darker')(now, usual)} (mean grey level {now:.0f}, usually {usual:.0f})"


def _moved(more: str, less: str) -> Worded:
    def worded(now: float, usual: float) -> str:
        return f"moved {more if now > usual else less} by about {percent(abs(now - usual))} of the picture's side"

    return worded


def _turned(now: float, usual: float) -> str:
    return f"turned {'' if now > usual else 'counter'}clockwise by about {abs(now - usual):.1f} degrees"


def _sized(now: float, usual: float) -> str:
    return f"{'larger' if now > usual else 'smaller'} by about {percent(abs(now - usual))}"


def _sharp(now: float, usual: float) -> str:
    return f"{'sharper or noisier' if now > usual else 'blurred'} (sharpness {now:.3f}, usually {usual:.3f})"


def _rest(now: float, usual: float) -> str:
    return f"something else to see: another product, place or side? ({now:.0f} grey levels off, usually {usual:.0f})"


WORDS: dict[str, Worded] = {
    "light": _light, "contrast": _change("more contrast", "less contrast"), "across": _moved("right", "left"),
    "down": _moved("down", "up"), "turn": _turned, "size": _sized, "rest": _rest, "sharpness": _sharp,
}  # fmt: skip
