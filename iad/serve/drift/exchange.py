"""A test that never ends: are the parts that come still like the calibration pictures?

**The hypothesis.** Each part is defective with a probability of at most `defects`, whatever came before; a defective
part scores at least the edge; good parts and calibration pictures are exchangeable, as draws of one continuous law
are. The edge is the largest calibration score below the threshold. The test has two halves, of half a unit of wealth
each.

**Parts below the edge**, the usual ones, are ranked among the calibration scores and all parts before them. Given the
edge, which is an order statistic, good scores below it are draws of one law. The calibration scores up to the edge
divide it into k places; where place i was met `m_i` times, the next usual part comes to place j with a probability of
exactly `(1 + m_j) / (k + m_1 + ... + m_k)`: Polya's urn. Spread at random over the share of its place, the rank p of a
part is exactly uniform and independent of all before. It is a smoothed conformal p-value (Vovk, Gammerman and Shafer
2005) among calibration and earlier parts, where parts of one place count as equal, so that a number per place is all
that is remembered, however many parts come. Ranks among the calibration scores alone would not be uniform, given
these, and a martingale on them would end in a false alarm on a long good run. The bets are densities of the Beta
distribution: on higher scores, on lower, on wider and on narrower ones (the mixture of power martingales of Vovk,
Nouretdinov and Gammerman 2003, with its mirror).

**Parts from the edge on**, the high ones, are counted. Were no part defective, the next one would be high with the
probability `h = (their places and how often these were met) / (n + 1 + parts)`. With defective ones it is at most
`q = h + defects (1 - h)`, whenever they come: high parts that are defective speak less for a large share of high good
parts than h takes them to. Bets are on more than q, so that this half is a supermartingale.

Ties are broken at random, also between calibration scores, by a seeded generator; at the edge they count as high.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from scipy.special import betaln

from iad.serve.drift.wealth import Wealth

HIGHER, LOWER, WIDER, NARROWER, MORE = "higher", "lower", "wider", "narrower", "more"
"""What a bet is on: scores higher, lower, farther apart or closer together than before; more high parts."""

BETS = (  # (a, b) of the Beta density of p, where a small p is a high score
    (0.25, 1.0, HIGHER), (0.5, 1.0, HIGHER), (1.0, 2.0, HIGHER), (1.0, 4.0, HIGHER),
    (1.0, 0.25, LOWER), (1.0, 0.5, LOWER), (2.0, 1.0, LOWER), (4.0, 1.0, LOWER),
    (0.5, 0.5, WIDER), (2.0, 2.0, NARROWER),
)  # fmt: skip
ODD_SHARES = np.array([0.05, 0.2, 0.6])  # of parts, beyond those that the hypothesis allows to be high
_A, _B = (np.array([bet[place] for bet in BETS]) for place in range(2))
_NORM = betaln(_A, _B)
TINY = 1e-12  # a rank of exactly 0 would win everything


class ExchangeTest:
    """The test in R runs side by side, as a simulation has them; on a line R is 1.

    A part takes about 0.1 ms, however many came before, and the whole test `n + 1` numbers and a few more.

    Args:
        calibration: float64 `(R, n)`, scores of good pictures, out of sample, higher = more anomalous.
        threshold: float64 `(R,)`, above at least one of them.
        defects: share of parts that may be defective, in [0, 1).
        seed: of the draws.

    Attributes:
        parts: how many were seen.
        highest: float64 `(R,)`, the largest logarithm of the wealth so far.

    >>> test = ExchangeTest(np.arange(99.0)[None], np.array([94.5]), defects=0.02, seed=0)
    >>> for score in np.random.default_rng(1).uniform(50, 94, size=60):
    ...     _ = test.see(np.array([score]))
    >>> bool(test.log[0] > np.log(1000)), test.change()[0][0]
    (True, 'higher')
    """

    def __init__(self, calibration: np.ndarray, threshold: np.ndarray, *, defects: float, seed: int) -> None:
        runs, n = calibration.shape
        self._bits, self._defects = np.random.PCG64(seed), defects
        self._rng = np.random.Generator(self._bits)
        ties = self._rng.random((runs, n))
        order = np.lexsort((ties, calibration), axis=1)
        self._scores, self._ties = (np.take_along_axis(one, order, axis=1) for one in (calibration, ties))
        self._edge = np.where(calibration < threshold[:, None], calibration, -np.inf).max(axis=1)
        self._usual_places = (calibration < self._edge[:, None]).sum(axis=1) + 1
        self._counts = np.ones((runs, n + 1))  # parts met in each place, and one
        self._usual_count = self._usual_places.astype(np.float64)  # of these, below the edge
        self._usual, self._high = Wealth(runs, len(BETS)), Wealth(runs, len(ODD_SHARES))
        self.parts, self.highest = 0, np.zeros(runs)

    @property
    def log(self) -> np.ndarray:
        """Logarithm of the wealth, float64 `(R,)`, 0 at the start: how badly the hypothesis fits."""
        return np.asarray(np.logaddexp(self._usual.log, self._high.log) - math.log(2))

    @property
    def log_high(self) -> np.ndarray:
        """The same of the bets on more high parts alone, which have a whole unit to bet then."""
        return self._high.log

    def began_high(self, run: int) -> int:
        """With which part the share of high parts seems to have risen, the first being 1."""
        return int(self._high.began[run])

    def change(self) -> list[tuple[str, int]]:
        """Of each run, what the bet that won most is on, and with which part the change seems to begin, from 1."""
        usual, high = self._usual, self._high
        names = [BETS[best][2] for best in usual.best.tolist()]
        found = zip(usual.log, high.log, names, usual.began.tolist(), high.began.tolist(), strict=True)
        return [(MORE, last) if more > other else (name, first) for other, more, name, first, last in found]

    def see(self, scores: np.ndarray) -> np.ndarray:
        """Take in the next part of each run.

        Args:
            scores: float64 `(R,)`, finite.

        Returns:
            float64 `(R,)`, ranks p of usual parts, uniform on (0, 1) under the hypothesis; NaN of high ones.
        """
        ties, spread = self._rng.random((len(scores), 2)).T
        usual = scores < self._edge
        place = self._places(scores, ties)
        place = np.where(usual, place, np.maximum(place, self._usual_places))  # what equals the edge is high
        p = self._ranks(place, spread)
        self._usual.step(np.where(usual[:, None], self._usual_factors(p), 0.0))
        self._high.step(self._high_factors(usual))
        self._counts[np.arange(len(scores)), place] += 1
        self._usual_count = self._usual_count + usual
        self.parts += 1
        self.highest = np.maximum(self.highest, self.log)
        return np.where(usual, p, np.nan)

    def state(self) -> dict[str, Any]:
        """Everything that parts have changed, as values for JSON."""
        return {
            "parts": self.parts, "counts": self._counts.tolist(), "highest": self.highest.tolist(),
            "usual": self._usual.state(), "high": self._high.state(),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> Self:
        """Go on from what `state` gave, in a test that was made with the same arguments; returns itself."""
        self.parts, runs = state["parts"], len(self._counts)
        self._bits.advance(2 * runs * self.parts)
        self._counts, self.highest = np.array(state["counts"]), np.array(state["highest"])
        below = np.arange(self._counts.shape[1]) < self._usual_places[:, None]
        self._usual_count = np.where(below, self._counts, 0.0).sum(axis=1)
        self._usual, self._high = Wealth.load(state["usual"]), Wealth.load(state["high"])
        return self

    def _places(self, scores: np.ndarray, ties: np.ndarray) -> np.ndarray:
        """How many calibration scores are below each, int64 `(R,)`."""
        lower = self._scores < scores[:, None]
        equal = self._scores == scores[:, None]
        if equal.any():
            lower |= equal & (self._ties < ties[:, None])
        return np.asarray(lower.sum(axis=1))

    def _ranks(self, place: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Share of usual calibration scores and parts that are higher, float64 `(R,)` in (0, 1)."""
        own = self._counts[np.arange(len(place)), place]
        up_to = np.where(np.arange(self._counts.shape[1]) <= place[:, None], self._counts, 0.0).sum(axis=1)
        return np.asarray(np.clip((self._usual_count - up_to + spread * own) / self._usual_count, TINY, 1 - TINY))

    @staticmethod
    def _usual_factors(p: np.ndarray) -> np.ndarray:
        """What bets on ranks `(R,)` are multiplied with, as logarithms, float64 `(R, K)`."""
        return np.asarray((_A - 1) * np.log(p)[:, None] + (_B - 1) * np.log1p(-p)[:, None] - _NORM)

    def _high_factors(self, usual: np.ndarray) -> np.ndarray:
        """What bets on more high parts are multiplied with, as logarithms, float64 `(R, K)`."""
        share = 1 - self._usual_count / (self._scores.shape[1] + 1 + self.parts)
        most = (share + self._defects * (1 - share))[:, None]
        bet = most + ODD_SHARES * (1 - most)
        return np.asarray(np.where(usual[:, None], np.log1p(-ODD_SHARES), np.log(bet / most)))
