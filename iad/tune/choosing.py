"""From step to step: a candidate takes the place of the settings before it only where that cannot be luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iad.statistics.comparison import holm
from iad.tune.candidates import Candidate
from iad.tune.separation import Gain, gain, interval, separation

ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Tried:
    """A candidate and how well it tells good pictures from painted ones.

    Attributes:
        candidate: what was tried.
        value: its separation, 1 is perfect and 0.5 is chance.
        low: lower end of the 95 % interval.
        high: upper end.
        gain: against the settings that the step began with; None of those.
        p_value: of no gain, corrected for the number of candidates of the step (Holm); 1 of those.
    """

    candidate: Candidate
    value: float
    low: float
    high: float
    gain: Gain | None
    p_value: float


def choose(
    before: Candidate, compared: Sequence[tuple[Candidate, np.ndarray]], *, seed: int
) -> tuple[Candidate, list[Tried]]:
    """The candidate to go on with, and all of them, the best first.

    It is the one that separates best among those whose gain over `before` is real (`ALPHA`, after Holm's correction for
    all of the step); `before` where there is none. The gain of the one chosen is too high on average, since it is the
    highest of several (the winner's curse): which is better is told, and not by how much on new parts.

    Args:
        before: one of the candidates.
        compared: each candidate and `(M, M)`, from `iad.tune.separation.comparisons`, of the same pictures.
        seed: of the bootstrap.

    >>> worse, better = (np.full((12, 12), value) for value in (0.5, 0.9))
    >>> default, other = Candidate("patch_vit", 224), Candidate("patch_vit", 448)
    >>> choose(default, [(default, worse), (other, better)], seed=0)[0].short
    448
    """
    base = next(one for candidate, one in compared if candidate == before)
    others = [(candidate, one) for candidate, one in compared if candidate != before]
    gains = [gain(one, base, seed=seed) for _, one in others]
    corrected = holm([one.p_value for one in gains])
    tried = [_tried(before, base, None, 1.0, seed)]
    tried += [_tried(*one, found, p_value, seed) for one, found, p_value in zip(others, gains, corrected, strict=True)]
    real = [one for one in tried if one.gain is not None and one.gain.value > 0 and one.p_value < ALPHA]
    chosen = max(real, key=lambda one: one.value, default=tried[0])
    return chosen.candidate, sorted(tried, key=lambda one: -one.value)


def _tried(candidate: Candidate, compared: np.ndarray, found: Gain | None, p_value: float, seed: int) -> Tried:
    low, high = interval(compared, seed=seed)
    return Tried(candidate, float(separation(compared)), low, high, found, p_value)
