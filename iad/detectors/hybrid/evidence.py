"""Scores of several methods on one scale, and fused into one: the hybrid.

A score is turned into evidence, `-log10 p`, where p is the share of good pictures that score as high. So 2 means one
good picture in a hundred, whichever method says so. The sum of such evidence is Fisher's method of combining tests
(Fisher 1925); scaling before fusing is the field's "score normalisation" (Jain, Nandakumar, Ross 2005).

p is that of a logistic distribution whose upper tail is fitted to good pictures: with u the score that a share q of
them exceeds and m their mean excess over it (the maximum-likelihood scale of an exponential tail),

    p(s) = 1 / (1 + (1 - q) / q * exp((s - u) / m)).

So p(u) = q; above u evidence grows evenly and without end, far beyond any good picture; below it fades to 0, since a
method that sees nothing is no evidence against one that does. It is strictly increasing, so one method alone ranks
pictures as before. Nothing here ever sees a defective picture.

What it costs: u and m come from the same good pictures that set the threshold. For one method that is harmless, since
the order stays. For several, the balance between them is fitted to the calibration pictures (two numbers per method),
and a new part had no say in it. No bound is proven then, so fused calibration scores are of the scheme `jackknife`.
`benchmarks/fusion.py` measures by how much the promised rate is missed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from iad.errors import IadError
from iad.words import counted

TAIL_SHARE = 0.2  # of the pictures, behind the scale of scores
MAP_TAIL_SHARE = 0.01  # of the places of all good maps: a map is judged by few of its places
BLOCK = 2**20  # values looked at together


@dataclass(frozen=True)
class GoodTail:
    """The upper tail of what good pictures show.

    Attributes:
        start: value that a share `share` exceeds.
        excess: mean excess over it, above 0.
        share: in (0, 1).
    """

    start: float
    excess: float
    share: float

    def evidence(self, values: np.ndarray) -> np.ndarray:
        """Turn scores or maps of any shape into evidence `-log10 p`, float64 of that shape, above 0; higher = worse.

        >>> tail = GoodTail(start=2.0, excess=1.0, share=0.1)
        >>> tail.evidence(np.array([-5.0, 2.0, 2.0 + np.log(10), 2.0 + np.log(1e6)])).round(2).tolist()
        [0.0, 1.0, 1.96, 6.95]
        """
        odds = math.log((1 - self.share) / self.share)
        return np.logaddexp(0, (values.astype(np.float64) - self.start) / self.excess + odds) / math.log(10)


def fit_tail(values: np.ndarray, share: float, origin: str) -> GoodTail:
    """Fit the upper tail of good pictures' scores, or of the values of their anomaly maps.

    Args:
        values: of any shape and float type, higher = more anomalous.
        share: of the values that counts as tail, in (0, 1); at least one does.
        origin: what the values are; a refusal begins with it.

    Raises:
        IadError: if there are fewer than two, one is not finite, or all of the tail is one value, so that it has no
            scale.

    >>> fit_tail(np.arange(10.0), 0.2, "vit")  # above 7 are 8 and 9
    GoodTail(start=7.0, excess=1.5, share=0.2)
    """
    flat = values.reshape(-1)
    if len(flat) < 2:
        raise IadError(
            f"{origin}: {counted(len(flat), 'value')} of good pictures, too few for a scale; add good pictures"
        )
    count = min(max(1, round(share * len(flat))), len(flat) - 1)
    highest = np.empty(0)
    for first in range(0, len(flat), BLOCK):  # maps of many pictures in float64 would fill the memory
        block = flat[first : first + BLOCK].astype(np.float64)
        if not np.isfinite(block).all():
            raise IadError(f"{origin}: a score of a good picture is not finite; run `dvc repro` to write it again")
        highest = _highest(np.concatenate([highest, block]) if first else block, count + 1)
    start = float(highest.min())
    excess = float((highest - start).sum() / count)
    if excess == 0:
        raise IadError(
            f"{origin}: the {count + 1} highest of {len(flat)} values of good pictures are all {start:.4g}, so they "
            "give no scale; look for copies among the good pictures, or leave this method out of the hybrid"
        )
    return GoodTail(start, excess, count / len(flat))


def fuse(evidence: np.ndarray, *, how: str, weights: Sequence[float] = ()) -> np.ndarray:
    """Fuse the evidence of several members.

    Args:
        evidence: `(M, ...)` of any float type: of each member, for the same pictures or places.
        how: "mean", for defects that several members see a little; or "max", for defects that one alone sees.
        weights: one per member, 0 or more, of which only the ratios count; none means equal.

    Returns:
        float64 `(...)`, higher = more anomalous: the weighted mean; or the largest of `weight / largest weight` times
        the evidence.

    Raises:
        IadError: if there is another number of weights than of members, one is negative or not finite, or all are 0.

    >>> evidence = np.array([[1.0, 0.0], [3.0, 2.0]])
    >>> [fuse(evidence, how=how).tolist() for how in ("mean", "max")]
    [[2.0, 1.0], [3.0, 2.0]]
    >>> fuse(evidence, how="mean", weights=[3, 1]).tolist()
    [1.5, 0.5]
    """
    given = np.asarray(list(weights) or [1.0] * len(evidence), dtype=np.float64)
    if len(given) != len(evidence) or not np.isfinite(given).all() or given.min() < 0 or given.max() == 0:
        raise IadError(f"weights {list(weights)} for {len(evidence)} members: give one each, 0 or more, and not all 0")
    return FUSIONS[how](evidence, given)


def enlarge(maps: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Bring maps `(K, h, w)` to a finer grid by interpolation along both sides.

    Args:
        maps: of any float type.
        rows: float32 `(H, h)`, weights of each new line over the old ones.
        columns: float32 `(W, w)`, the same for columns.

    Returns:
        float32 `(K, H, W)`.

    >>> from iad.detectors.maps import enlargement
    >>> enlarge(np.array([[[0.0, 4.0]]]), enlargement(1, 1, 0), enlargement(2, 4, 0)).tolist()
    [[[0.0, 1.0, 3.0, 4.0]]]
    """
    return np.asarray(rows @ maps.astype(np.float32) @ columns.T)


def _highest(values: np.ndarray, count: int) -> np.ndarray:
    return values if len(values) < count else np.partition(values, len(values) - count)[-count:]


def _mean(evidence: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.asarray(np.tensordot(weights / weights.sum(), evidence, axes=1))


def _max(evidence: np.ndarray, weights: np.ndarray) -> np.ndarray:
    shares = (weights / weights.max()).reshape(-1, *[1] * (evidence.ndim - 1))
    return np.asarray((shares * evidence).max(axis=0))


FUSIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"mean": _mean, "max": _max}
