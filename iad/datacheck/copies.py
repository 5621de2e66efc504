"""The same picture twice: inside a split, across splits, or with two labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from iad.data.manifest import SPLITS
from iad.datacheck.findings import Finding, counted
from iad.datacheck.near_copies import Copies, near_copies

if TYPE_CHECKING:
    import pandas as pd

Pair = tuple[int, int]
"""Two rows of the manifest, the earlier split first."""

TOO_GOOD = "results come out better than on pictures never seen"
TOO_SURE = "they count as several parts: intervals come out too narrow, scores of calibration too low"


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


def _same_bytes(identity: np.ndarray, split: np.ndarray) -> Iterator[Pair]:
    """Each later file with the first one of the same bytes in its own split, and in each earlier split."""
    first: dict[tuple[int, int], int] = {}
    for row in np.argsort(split, kind="stable").tolist():
        for earlier in range(int(split[row]) + 1):
            if (key := (int(identity[row]), earlier)) in first:
                yield first[key], row
        first.setdefault((int(identity[row]), int(split[row])), row)


def _near(copies: Copies, split: np.ndarray) -> Iterator[Pair]:
    for row, group in zip(*np.nonzero(copies.partner >= 0), strict=True):
        other = int(copies.partner[row, group])
        if group <= split[row]:
            yield (min(other, int(row)), max(other, int(row))) if group == split[row] else (other, int(row))


def _across_and_inside(manifest: pd.DataFrame, pairs: set[Pair], kind: str, words: str) -> Iterator[Finding]:
    """One finding for pairs across two splits, and one for those inside a split."""
    split = manifest["split"].to_numpy()
    across = [pair for pair in pairs if split[pair[0]] != split[pair[1]]]
    inside = [pair for pair in pairs if split[pair[0]] == split[pair[1]]]
    if across:
        what = f"{counted(len(across), 'pair')} of pictures across splits with {_article(kind)}{words}"
        yield Finding(f"{kind}_across", what, _named(manifest, across), TOO_GOOD, "delete one of each pair")
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
