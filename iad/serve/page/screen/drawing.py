"""Drawings of numbers, as SVG without any text from outside."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

BINS = 48
WIDE, HIGH = 480, 96  # units of the drawing, whatever its size on the screen


def scale_of(scores: Sequence[float] | np.ndarray, *marks: float) -> tuple[float, float]:
    """Ends of an axis that shows scores and marks, with a little room.

    >>> scale_of([1.0, 2.0], 3.0)
    (0.9, 3.1)
    """
    shown = [*np.asarray(scores, dtype=float).tolist(), *marks]
    low, high = min(shown), max(shown)
    room = (high - low) * 0.05 or max(abs(high), 1.0) * 0.05
    return low - room, high + room


def place(value: float, ends: tuple[float, float]) -> float:
    """Where a value lies on an axis, as a share of its length in [0, 1].

    >>> place(2.0, (1.0, 3.0)), place(9.0, (1.0, 3.0))
    (0.5, 1.0)
    """
    low, high = ends
    return min(max((value - low) / (high - low), 0.0), 1.0)


def bar(score: float, threshold: float, ends: tuple[float, float], *, rejected: bool) -> str:
    """A score beside its threshold: what is rejected is tinted, the score is a pin."""
    pin, edge = 100 * place(score, ends), 100 * place(threshold, ends)
    kind = "bad" if rejected else "good"
    return (
        f'<div class="iad-track"><div class="iad-beyond" style="left:{edge:.2f}%"></div>'
        f'<div class="iad-fill {kind}" style="width:{pin:.2f}%"></div>'
        f'<div class="iad-edge" style="left:{edge:.2f}%"></div>'
        f'<div class="iad-pin {kind}" style="left:{pin:.2f}%"></div></div>'
    )


def histogram(calibration: np.ndarray, recent: np.ndarray, now: float, then: float) -> str:
    """Scores of calibration above the line and of recent parts below it, with the threshold as it is and as it may be.

    Args:
        calibration: float64 `(n,)`.
        recent: float64 `(m,)`; may be empty.
        now: the threshold at work.
        then: the one that is tried; far away it stands at the end of the axis, so that scores are still told apart.

    >>> 'class="then" x1="480.0"' in histogram(np.array([1.0, 2.0]), np.array([]), 2.0, 1e9)
    True
    """
    low, high = scale_of(np.concatenate([calibration, recent]), now)
    beyond = (high - low) / 2
    ends = min(low, max(then, low - beyond)), max(high, min(then, high + beyond))
    middle = HIGH / 2
    upper = _bars(calibration, ends, middle - 1, up=True)
    lower = _bars(recent, ends, middle + 1, up=False)
    lines = "".join(
        f'<line class="{name}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HIGH}"/>'
        for name, x in (("now", WIDE * place(now, ends)), ("then", WIDE * place(then, ends)))
    )
    return (
        f'<svg class="iad-histogram" viewBox="0 0 {WIDE} {HIGH}" preserveAspectRatio="none" aria-hidden="true">'
        f'<g class="calibration">{upper}</g><g class="recent">{lower}</g>{lines}</svg>'
    )


def _bars(scores: np.ndarray, ends: tuple[float, float], base: float, *, up: bool) -> str:
    counts, _ = np.histogram(scores, bins=BINS, range=ends)
    most = max(int(counts.max()), 1)
    width = WIDE / BINS
    drawn = []
    for column, count in enumerate(counts.tolist()):
        high = (HIGH / 2 - 4) * math.sqrt(count / most)
        top = base - high if up else base
        if count:
            drawn.append(f'<rect x="{column * width:.1f}" y="{top:.1f}" width="{width - 1:.1f}" height="{high:.1f}"/>')
    return "".join(drawn)
