"""Both tests of the parts that a bundle judges: of their scores, and of what their pictures show.

A lamp that has become darker may leave the scores of a sturdy backbone as they were; still the parts are no longer
like the calibration pictures. So every trait of `iad.bundles.sight` is tested as scores are, on parts below the edge
alone: a defective part may show anything. Given that their scores are below the edge, traits of parts and of
calibration pictures are draws of one law too. Each trait has an equal share of one unit of wealth. Light and
sharpness are of a picture alone; the others are measured beside the mean of the bundle's pictures, without the one
that is measured, so that for them the hypothesis holds nearly.

Foreign parts mostly score high, and hide there among defective ones. But few defective parts show something else
altogether, so that the whole picture is farther from the mean than every calibration picture is. Of all parts, whatever
they score, a share of at most `FOREIGN` may be such ones, beside what is usual of good parts: bets on more have half of
the wealth of the test of pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from iad.bundles.sight import TRAITS
from iad.serve.drift.exchange import MORE, ExchangeTest

Kind: TypeAlias = Literal["scores", "pictures"]
FOREIGN = 0.01
"""Share of parts that may show something else altogether without an alarm."""

REST = TRAITS.index("rest")
KINDS: tuple[Kind, ...] = ("scores", "pictures")


@dataclass(frozen=True)
class Reference:
    """What parts are compared with: the calibration pictures of a bundle.

    Attributes:
        scores: of n of them, out of sample.
        threshold: of the bundle.
        sights: what they show, in the same order; None in place of a number that is not known.
    """

    scores: tuple[float, ...]
    threshold: float
    sights: tuple[tuple[float | None, ...], ...]

    @property
    def edge(self) -> float:
        """The largest score below the threshold; minus infinity if there is none."""
        return max((score for score in self.scores if score < self.threshold), default=-math.inf)

    @property
    def traits(self) -> np.ndarray:
        """What the pictures show, float64 `(n, 8)`, NaN where it is not known."""
        return np.array(self.sights, dtype=np.float64).reshape(len(self.scores), len(TRAITS))


class PartTest:
    """Both tests on a line.

    Args:
        reference: what parts are compared with.
        defects: share of parts that may be defective.
        seed: of the draws.

    Attributes:
        parts: how many were seen.
    """

    def __init__(self, reference: Reference, *, defects: float, seed: int) -> None:
        scores, traits = np.array(reference.scores), reference.traits
        self._edge = reference.edge
        usual = traits[scores < self._edge].T  # (8, number of usual pictures)
        self._known = np.flatnonzero(~np.isnan(usual).any(axis=1) & (usual.shape[1] > 0))
        self._scores = ExchangeTest(scores[None], np.array([reference.threshold]), defects=defects, seed=seed)
        self._foreign = ExchangeTest(traits[None, :, REST], np.array([np.inf]), defects=FOREIGN, seed=seed + 2)
        none_high = np.full(len(self._known), np.inf)
        self._traits = ExchangeTest(usual[self._known], none_high, defects=0.0, seed=seed + 1)

    @property
    def parts(self) -> int:
        """How many parts were seen."""
        return self._scores.parts

    def log(self, kind: Kind) -> float:
        """Logarithm of the wealth of a test."""
        if kind == "scores":
            return float(self._scores.log[0])
        logs = self._traits.log
        traits = float(np.logaddexp.reduce(logs) - math.log(len(logs))) if len(logs) else 0.0
        return float(np.logaddexp(traits, self._foreign.log_high[0])) - math.log(2)

    def change(self, kind: Kind) -> tuple[str, str, int, float]:
        """What changed, `scores` or one of `TRAITS`; which way; how many parts ago; below which score they count."""
        if kind == "scores":
            [(way, part)] = self._scores.change()
            return "scores", way, self._scores.parts - part, math.inf
        if float(self._foreign.log_high[0]) > self._traits.log.max(initial=0.0):
            return TRAITS[REST], MORE, self._foreign.parts - self._foreign.began_high(0), math.inf
        best = int(self._traits.log.argmax())
        way, part = self._traits.change()[best]
        return TRAITS[self._known[best]], way, self._traits.parts - part, self._edge

    def see(self, score: float, sight: tuple[float | None, ...] | None) -> None:
        """Take in the next part.

        Args:
            score: higher = more anomalous.
            sight: what its picture shows; None if it is not known.
        """
        self._scores.see(np.array([score]))
        shown = np.array([np.nan] * len(TRAITS) if sight is None else sight, dtype=np.float64)
        if np.isfinite(shown[REST]):
            self._foreign.see(shown[[REST]])
        if score < self._edge and len(self._known) and np.isfinite(shown[self._known]).all():
            self._traits.see(shown[self._known])

    def state(self) -> dict[str, Any]:
        """Everything that parts have changed, as values for JSON."""
        tests = {"scores": self._scores, "traits": self._traits, "foreign": self._foreign}
        return {name: test.state() for name, test in tests.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave, in a test that was made with the same arguments."""
        self._scores.restore(state["scores"])
        self._traits.restore(state["traits"])
        self._foreign.restore(state["foreign"])
