"""Which places of a picture show the object, learned from the patches of good pictures alone.

AnomalyDINO (Damm et al., WACV 2025, section 3.2) cuts each picture's patches in two along their first principal
component, and tries on a training picture whether that helps. Here the component and the cut (Otsu, 1979) belong to all
training pictures, so that a new picture cannot move them, and the cut must show itself to be one between an object and
its background; where it does not, as with a texture that fills the picture, every place is foreground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iad.detectors.embeddings import Embeddings, required
from iad.errors import IadError
from iad.neighbors.rows import Rows

SAMPLE = 64  # pictures that are looked at
ROUNDING = 1e-5  # relative; values that differ by less are the same
BINS = 256  # of the histogram that is cut
UNIFORM = 3 / 4  # share of a uniform distribution's variance that lies between its halves: no more means no two groups
RING = 2 / 3  # share of the border that the background must hold
PICTURES = 0.9  # share of the pictures in which it must


@dataclass(frozen=True, eq=False)
class Foreground:
    """A direction among patch features, and the place along it from which patches show the object.

    Attributes:
        direction: float32 `(D,)`; zeros where every place is foreground.
        threshold: patches show the object where their product with `direction` is at least that.
        reason: why every place is foreground, for a person to read; empty where an object was found.
    """

    direction: np.ndarray
    threshold: float
    reason: str = ""

    def remark(self, shown: float) -> str:
        """How much of the pictures counts, given the share of places that do, for a person to read."""
        counted = f"every place counts: {self.reason}" if self.reason else f"{shown:.0%} of places count"
        return f"patch.foreground = pca: {counted}"

    def shows_object(self, patches: np.ndarray) -> np.ndarray:
        """Which patches show the object: bool `(...)` for float16 or float32 `(..., D)`.

        >>> bright = Foreground(direction=np.float32([1, 0]), threshold=0.5)
        >>> bright.shows_object(np.float32([[0.2, 9.0], [0.7, 0.0]])).tolist()
        [False, True]
        """
        return np.asarray(patches.astype(np.float32) @ self.direction >= self.threshold)

    def masks(self, pictures: Rows) -> np.ndarray:
        """Where the object is, its holes and a margin of one place around it included.

        Args:
            pictures: float16 or float32 `(M, h, w, D)`; may be memory-mapped, and a view.

        Returns:
            bool `(M, h, w)`; all False for a picture that shows no object.

        >>> picture = np.zeros((1, 3, 5, 1), dtype=np.float32)
        >>> picture[0, 1, 1] = 1
        >>> Foreground(direction=np.float32([1]), threshold=0.5).masks(picture).astype(int)[0]
        array([[1, 1, 1, 0, 0],
               [1, 1, 1, 0, 0],
               [1, 1, 1, 0, 0]])
        """
        masks = np.empty(pictures.shape[:3], dtype=bool)
        for number in range(len(masks)):
            masks[number] = _with_margin(self.shows_object(pictures[number]))
        return masks


def fit_foreground(pictures: Rows) -> Foreground:
    """Learn what shows the object from good pictures.

    Args:
        pictures: float16 or float32 `(N, h, w, D)`, N >= 1; may be memory-mapped, and a view. Up to 64 of them, evenly
            spaced, are looked at.

    Returns:
        The foreground. Every place belongs to it (`reason` says why) unless

        - the cut leaves more than 3/4 of the component's variance between its two sides, which is what half and half of
          a uniform distribution would leave;
        - one side, the background, holds 2/3 of the border after the object got its margin, in 9 of 10 pictures (the
          border of a texture that fills the picture may look different, but only one place deep);
        - the features of the background vary less than those of the object.

    >>> pictures = np.zeros((1, 8, 8, 2), dtype=np.float32)
    >>> pictures[0, 3:5, 3:5] = np.float32([[[9, 1], [9, 2]], [[9, 3], [9, 4]]])  # four places unlike the rest
    >>> found = fit_foreground(pictures)
    >>> found.reason, int(found.shows_object(pictures).sum())
    ('', 4)
    """
    chosen = np.unique(np.linspace(0, len(pictures) - 1, SAMPLE).round().astype(int))
    mean, direction = _first_component(pictures, chosen)
    along = np.stack([pictures[number].astype(np.float32) @ direction for number in chosen])  # (n, h, w)
    cut, between = _otsu(along)
    ring = _ring(along.shape[1:])
    if (along >= cut)[:, ring].mean() > 0.5:  # the commoner side of the border is the background
        direction, cut, along = -direction, -cut, -along
    found = Foreground(direction, cut)
    if between <= UNIFORM:
        return _everything(mean, f"places do not fall into two groups ({between:.2f} of the variance between them)")
    background = np.stack([~_with_margin(shown) for shown in along >= cut])
    held = float(np.quantile(background[:, ring].mean(axis=1), 1 - PICTURES))
    if held < RING:
        return _everything(mean, f"no background goes round the object (it holds {held:.0%} of the border)")
    ratio = _scatter_ratio(pictures, chosen, found)
    if ratio >= 1:
        times = f" ({ratio:.1f} times)" if np.isfinite(ratio) else ""  # the rest may not vary at all
        return _everything(mean, f"the border varies more than the rest{times}")
    return found


def masks_of_good(foreground: Foreground, good: Embeddings) -> np.ndarray:
    """Where good pictures show the object, bool `(N, h, w)`.

    Raises:
        IadError: naming those that show none, where others do.

    >>> bright = Foreground(direction=np.float32([1]), threshold=0.5)
    >>> masks_of_good(bright, Embeddings(patches=np.zeros((1, 2, 2, 1), np.float32), names=["dark.png"]))
    Traceback (most recent call last):
    iad.errors.IadError: patch.foreground = pca: empty foreground: no object in dark.png, where other good pictures ...
    """
    masks = foreground.masks(required(good.patches, "patch embeddings"))
    empty = np.flatnonzero(~masks.any(axis=(1, 2)))
    if len(empty):
        raise IadError(
            f"patch.foreground = pca: empty foreground: no object in {good.listed(empty)}, where other good pictures "
            "show one; take them out, or set patch.foreground to none"
        )
    return masks


def _everything(like: np.ndarray, reason: str) -> Foreground:
    return Foreground(np.zeros(len(like), dtype=np.float32), 0.0, reason)


def _first_component(pictures: Rows, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and first principal component of the pictures' patches, float32 `(D,)` each."""
    length, count = pictures.shape[3], len(chosen) * pictures.shape[1] * pictures.shape[2]
    total, products = np.zeros(length), np.zeros((length, length))
    for number in chosen:
        patches = pictures[number].reshape(-1, length).astype(np.float32)
        total += patches.sum(axis=0, dtype=np.float64)
        products += patches.T @ patches
    mean = total / count
    _, axes = np.linalg.eigh(products / count - np.outer(mean, mean))  # ascending
    return mean.astype(np.float32), axes[:, -1].astype(np.float32)


