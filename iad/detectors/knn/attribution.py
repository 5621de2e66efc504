"""Where a pooled distance comes from: anomaly maps of kNN on pooled features. The sum of a map is the picture's score.

`avg`, `patch_mean`, `token_mean`: a feature is the mean of the vectors of its places, so the distance of a picture x to
a neighbour n is a sum over places too. With u = (x - n) / |x - n|, and t_p, n_p the vectors at place p of P,

    |x - n| = sum_p <t_p - n_p, u> / P.

It is exact, as in class activation mapping (Zhou et al. 2016, arXiv 1512.04150), and stays so behind whatever is
linear: standardising, principal components, and, for cosine, the division by the length of the picture's own feature,
where 1 - cos = <x - n, x - n> / 2 for features of unit length. A place is negative where it brings x nearer to n.

`max`: each feature's share goes to the place of its maximum, in equal parts where several places reach it. Exact too.

`cls`: the class token is no mean, and no split is exact. The vectors are what each place adds to the class token
through the attention of the last block. The score is spread over the places in proportion to how far each vector lies
from the nearest one of the neighbours. The norm of such a vector says what attention moves (Kobayashi et al. 2020,
arXiv 2004.10102); comparing places with those of the nearest pictures is SPADE (Cohen and Hoshen 2020, arXiv
2005.02357).

A score of several neighbours is the mean of their distances, and its map the mean of their maps. What rounding
(features are float32, places float16) and an approximate index leave over is spread evenly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from iad.detectors.knn.search import Nearest, Neighbors
from iad.neighbors.rows import Rows
from iad.progress import track

CACHED = 2**28  # bytes of vectors that are kept in float32: the same good pictures are neighbours again and again


@dataclass(frozen=True, eq=False)
class Parts:
    """Pooled embeddings of pictures, and the vectors of the places that they were pooled from.

    Attributes:
        pooled: float32 `(N, D)`.
        vectors: float16 `(N, h, w, D)`; may be memory-mapped, or a view.
        pooling: "avg", "patch_mean", "token_mean", "max" or "cls".
    """

    pooled: np.ndarray
    vectors: Rows
    pooling: str

    def of(self, picture: int) -> np.ndarray:
        """Vectors of one picture, float32 `(P, D)`.

        >>> vectors = np.arange(8, dtype=np.float16).reshape(1, 2, 2, 2)
        >>> Parts(np.zeros((1, 2), dtype=np.float32), vectors, "avg").of(0).tolist()
        [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]
        """
        return np.asarray(self.vectors[picture], dtype=np.float32).reshape(-1, self.vectors.shape[-1])


def attribution_maps(
    neighbors: Neighbors, nearest: Nearest, asked: Parts, good: Parts, *, aggregate: str
) -> np.ndarray:
    """Spread scores over the places of their pictures.

    Args:
        neighbors: the bank that was searched.
        nearest: what was found there for M pictures.
        asked: of these M pictures.
        good: of the pictures of the bank.
        aggregate: "mean" or "kth", as for the scores.

    Returns:
        float32 `(M, h, w)`, in the metric's unit, higher = more anomalous; each map sums to its picture's score.

    >>> good = Parts(np.zeros((1, 2), np.float32), np.zeros((1, 1, 2, 2), np.float16), "avg")
    >>> odd = Parts(np.float32([[3, 4]]), np.float16([[[[0, 0], [6, 8]]]]), "avg")  # all of it from the second place
    >>> bank = Neighbors(good.pooled, metric="euclidean", standardize=False)
    >>> attribution_maps(bank, bank.nearest(odd.pooled, k=1), odd, good, aggregate="mean").round(4).tolist()
    [[[0.0, 5.0]]]
    """
    grid = asked.vectors.shape[1:3]
    maps = np.empty((len(asked.pooled), *grid), dtype=np.float32)
    scores = nearest.scores(aggregate)
    size = 4 * int(np.prod(asked.vectors.shape[1:]))
    read = lru_cache(maxsize=max(1, CACHED // size))(good.of)
    found = nearest.rows[:, -1:] if aggregate == "kth" else nearest.rows
    for picture in track(range(len(maps)), "attribution", unit=" pictures"):
        if asked.pooling == "cls":
            values = _in_proportion(asked.of(picture), found[picture], scores[picture], read)
        else:
            values = _split(neighbors, asked, picture, good.pooled[found[picture]], found[picture], read)
        maps[picture] = (values + (scores[picture] - values.sum()) / len(values)).reshape(grid)
    return maps


def _split(
    neighbors: Neighbors, asked: Parts, picture: int, bank: np.ndarray, others: np.ndarray,
    read: Callable[[int], np.ndarray],
) -> np.ndarray:  # fmt: skip
    """Shares `(P,)` of the mean distance of a picture to others; those of a mean up to a constant."""
    own = asked.pooled[[picture]]
    gradients = neighbors.gradients(own, bank) / len(others)  # (k, D)
    length, lengths = neighbors.space.lengths(own)[0], neighbors.space.lengths(bank)
    vectors = asked.of(picture)
    if asked.pooling == "max":
        mean = neighbors.space.scaling.mean
        parts = (gradients * ((own - mean) / length - (bank - mean) / lengths[:, None])).sum(axis=0)  # (D,)
        reached = vectors == vectors.max(axis=0)
        return np.asarray(reached @ (parts / reached.sum(axis=0)))
    values = vectors @ (gradients.sum(axis=0) / length).astype(np.float32)
    for other, gradient in zip(others, gradients / lengths[:, None], strict=True):
        values -= read(other) @ gradient.astype(np.float32)
    return np.asarray(values.astype(np.float64) / len(values))


def _in_proportion(own: np.ndarray, others: np.ndarray, score: float, read: Callable[[int], np.ndarray]) -> np.ndarray:
    """Shares `(P,)` of a score in proportion to how far each place lies from the nearest place of other pictures."""
    nearest, doubled = np.full(len(own), np.inf, dtype=np.float32), -2 * own
    for other in others:
        vectors = read(other)
        squared = doubled @ vectors.T  # (P, P), short of |own|^2 in the end
        squared += np.einsum("pd,pd->p", vectors, vectors)
        np.minimum(nearest, squared.min(axis=1), out=nearest)
    distances = np.sqrt(np.maximum(nearest.astype(np.float64) + np.einsum("pd,pd->p", own, own), 0))
    total = distances.sum()
    return np.asarray(score * distances / total if total > 0 else np.full(len(own), score / len(own)))
