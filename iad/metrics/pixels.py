"""Count good pixels against the scores of the defect pixels: all that exact pixel metrics need, in bounded memory.

Every curve of pixels (ROC, precision-recall, PRO, PIMO) rises only where a threshold meets the score of a defect pixel.
So the few defect pixels are kept and sorted, and the many good pixels are only counted against them, a batch at a time.
Nothing is binned or approximated. Pictures are read twice, one by one, so the maps may be memory-mapped, and a sequence
that makes each map when asked serves as well.

Memory: about 50 bytes for each defect pixel, and a batch of `BATCH_PIXELS` good pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from iad.errors import IadError
from iad.words import and_more, counted

BATCH_PIXELS = 1 << 23  # good pixels sorted at once: 32 MB of float32, twice while they are joined


@dataclass(frozen=True)
class PixelCounts:
    """Defect pixels in decreasing order of score, and the good pixels above and at each of their scores.

    Attributes:
        scores: float32 or float64 `(P,)`, scores of the defect pixels, decreasing.
        regions: int32 `(P,)`, the region each defect pixel belongs to.
        region_sizes: int64 `(R,)`, pixels of each region; regions are 8-connected (touching corners join).
        region_pictures: int64 `(R,)`, row of the picture that holds the region.
        thresholds: like scores `(M,)`, the distinct scores, strictly decreasing.
        group_ends: int64 `(M,)`, rank of the last defect pixel of each distinct score.
        good_above: int64 `(M,)`, good pixels of all pictures with `score > thresholds[j]`.
        good_reaching: int64 `(M,)`, good pixels of all pictures with `score >= thresholds[j]`.
        good_pixels: good pixels of all pictures, normal ones and anomalous ones.
        normal_above: float64 `(M,)`, share of the pixels with `score > thresholds[j]`, mean over the normal pictures.
        normal_reaching: float64 `(M,)`, the same with `score >= thresholds[j]`.
        normal_pixels: pixels of all normal pictures.
    """

    scores: np.ndarray
    regions: np.ndarray
    region_sizes: np.ndarray
    region_pictures: np.ndarray
    thresholds: np.ndarray
    group_ends: np.ndarray
    good_above: np.ndarray
    good_reaching: np.ndarray
    good_pixels: int
    normal_above: np.ndarray
    normal_reaching: np.ndarray
    normal_pixels: int

    @property
    def defect_pixels(self) -> int:
        """Defect pixels of all pictures."""
        return len(self.scores)

    @property
    def defined(self) -> bool:
        """Whether there are both defect pixels and good ones.

        >>> maps, masks = np.zeros((1, 2, 2)), np.zeros((2, 1, 2, 2))
        >>> masks[1, 0, 0, 0] = 1
        >>> [count_pixels(PixelPictures(maps, mask, np.array([1]))).defined for mask in masks]
        [False, True]
        """
        return self.defect_pixels > 0 and self.good_pixels > 0


@dataclass(frozen=True)
class PixelPictures:
    """Anomaly maps with their masks, checked when read.

    Attributes:
        anomaly_map: float32 or float64 `(N, H, W)`, higher = more anomalous; or N arrays `(H, W)` of any sizes.
        gt_mask: uint8 or bool, shapes as in `anomaly_map`; 0 good, anything else defect. All 0 for a normal picture.
        gt_label: int64 `(N,)`, 0 normal, 1 anomalous.
        names: N names for refusals, for instance the `image_id`; None counts the pictures from 0.
        origin: where the maps come from; a refusal begins with it.
        region: bool `(H, W)`, the pixels that count, where all pictures have one size; others are neither good nor
            defective. None: all.
    """

    anomaly_map: Sequence[np.ndarray] | np.ndarray
    gt_mask: Sequence[np.ndarray] | np.ndarray
    gt_label: np.ndarray
    names: Sequence[str] | None = None
    origin: str = "anomaly maps"
    region: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Refuse lengths that differ, and labels that are unknown."""
        sizes = (len(self.anomaly_map), len(self.gt_mask), len(self.gt_label))
        if len(set(sizes)) > 1:
            raise IadError(
                f"{self.origin}: {sizes[0]} maps, {sizes[1]} masks and {sizes[2]} labels; a picture needs one of each"
            )
        if strange := sorted(set(np.asarray(self.gt_label).tolist()) - {0, 1}):
            raise IadError(f"{self.origin}: label {strange[0]!r}; only 0 (normal) and 1 (anomalous) are known")

    def __len__(self) -> int:
        return len(self.gt_label)

    def name(self, row: int) -> str:
        """What a refusal calls the picture of this row."""
        return f"picture {row}" if self.names is None else str(self.names[row])

    def mask(self, row: int) -> np.ndarray:
        """Defect pixels of a picture, bool `(H, W)`.

        Raises:
            IadError: if a normal picture has a defect pixel.

        >>> PixelPictures(np.zeros((1, 2, 2)), np.ones((1, 2, 2)), np.array([0]), ["a.png"]).mask(0)
        Traceback (most recent call last):
        iad.errors.IadError: anomaly maps: the mask of a.png marks 4 pixels, but the picture is labelled good; ...
        """
        defect: np.ndarray = np.asarray(self.gt_mask[row]) != 0
        if not self.gt_label[row] and defect.any():
            marked = counted(int(defect.sum()), "pixel")
            raise IadError(
                f"{self.origin}: the mask of {self.name(row)} marks {marked}, but the picture is labelled good; "
                "correct the mask or the label"
            )
        return defect if self.region is None else defect & self.region

    def good(self, row: int) -> np.ndarray:
        """Pixels of a picture that count and are no defect, bool `(H, W)`.

        >>> kept = np.array([[True, True], [False, False]])
        >>> maps, masks = [np.zeros((2, 2))], np.array([[[0, 1], [0, 1]]])
        >>> PixelPictures(maps, masks, np.array([1]), region=kept).good(0).tolist()
        [[True, False], [False, False]]
        """
        defect = self.mask(row)
        return ~defect if self.region is None else self.region & ~defect

    def map(self, row: int) -> np.ndarray:
        """Anomaly map of a picture, `(H, W)`.

        Raises:
            IadError: if its shape is not that of the mask, or a value is not finite.

        >>> PixelPictures(np.zeros((1, 2, 2)), np.zeros((1, 4, 4)), np.array([0]), ["a.png"]).map(0)
        Traceback (most recent call last):
        iad.errors.IadError: anomaly maps: the map of a.png has shape (2, 2), its mask (4, 4); bring both to one size
        """
        values = np.asarray(self.anomaly_map[row])
        if values.shape != np.shape(self.gt_mask[row]):
            raise IadError(
                f"{self.origin}: the map of {self.name(row)} has shape {values.shape}, its mask "
                f"{np.shape(self.gt_mask[row])}; bring both to one size"
            )
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            raise IadError(
                f"{self.origin}: {bad} of {values.size} pixels of {self.name(row)} are not finite; "
                "run `dvc repro --force` for its stage"
            )
        return values


