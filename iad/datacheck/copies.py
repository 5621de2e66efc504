"""The same picture twice, or nearly the same: inside a split, across splits, or with two labels.

Candidates for near copies come from a perceptual hash, and each is verified by correlation. The hash is that of Zauner,
"Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2: the signs of 64 low
frequencies of the discrete cosine transform of a small grey version. It is taken of what sets a picture apart from the
average picture of the data set, since products under one camera all look alike: on 1,074 solar cells the plain hash
leaves 1,393 pairs within 8 bits, and none of them is a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from iad.data.manifest import SPLITS
from iad.datacheck.findings import Finding
from iad.words import counted

if TYPE_CHECKING:
    import pandas as pd

Pair = tuple[int, int]
"""Two rows of the manifest, the earlier split first."""
TOO_GOOD = "results come out better than on pictures never seen"
TOO_SURE = "they count as several parts: intervals come out too narrow, scores of calibration too low"
APART = "delete one of each pair, or keep copies on one side: `iad data FOLDER --copies` writes them as groups"
HASH_BITS = 64
MOST_BITS = 12
"""Candidates differ in at most this many bits; JPEG copies at quality 50 differ in at most 9 on real pictures."""
CORRELATION = 0.999
DEVIATION_CORRELATION = 0.995
ROWS = 256  # pictures compared with all others at once: 5 MB per byte and pair at 20,000 pictures


def check_copies(manifest: pd.DataFrame, grids: np.ndarray, usable: np.ndarray) -> list[Finding]:
    """Find the same bytes, and nearly the same picture, more than once.

    Args:
        manifest: N rows, of which `image_id`, `split`, `label` and `sha256` are read.
        grids: uint8 `(N, G, G)`, small grey versions.
        usable: bool `(N,)`, False for pictures that show nothing.

    Example:
        >>> import pandas as pd
        >>> manifest = pd.DataFrame({"image_id": ["a.png", "b.png"], "split": ["train", "test"], "label": [0, 0]})
        >>> nothing_shown = np.zeros((2, 32, 32), np.uint8), np.array([False, False])
        >>> [found] = check_copies(manifest.assign(sha256="same"), *nothing_shown)
        >>> found.check, found.pictures
        ('exact_across', [('a.png', 'b.png')])
    """
    identity = manifest["sha256"].factorize()[0]
    split = np.array([SPLITS.index(name) for name in manifest["split"]])
    same = set(_same_bytes(identity, split))
    near = set(_near(near_copies(grids, usable, identity, split, len(SPLITS)), split))
    findings = [
        *_across_and_inside(manifest, same, "exact", "same bytes"),
        *_across_and_inside(manifest, near, "near", "nearly the same picture"),
        _contradicting(manifest, same | near),
    ]
    return [finding for finding in findings if finding]


def near_copies(
    grids: np.ndarray, usable: np.ndarray, identity: np.ndarray, group: np.ndarray, groups: int
) -> np.ndarray:
    """Find for each picture its closest near copy in each group, if there is one.

    Two pictures are near copies if the correlation of their small grey versions is at least 0.999, and that of their
    deviations from the average picture at least 0.995. Both are blind to brightness and contrast. Pictures that are
    moved, rotated or flipped are not found.

    Args:
        grids: uint8 `(N, G, G)`, small grey versions.
        usable: bool `(N,)`, False for pictures that show nothing and resemble each other for that reason.
        identity: int64 `(N,)`, equal for files with the same bytes, which are not compared.
        group: int64 `(N,)`, the split of each picture, in [0, groups).
        groups: number of groups.

    Returns:
        int64 `(N, groups)`, row of the closest near copy in that group, -1 where there is none.

    Example:
        >>> grids = np.random.default_rng(0).integers(0, 200, (3, 32, 32), dtype=np.uint8)
        >>> grids[2] = grids[0] + 20  # the same in brighter light
        >>> rows = np.arange(3)
        >>> near_copies(grids, rows >= 0, identity=rows, group=np.zeros(3, int), groups=1)[:, 0]
        array([ 2, -1,  0])
    """
    partner = np.full((len(grids), groups), -1)
    for left, right, alike in _alike_blocks(grids, usable, identity):
        _keep_best(partner, left, right, alike, group)
    return partner


def copy_groups(grids: np.ndarray, usable: np.ndarray, identity: np.ndarray) -> np.ndarray:
    """Pictures that are copies or near copies of each other, directly or by others between them.

    Args:
        grids: as in `near_copies`.
        usable: as in `near_copies`.
        identity: as in `near_copies`.

    Returns:
        int64 `(N,)`, the first row of the group that each picture is in; its own where it has no copy.

    Example:
        >>> grids = np.random.default_rng(0).integers(0, 200, (4, 32, 32), dtype=np.uint8)
        >>> grids[2] = grids[0] + 20  # the same in brighter light
        >>> copy_groups(grids, np.full(4, True), identity=np.array([0, 1, 2, 1]))
        array([0, 1, 0, 1])
    """
    first = np.arange(len(grids))

    def root(row: int) -> int:
        while first[row] != row:
            first[row] = first[first[row]]
            row = int(first[row])
        return row

    def join(a: int, b: int) -> None:
        low, high = sorted((root(a), root(b)))
        first[high] = low

    for left, right, alike in _alike_blocks(grids, usable, identity):
        for a, b in zip(*np.nonzero(alike > 0), strict=True):
            join(int(left[a]), int(right[b]))
    for rows in _rows_of_each(identity):
        for row in rows[1:]:
            join(int(rows[0]), int(row))
    return np.array([root(row) for row in range(len(first))], dtype=np.int64)


def _rows_of_each(identity: np.ndarray) -> Iterator[np.ndarray]:
    order = np.argsort(identity, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(identity[order])) + 1)


def _alike_blocks(
    grids: np.ndarray, usable: np.ndarray, identity: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows of some pictures, rows of others, and the correlation of each pair that is one of near copies, else 0."""
    rows = np.flatnonzero(usable)
    if len(rows) < 2:
        return
    pictures = standardized(grids[rows])
    mean = pictures.mean(axis=0)
    hashes = perceptual_hashes(pictures - mean)
    for start in range(0, len(rows), ROWS):
        block = slice(start, start + ROWS)
        candidate = np.bitwise_count(hashes[block, None] ^ hashes) <= MOST_BITS  # (B, N)
        candidate &= identity[rows[block], None] != identity[rows]  # a picture and itself too
        left, right = np.flatnonzero(candidate.any(axis=1)), np.flatnonzero(candidate.any(axis=0))
        alike = _alike(pictures[start + left], pictures[right], mean) * candidate[np.ix_(left, right)]
        yield rows[start + left], rows[right], alike


