"""Patches of good pictures as a memory bank, and how far the patches of other pictures are from it.

PatchCore (Roth et al., CVPR 2022) keeps a coreset of the patches; AnomalyDINO (Damm et al., WACV 2025) keeps all. The
distance of each patch to its nearest good ones makes the anomaly map, and the map's worst part the picture's score.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iad.detectors.patch.coreset import greedy_coreset
from iad.errors import IadError
from iad.neighbors.exact import QUERIES, ExactSearch
from iad.neighbors.patch_view import PatchView
from iad.neighbors.rows import Rows
from iad.progress import bar

COPIED = 8192  # rows copied at once
SUPPORT = 9  # rows that PatchCore's reweighting looks at


class MemoryBank:
    """Patches of good pictures.

    With a coreset, only the patches that are kept are ever in memory together.

    Args:
        patches: float16 or float32 `(N, h, w, D)`, of the good pictures; may be memory-mapped, and a view of them.
        coreset_sampling_ratio: share of the patches that is kept, in (0, 1]; below 1 by greedy k-centre.
        seed: of the coreset's first choice.
        device: "cpu" or "cuda", where distances are computed; a card must hold what is kept.

    Raises:
        IadError: if there is no picture, or a feature is not finite.

    Attributes:
        rows: int64 `(rows kept,)`, ascending: where each kept patch was among the `N * h * w` given.
    """

    def __init__(
        self, patches: np.ndarray | PatchView, *, coreset_sampling_ratio: float = 1.0, seed: int = 0,
        device: str = "cpu",
    ) -> None:  # fmt: skip
        if not len(patches):
            raise IadError("a memory bank of no picture; add good pictures")
        view = patches if isinstance(patches, PatchView) else PatchView(patches)
        self.per_picture = view.per_picture
        if coreset_sampling_ratio < 1:
            kept = coreset_size(view.rows, coreset_sampling_ratio)
            self.rows = np.sort(greedy_coreset(view, kept, seed=seed, device=device))
            bank = view.gather(self.rows)
        else:
            self.rows = np.arange(view.rows)
            bank = view.gather()
        self.search = ExactSearch(bank, device=device)

    @classmethod
    def of_rows(cls, bank: np.ndarray, rows: np.ndarray, *, per_picture: int, device: str = "cpu") -> MemoryBank:
        """Make a bank of patches that were chosen before.

        Args:
            bank: float16 or float32 `(rows kept, D)`.
            rows: int64 `(rows kept,)`, ascending, as the attribute `rows`.
            per_picture: patches of each picture, `h * w`.
            device: "cpu" or "cuda", where distances are computed.

        Raises:
            IadError: if there is no row, rows are no such numbers, or a feature is not finite.

        >>> bank = MemoryBank.of_rows(np.float32([[0], [7]]), np.array([1, 5]), per_picture=4)
        >>> bank.distance_maps(np.float32([[[[9], [1]]]]), num_neighbors=1).tolist()
        [[[2.0, 1.0]]]
        """
        _require_rows(bank, rows)
        made = cls.__new__(cls)
        made.per_picture, made.rows = per_picture, rows
        made.search = ExactSearch(np.ascontiguousarray(bank, dtype=np.float32), device=device)
        return made

    def distance_maps(self, pictures: Rows, *, num_neighbors: int, leave_out: np.ndarray | None = None) -> np.ndarray:
        """Mean Euclidean distance of each patch to its k nearest in the bank.

        Args:
            pictures: float16 or float32 `(M, h, w, D)`; may be memory-mapped, and a view.
            num_neighbors: k.
            leave_out: int64 `(M,)`, the number of each picture among those of the bank, so that its own patches do not
                count (leave one image out); None for pictures that are not in the bank.

        Returns:
            float32 `(M, h, w)`, higher = more anomalous.

        Raises:
            IadError: if fewer than k patches are left to compare with.

        >>> good = np.float32([[[[0]]], [[[1]]], [[[3]]]])  # three pictures of one patch
        >>> bank = MemoryBank(good)
        >>> bank.distance_maps(good, num_neighbors=2, leave_out=np.arange(3)).ravel().tolist()  # 0: 1 and 3 away
        [2.0, 1.5, 2.5]
        """
        count, height, width, length = pictures.shape
        maps = np.empty((count, height, width), dtype=np.float32)
        title = "memory bank" if leave_out is None else "memory bank, leaving one out"
        together = max(1, QUERIES // (height * width))
        with bar(title, count, unit=" pictures") as shown:
            for start in range(0, count, together):
                part = slice(start, min(start + together, count))
                patches = [pictures[number].reshape(-1, length) for number in range(count)[part]]
                queries = np.concatenate(patches, dtype=np.float32)
                own = None if leave_out is None else self.rows_of(leave_out[part]).repeat(height * width, axis=0)
                distances, _ = self.search.search(queries, num_neighbors, hidden=own)
                maps[part] = distances.mean(axis=1).reshape(-1, height, width)
                shown.update(part.stop - part.start)
        return maps

    def reweighted(self, pictures: Rows, maps: np.ndarray, *, leave_out: np.ndarray | None = None) -> np.ndarray:
        """PatchCore's score (equation 7): the largest distance, less where the bank is dense around its neighbour.

        With x the patch of the largest value, m its nearest row, and the 9 rows nearest to m (m among them), the
        distance |x - m| is multiplied by 1 - exp |x - m| / (sum of exp |x - row| over those rows), or by 1 where the
        bank has one row only. The weight tells dense from sparse where distances differ by about 1. It is near 8/9
        where they differ by much less, as between layers of unit length, and near 1 where by much more;
        `patches.unit_length` says which embeddings there are.

        Args:
            pictures: as in `distance_maps`.
            maps: what that returned for them.
            leave_out: as in `distance_maps`.

        Returns:
            float64 `(M,)`, higher = more anomalous.

        >>> picture = np.float32([[[[3, 4]]]])
        >>> for good in (np.zeros((1, 1, 1, 2)), np.zeros((1, 1, 4, 2))):  # four rows as near weigh 1 - 1 / 4
        ...     bank = MemoryBank(np.float32(good))
        ...     bank.reweighted(picture, bank.distance_maps(picture, num_neighbors=1)).tolist()
        [5.0]
        [3.75]
        """
        scores = np.empty(len(pictures))
        for number, found in enumerate(maps):
            picture = pictures[number]
            patch = picture.reshape(-1, picture.shape[-1])[found.argmax(), None].astype(np.float32)
            own = None if leave_out is None else self.rows_of(leave_out[number : number + 1])
            left = len(self.rows) - (0 if own is None else int(own[0, 1] - own[0, 0]))
            distance, nearest = self.search.search(patch, 1, hidden=own)
            _, support = self.search.search(self.search.vectors(nearest[0]), min(SUPPORT, left), hidden=own)
            others = np.linalg.norm(self.search.vectors(support[0]).astype(np.float64) - patch, axis=1)
            scores[number] = _weight(distance[0, 0], others) * distance[0, 0]
        return scores

    def patches(self, rows: np.ndarray | None = None, *, dtype: np.dtype[Any]) -> np.ndarray:
        """Patches kept, by int64 `(n,)`; None for all. A copy `(n, D)` of this type.

        >>> MemoryBank(np.float32([[[[1], [2]]]])).patches(np.array([1]), dtype=np.dtype(np.float16)).tolist()
        [[2.0]]
        """
        rows = np.arange(len(self.rows)) if rows is None else rows
        found = np.empty((len(rows), self.search.bank.shape[1]), dtype)
        for start in range(0, len(rows), COPIED):  # the whole bank in float32 would be there twice
            found[start : start + COPIED] = self.search.vectors(rows[start : start + COPIED])
        return found

    def rows_of(self, pictures: np.ndarray) -> np.ndarray:
        """Which rows of the bank, from the first up to but without the second, are patches of pictures, int64 `(M,)`.

        Returns:
            int64 `(M, 2)`.

        >>> bank = MemoryBank.of_rows(np.zeros((3, 2), np.float32), np.array([1, 5, 6]), per_picture=4)
        >>> bank.rows_of(np.array([0, 1])).tolist()
        [[0, 1], [1, 3]]
        """
        borders = np.stack([pictures, pictures + 1], axis=1) * self.per_picture
        return np.searchsorted(self.rows, borders).astype(np.int64)


def _require_rows(bank: np.ndarray, rows: np.ndarray) -> None:
    """Refuse what no bank has left, since a file may hold anything."""
    kinds = bank.ndim == 2 and bank.dtype in (np.float16, np.float32) and rows.dtype == np.int64
    if not kinds or rows.shape != bank.shape[:1] or (rows < 0).any() or (np.diff(rows) <= 0).any():
        raise IadError("a memory bank whose patches and their numbers do not belong together; fit the method again")


def _weight(distance: float, others: np.ndarray) -> float:
    """PatchCore's 1 - exp(distance) / (sum of exp(others)), by exponents of at most 0, so that none is too large.

    One row alone says nothing of density: then the weight is 1.
    """
    if len(others) < 2:
        return 1.0
    largest = others.max()
    return float(1 - np.exp(distance - largest) / np.exp(others - largest).sum())


def coreset_size(patches: int, coreset_sampling_ratio: float) -> int:
    """How many of so many patches a bank keeps: at least one.

    >>> coreset_size(327_680, 0.01), coreset_size(10, 0.01)
    (3277, 1)
    """
    return max(1, round(coreset_sampling_ratio * patches)) if patches else 0