def count_pixels(pictures: PixelPictures) -> PixelCounts:
    """Sort the defect pixels and count the good pixels against them.

    Raises:
        IadError: if a map or mask is refused (see `PixelPictures`), or if some anomalous pictures have a mask with a
            defect and others have not. If none has, there are no defect pixels and no metric is defined.

    >>> maps, masks = np.array([[[0.1, 0.5], [0.9, 0.4]]]), np.array([[[0, 0], [1, 1]]])
    >>> counts = count_pixels(PixelPictures(maps, masks, np.array([1])))
    >>> counts.thresholds.tolist(), counts.good_reaching.tolist(), counts.region_sizes.tolist()
    ([0.9, 0.4], [0, 1], [2])
    """
    scores, regions, sizes, owners = _defect_pixels(pictures)
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    group_ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1) if len(ranked) else np.zeros(0, np.int64)
    thresholds = ranked[group_ends]
    good = _count_good(pictures, thresholds)
    normal_pictures = max(int((np.asarray(pictures.gt_label) == 0).sum()), 1)
    return PixelCounts(
        scores=ranked, regions=regions[order], region_sizes=sizes, region_pictures=owners,
        thresholds=thresholds, group_ends=group_ends,
        good_above=good.above, good_reaching=good.reaching, good_pixels=good.good_pixels,
        normal_above=good.rate_above / normal_pictures, normal_reaching=good.rate_reaching / normal_pictures,
        normal_pixels=good.normal_pixels,
    )  # fmt: skip


