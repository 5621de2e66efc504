"""What bets against a hypothesis have come to, where nobody knows when it began to be wrong.

One unit of wealth is divided in advance among all times at which a change may begin: what is set aside for a time is
divided among the bets when that time comes, and stays in them from there on. Under the hypothesis each bet is fair, so
the whole is a nonnegative martingale that starts at 1, and reaches 1 / rate with a probability of at most `rate`, ever
(Ville 1939). What is set aside falls as `1 / (1 + log(1 + t / 10))`: for a change at part t, a share of about
`1 / (t log^2 t)` is there to bet with. That is as slow as a sum over an endless run allows; a jumping rate that does
not fall (Vovk et al. 2021, arXiv 2102.10439) would lose everything in a long good run.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

SOON = 10.0  # parts; changes within so many get the largest stakes


class Wealth:
    """The wealth of K bets in each of R runs side by side; on a line R is 1.

    Args:
        runs: R.
        bets: K.

    >>> wealth = Wealth(1, 2)
    >>> for _ in range(9):
    ...     wealth.step(np.log([[1.8, 0.2]]))
    >>> bool(np.exp(wealth.log[0]) > 10), wealth.best.tolist(), wealth.began.tolist()
    (True, [0], [1])
    """

    def __init__(self, runs: int, bets: int) -> None:
        self._parts = 0
        self._active = np.full((runs, bets), -np.inf)  # log of what is in each bet
        self._won = np.zeros((runs, bets))  # log of what each bet has won since it began to win: Page's sum (1954)
        self._start = np.ones((runs, bets), dtype=np.int64)  # and when it began

    @property
    def log(self) -> np.ndarray:
        """Logarithm of the whole wealth, float64 `(R,)`; 0 at the start."""
        return np.asarray(np.logaddexp(np.log(_set_aside(self._parts)), np.logaddexp.reduce(self._active, axis=1)))

    @property
    def best(self) -> np.ndarray:
        """The bet that has most, int64 `(R,)`."""
        return np.asarray(self._active.argmax(axis=1))

    @property
    def began(self) -> np.ndarray:
        """From which part on that bet has won, the first being 1: where a change seems to be, int64 `(R,)`."""
        return np.asarray(np.take_along_axis(self._start, self.best[:, None], axis=1)[:, 0])

    def step(self, log_factors: np.ndarray) -> None:
        """Bet once more.

        Args:
            log_factors: float64 `(R, K)`, logarithm of what each bet is multiplied with; under the hypothesis the
                factor is 1 in expectation, or less. 0 where there is nothing to bet on.
        """
        bets = self._active.shape[1]
        stake = np.log((_set_aside(self._parts) - _set_aside(self._parts + 1)) / bets)
        self._parts += 1
        self._active = np.logaddexp(self._active, stake) + log_factors
        self._start = np.where(self._won <= 0, self._parts, self._start)  # all that was won before is lost again
        self._won = np.maximum(self._won, 0.0) + log_factors

    def state(self) -> dict[str, Any]:
        """Everything, as values for JSON."""
        return {
            "parts": self._parts,
            "active": _finite(self._active),
            "won": self._won.tolist(),
            "start": self._start.tolist(),
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """What `state` gave, as it was."""
        found = cls(len(state["active"]), len(state["active"][0]))
        found._parts, found._start = state["parts"], np.array(state["start"], dtype=np.int64)
        found._won = np.array(state["won"], dtype=np.float64)
        found._active = np.array(state["active"], dtype=np.float64)  # None becomes NaN
        found._active[np.isnan(found._active)] = -np.inf
        return found


def _set_aside(parts: int) -> float:
    """What is not bet yet after so many parts."""
    return 1 / (1 + math.log1p(parts / SOON))


def _finite(logs: np.ndarray) -> list[list[float | None]]:
    return [[None if value == -np.inf else value for value in row] for row in logs.tolist()]