def perceptual_hashes(pictures: np.ndarray) -> np.ndarray:
    """Signs of the 64 lowest frequencies of each picture, the constant left out, as uint64 `(N,)`.

    Args:
        pictures: float `(N, G, G)` or `(N, G * G)`, G at least 11.

    Example:
        >>> ramp = np.add.outer(np.arange(32.0), np.arange(32.0))
        >>> first, second = perceptual_hashes(np.stack([ramp, 2 * ramp]))
        >>> bool(first == second)  # blind to contrast
        True
    """
    side = pictures.shape[1] if pictures.ndim == 3 else round(pictures.shape[1] ** 0.5)
    lowest = _lowest_frequencies()
    waves = np.arange(lowest.max() + 1)[:, None] * (np.arange(side) + 0.5) / side
    cosines = np.cos(np.pi * waves).astype(np.float32)  # (F, G)
    spectrum = cosines @ pictures.reshape(-1, side, side) @ cosines.T  # (N, F, F)
    bits = spectrum[:, lowest[:, 0], lowest[:, 1]] > 0
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(np.uint64)[:, 0]


def _same_bytes(identity: np.ndarray, split: np.ndarray) -> Iterator[Pair]:
    """Each later file with the first one of the same bytes in its own split, and in each earlier split."""
    first: dict[tuple[int, int], int] = {}
    for row in np.argsort(split, kind="stable").tolist():
        for earlier in range(int(split[row]) + 1):
            if (key := (int(identity[row]), earlier)) in first:
                yield first[key], row
        first.setdefault((int(identity[row]), int(split[row])), row)