def _otsu(values: np.ndarray) -> tuple[float, float]:
    """The cut with the largest variance between its sides, and that variance as a share of all; no cut, no share."""
    low, high = float(values.min()), float(values.max())
    if high - low <= ROUNDING * max(abs(low), abs(high)):
        return low, 0.0
    counts, edges = np.histogram(values, BINS)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1] / values.size
    moment = np.cumsum(counts * middles)[:-1] / values.size
    mean = (counts @ middles) / values.size
    spread = below * (1 - below)
    between = np.divide((mean * below - moment) ** 2, spread, out=np.zeros_like(spread), where=spread > 0)
    variance = counts @ (middles - mean) ** 2 / values.size
    best = int(between.argmax())
    return float(edges[best + 1]), float(between[best] / variance)


def _ring(shape: tuple[int, ...]) -> np.ndarray:
    ring = np.ones(shape, dtype=bool)
    ring[1:-1, 1:-1] = False
    return ring


def _scatter_ratio(pictures: Rows, chosen: np.ndarray, found: Foreground) -> float:
    """Variance of the background's features over that of the object's, each around its own mean."""
    counts, sums, squares = np.zeros(2), np.zeros((2, pictures.shape[3])), np.zeros(2)
    for number in chosen:
        patches = pictures[number].reshape(-1, pictures.shape[3]).astype(np.float64)
        shown = found.shows_object(patches)
        for side, members in enumerate((patches[~shown], patches[shown])):
            counts[side] += len(members)
            sums[side] += members.sum(axis=0)
            squares[side] += (members**2).sum()
    background, shown = squares / counts - ((sums / counts[:, None]) ** 2).sum(axis=1)
    return float(background / shown) if shown > 0 else np.inf


def _with_margin(shown: np.ndarray) -> np.ndarray:
    """Gaps of one place closed, holes filled, and one place more all around; bool `(h, w)`."""
    from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes

    square = np.ones((3, 3), dtype=bool)
    closed = binary_erosion(binary_dilation(shown, square), square, border_value=1)
    return np.asarray(binary_dilation(binary_fill_holes(closed), square))