def label_regions(defect: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the 8-connected regions of a mask.

    Args:
        defect: bool `(H, W)`.

    Returns:
        int32 `(H, W)`, 0 for good pixels and 1..R inside the regions; and R.

    >>> label_regions(np.array([[1, 0, 0, 1], [0, 1, 0, 0]], dtype=bool))[0].tolist()
    [[1, 0, 0, 2], [0, 1, 0, 0]]
    """
    from scipy.ndimage import label

    numbered, count = label(defect, structure=np.ones((3, 3), dtype=int))
    return numbered, int(count)


def counts_at(pixels: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count pixels above and at or above each threshold.

    Args:
        pixels: `(n,)`, increasing.
        thresholds: `(M,)`, decreasing.

    Returns:
        int64 `(M,)` each: pixels `> thresholds[j]`, pixels `>= thresholds[j]`.

    >>> above, reaching = counts_at(np.array([1.0, 2.0, 3.0]), np.array([3.0, 1.5]))
    >>> above.tolist(), reaching.tolist()
    ([0, 2], [1, 2])
    """
    upwards = thresholds[::-1]  # searchsorted is fast on increasing keys
    above = len(pixels) - np.searchsorted(pixels, upwards, side="right")
    reaching = len(pixels) - np.searchsorted(pixels, upwards, side="left")
    return above[::-1], reaching[::-1]


def _defect_pixels(pictures: PixelPictures) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores and region of every defect pixel; size and picture of every region."""
    scores, regions, sizes = [], [], [np.zeros(0, np.int64)]
    owners: list[int] = []
    empty: list[int] = []
    for row in range(len(pictures)):
        defect = pictures.mask(row)
        if defect.any():
            numbered, count = label_regions(defect)
            scores.append(pictures.map(row)[defect])
            regions.append((numbered[defect] - 1 + len(owners)).astype(np.int32))
            sizes.append(np.bincount(numbered[defect] - 1, minlength=count))
            owners += [row] * count
        elif pictures.gt_label[row]:
            empty.append(row)
    if empty and owners:
        others = and_more(len(empty) - 1)
        raise IadError(
            f"{pictures.origin}: the mask of {pictures.name(empty[0])} marks no pixel{others}, but the picture is "
            "labelled anomalous; give it a mask that marks its defect, or leave the picture out"
        )
    if not owners:
        return np.zeros(0, np.float32), np.zeros(0, np.int32), np.concatenate(sizes), np.zeros(0, np.int64)
    return np.concatenate(scores), np.concatenate(regions), np.concatenate(sizes), np.array(owners, dtype=np.int64)


@dataclass
class _GoodCounts:
    """Sums over the batches; `above` and `reaching` count pixels, the rates are sums over normal pictures."""

    above: np.ndarray
    reaching: np.ndarray
    rate_above: np.ndarray
    rate_reaching: np.ndarray
    good_pixels: int = 0
    normal_pixels: int = 0


def _count_good(pictures: PixelPictures, thresholds: np.ndarray) -> _GoodCounts:
    counts, rates = (np.zeros((2, len(thresholds)), dtype) for dtype in (np.int64, np.float64))
    found = _GoodCounts(*counts, *rates)
    for size, pixels in _batches(pictures):
        above, reaching = counts_at(pixels, thresholds)
        found.above += above
        found.reaching += reaching
        found.good_pixels += len(pixels)
        if size:
            found.rate_above += above / size
            found.rate_reaching += reaching / size
            found.normal_pixels += len(pixels)
    return found


def _batches(pictures: PixelPictures) -> Iterator[tuple[int, np.ndarray]]:
    """Yield good pixels, increasing: of anomalous pictures (size 0), then of normal pictures of `size` pixels each."""
    held: list[np.ndarray] = []
    kind = 0
    for row in np.argsort(1 - np.asarray(pictures.gt_label), kind="stable"):
        good = pictures.map(row)[pictures.good(row)]
        size = 0 if pictures.gt_label[row] else good.size
        if held and (size != kind or sum(len(part) for part in held) + good.size > BATCH_PIXELS):
            yield kind, np.sort(np.concatenate(held))
            held = []
        held.append(good)
        kind = size
    if held:
        yield kind, np.sort(np.concatenate(held))