def _near(partner: np.ndarray, split: np.ndarray) -> Iterator[Pair]:
    for row, group in zip(*np.nonzero(partner >= 0), strict=True):
        other = int(partner[row, group])
        if group <= split[row]:
            yield (min(other, int(row)), max(other, int(row))) if group == split[row] else (other, int(row))


def _across_and_inside(manifest: pd.DataFrame, pairs: set[Pair], kind: str, words: str) -> Iterator[Finding]:
    """One finding for pairs across two splits, and one for those inside a split."""
    split = manifest["split"].to_numpy()
    across = [pair for pair in pairs if split[pair[0]] != split[pair[1]]]
    inside = [pair for pair in pairs if split[pair[0]] == split[pair[1]]]
    if across:
        what = f"{counted(len(across), 'pair')} of pictures across splits with {_article(kind)}{words}"
        yield Finding(f"{kind}_across", what, _named(manifest, across), TOO_GOOD, APART)
    if inside:
        what = f"{counted(len(inside), 'pair')} of pictures inside a split with {_article(kind)}{words}"
        advice = "look at them, and delete all but one of each part"
        yield Finding(f"{kind}_inside", what, _named(manifest, inside), TOO_SURE, advice)


def _contradicting(manifest: pd.DataFrame, pairs: set[Pair]) -> Finding | None:
    label = manifest["label"].to_numpy()
    found = [pair for pair in pairs if label[pair[0]] != label[pair[1]]]
    what = f"{counted(len(found), 'pair')} of copies of which one is called good and one defective"
    effect = "if the defect is not just too small to tell them apart, one label is wrong"
    names = _named(manifest, found)
    return Finding("contradicting_labels", what, names, effect, "look at them and correct the label") if found else None


def _named(manifest: pd.DataFrame, pairs: list[Pair]) -> list[tuple[str, str]]:
    names = manifest["image_id"].tolist()
    return [(names[a], names[b]) for a, b in sorted(pairs)]


def _article(kind: str) -> str:
    return "the " if kind == "exact" else ""


def _lowest_frequencies() -> np.ndarray:
    """The pairs of frequencies with the smallest sums, the constant left out, int64 `(64, 2)`."""
    pairs = sorted(np.ndindex(11, 11), key=lambda pair: (sum(pair), pair))
    return np.array(pairs[1 : HASH_BITS + 1])


def standardized(grids: np.ndarray) -> np.ndarray:
    """Zero mean and unit length, float32 `(N, G * G)`: a product of two is their correlation.

    Args:
        grids: uint8 or float `(N, G, G)`.

    >>> ramp = np.arange(16).reshape(1, 4, 4)
    >>> round((standardized(ramp) @ standardized(3 * ramp + 7).T).item(), 6)
    1.0
    """
    pictures = grids.reshape(len(grids), -1).astype(np.float32)
    pictures -= pictures.mean(axis=1, keepdims=True)
    pictures /= np.maximum(np.linalg.norm(pictures, axis=1, keepdims=True), np.float32(1e-6))
    return pictures


def _alike(left: np.ndarray, right: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Correlation of each pair, float32 `(L, R)`; 0 for those that are no near copies."""
    product = left @ right.T
    left_mean, right_mean, mean_mean = left @ mean, right @ mean, mean @ mean
    deviation = product - left_mean[:, None] - right_mean + mean_mean  # inner products after the mean is taken off
    lengths = np.outer(1 - 2 * left_mean + mean_mean, 1 - 2 * right_mean + mean_mean)
    near = (product >= CORRELATION) & (deviation >= DEVIATION_CORRELATION * np.sqrt(np.maximum(lengths, 1e-12)))
    return np.where(near, product, np.float32(0))


def _keep_best(partner: np.ndarray, left: np.ndarray, right: np.ndarray, alike: np.ndarray, group: np.ndarray) -> None:
    for number in range(partner.shape[1]):
        members = np.flatnonzero(group[right] == number)
        if len(left) and len(members):
            best = members[alike[:, members].argmax(axis=1)]
            value = alike[np.arange(len(left)), best]
            partner[left, number] = np.where(value > 0, right[best], -1)
