"""How well scores tell good pictures from painted copies of others, and whether two methods differ in that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
DRAWS = 2000


@dataclass(frozen=True)
class Gain:
    """How much better one method separates than another on the same pictures.

    Attributes:
        value: difference of their separations; above 0 where the first is better.
        low: lower end of its interval.
        high: upper end.
        p_value: two-sided, of no difference.
    """

    value: float
    low: float
    high: float
    p_value: float


def comparisons(good: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Which painted picture scores above which good one.

    Args:
        good: float64 `(N,)`, scores of good pictures, which no method was fitted to; higher = more anomalous.
        painted: float64 `(K, N)`, scores of the same pictures with a defect of each of K kinds.

    Returns:
        float64 `(N, N)`: share of the kinds in which painted picture j scores above good picture i, ties counting half.

    >>> comparisons(np.array([1.0, 2.0]), np.array([[3.0, 2.0]])).tolist()
    [[1.0, 1.0], [1.0, 0.5]]
    """
    above, equal = painted[:, None, :] > good[:, None], painted[:, None, :] == good[:, None]
    return np.asarray((above + 0.5 * equal).mean(axis=0))


def separation(compared: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean area under the ROC curve over the kinds of defects: 1 is perfect, 0.5 is chance.

    A painted picture is compared with all good ones but itself: a new part comes without its faultless twin.

    Args:
        compared: `(N, N)`, from `comparisons`, of at least two pictures.
        weights: `(..., N)`, how often each picture counts; None: once.

    Returns:
        float64 `(...)`; not a number where all weight lies on one picture.

    >>> separation(np.array([[0.0, 1.0], [0.5, 0.0]])).item()
    0.75
    """
    given = np.ones(len(compared)) if weights is None else weights
    others = compared * ~np.eye(len(compared), dtype=bool)
    counted = given.sum(axis=-1) ** 2 - (given**2).sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.asarray(((given @ others.T) * given).sum(axis=-1) / counted)


def interval(compared: np.ndarray, *, seed: int) -> tuple[float, float]:
    """A bootstrap interval of the separation, of pictures drawn with all their painted copies."""
    drawn = separation(compared, _drawn(len(compared), seed))
    low, high = np.nanquantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def gain(compared: np.ndarray, than: np.ndarray, *, seed: int) -> Gain:
    """How much better the first separates than the second; both drawn together.

    Args:
        compared: `(N, N)`, from `comparisons`.
        than: `(N, N)`, of the same pictures.
        seed: of the draws.

    >>> better, worse = np.ones((6, 6)), np.full((6, 6), 0.5)
    >>> gain(better, worse, seed=0).value
    0.5
    """
    weights = _drawn(len(compared), seed)
    drawn = separation(compared, weights) - separation(than, weights)
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum()) + 1
    value = float(separation(compared) - separation(than))
    return Gain(value, float(low), float(high), min(1.0, 2 * float(tail) / (len(drawn) + 1)))


def _drawn(pictures: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng((seed, pictures))
    return rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=DRAWS).astype(np.float64)
