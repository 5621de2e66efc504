"""What a picture was compared with: of methods with neighbours, its nearest good pictures and patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from iad.bundles.fitted import Fitted
from iad.detectors.embeddings import Embeddings, required
from iad.detectors.places import kept_places

if TYPE_CHECKING:
    Box: TypeAlias = tuple[float, float, float, float]

NEIGHBOURS, WORST = 3, 3  # good pictures, and worst patches, that are named


@dataclass(frozen=True)
class GoodPicture:
    """A good picture of the bundle.

    Attributes:
        row: its number in the bundle.
        distance: of pooled embeddings, in the method's unit; of patches, the mean over those whose nearest good patch
            is one of this picture's.
        patches: how many of the picture's patches have their nearest good patch there; 0 of pooled embeddings.
    """

    row: int
    distance: float
    patches: int = 0

    def __str__(self) -> str:
        """How near it is.

        >>> str(GoodPicture(3, 0.25)), str(GoodPicture(3, 0.25, 40))
        ('0.25 away', '0.25 away, nearest of 40 patches')
        """
        return f"{self.distance:.3g} away" + (f", nearest of {self.patches} patches" if self.patches else "")


@dataclass(frozen=True)
class PatchPair:
    """A patch of the picture and the good patch nearest to it.

    Attributes:
        distance: between both, higher = more anomalous.
        box: where the patch is: top, left, bottom, right, as shares of the picture's height and width.
        row: the number of the good picture in the bundle.
        good_box: where the good patch is, in the same way.
        turned: whether the good patch is one of a rotated or flipped copy, so that `good_box` is a place in that copy.
    """

    distance: float
    box: Box
    row: int
    good_box: Box
    turned: bool


@dataclass(frozen=True)
class Unlike:
    """The nearest good pictures, nearest first, and the worst patches, worst first, with the good ones nearest to them.

    Of patches, the good pictures are those to which most patches of the picture have their nearest one.
    """

    pictures: tuple[GoodPicture, ...]
    patches: tuple[PatchPair, ...] = ()


def unlike(fitted: Fitted, embeddings: Embeddings) -> dict[str, Unlike]:
    """What a picture was compared with, by method; of a hybrid, by those members that have neighbours.

    Args:
        fitted: the method.
        embeddings: of one picture, as `iad.bundles.predictor.Predictor.embed` gives them.
    """
    if fitted.members:
        parts: Mapping[str, Embeddings] = embeddings.members
        return {
            name: found
            for member in fitted.members for name, found in unlike(member, parts[member.method]).items()
        }  # fmt: skip
    finders = {"knn": _of_pooled, "patch": _of_patches}
    return {fitted.method: finders[fitted.kind](fitted.detector, embeddings)} if fitted.kind in finders else {}


def _of_pooled(detector: Any, embeddings: Embeddings) -> Unlike:
    neighbors = detector.neighbors
    count = min(max(NEIGHBOURS, detector.options.k), neighbors.size)
    found = neighbors.nearest(np.asarray(embeddings.pooled), k=count)
    pairs = zip(found.rows[0].tolist(), found.distances[0].tolist(), strict=True)
    return Unlike(tuple(GoodPicture(row, distance) for row, distance in pairs))


def _of_patches(detector: Any, embeddings: Embeddings) -> Unlike:
    bank, counting = detector.bank, detector.places
    patches = np.asarray(required(kept_places(embeddings, counting, "patch").patches, "patch embeddings"))[0]
    grid = patches.shape[:2] if counting is None else counting.shape
    numbers = np.arange(grid[0] * grid[1]) if counting is None else counting.numbers  # of the places that count
    queries = patches.reshape(-1, patches.shape[2]).astype(np.float32)
    distances, rows = bank.search.search(queries, 1)
    nearest, apart = bank.rows[rows[:, 0]], distances[:, 0].astype(float)  # where they were among all good patches
    pictures, inside = np.divmod(nearest, bank.per_picture)
    versions, places = np.divmod(inside, len(numbers))
    worst = np.argsort(-apart, kind="stable")[:WORST].tolist()
    pairs = [
        PatchPair(float(apart[one]), box_of(int(numbers[one]), grid), int(pictures[one]),
                  box_of(int(numbers[places[one]]), grid), bool(versions[one]))
        for one in worst
    ]  # fmt: skip
    owners, counts = np.unique(pictures, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:NEIGHBOURS]
    owned = [
        GoodPicture(int(owners[one]), float(apart[pictures == owners[one]].mean()), int(counts[one])) for one in most
    ]
    return Unlike(tuple(sorted(owned, key=lambda one: one.distance)), tuple(pairs))


def box_of(place: int, grid: tuple[int, int]) -> Box:
    """Top, left, bottom and right of a place in a grid, as shares of height and width.

    >>> box_of(5, (2, 4))
    (0.5, 0.25, 1.0, 0.5)
    """
    row, column = divmod(place, grid[1])
    return row / grid[0], column / grid[1], (row + 1) / grid[0], (column + 1) / grid[1]
