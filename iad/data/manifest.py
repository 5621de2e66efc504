"""The manifest: the list of pictures that every array follows, one row per picture, sorted by `image_id`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from iad.errors import IadError
from iad.io import read_table, write_table
from iad.words import counted

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "calibration", "test")
GOOD = "good"
COLUMNS = ("image_id", "split", "label", "defect", "mask", "width", "height", "sha256")
GROUP = "group"  # a further column, where pictures have groups
NUMBERS = ("label", "width", "height")


class Label(IntEnum):
    """The two verdicts on a part."""

    NORMAL = 0
    ANOMALOUS = 1


@dataclass(frozen=True)
class Picture:
    """One picture as a source offers it: what is known of it, and how its bytes are read when they are needed.

    `image_id` is a relative posix path whose suffix tells the format; `mask` is another such path, or None. `defect` is
    "good" for normal pictures only. Pictures of one `group` belong on one side of the split; empty: it has none.
    """

    image_id: str
    split: str
    label: int
    defect: str
    read: Callable[[], bytes]
    mask: str | None = None
    read_mask: Callable[[], bytes] | None = None
    group: str = ""


def sorted_pictures(pictures: Iterable[Picture]) -> list[Picture]:
    """Sort by `image_id` and check what a source offers.

    Raises:
        IadError: if two files share an id, a split or label is not one of the known, a picture outside the test set is
            anomalous, there is no good training picture, or no test picture.

    Example:
        >>> sorted_pictures([Picture("a.png", "train", Label.ANOMALOUS, "hole", read=bytes)])
        Traceback (most recent call last):
        iad.errors.IadError: a.png: a defective picture for train; only the test set may hold them, move it
    """
    ordered = sorted(pictures, key=lambda picture: picture.image_id)
    for picture in ordered:
        _check_row(picture)
    _check_names([picture.image_id for picture in ordered] + [p.mask for p in ordered if p.mask is not None])
    _check_splits([picture.split for picture in ordered])
    return ordered


def split_good(image_ids: Iterable[str], train_share: float, seed: int) -> dict[str, str]:
    """Draw which good pictures train and which are for testing.

    Args:
        image_ids: Ids of good pictures, in any order.
        train_share: Share that trains, rounded down to a whole picture, but at least one.
        seed: The same seed and ids give the same split.

    Returns:
        "train" or "test" by id.

    Example:
        >>> split_good(["a.png", "b.png", "c.png"], train_share=0.7, seed=0)
        {'c.png': 'train', 'a.png': 'train', 'b.png': 'test'}
    """
    ordered = sorted(image_ids)
    count = max(1, int(train_share * len(ordered) + 1e-9))  # 0.29 * 100 is 28.999...
    drawn = np.random.default_rng(seed).permutation(len(ordered))
    return {ordered[row]: "train" if position < count else "test" for position, row in enumerate(drawn)}


def as_manifest(columns: Mapping[str, Any] | pd.DataFrame) -> pd.DataFrame:
    """A manifest from its columns, in their fixed order and with their types, as `read_manifest` describes them.

    Args:
        columns: Those of `COLUMNS`, and `GROUP` where there are groups, by name; a missing mask may be None.

    Example:
        >>> names = {"image_id": ["a.png"], "split": ["test"], "defect": ["hole"], "mask": [None], "sha256": ["00"]}
        >>> manifest = as_manifest(names | {"label": [1], "width": [640], "height": [480]})
        >>> list(manifest), bool(manifest["mask"].isna()[0])
        (['image_id', 'split', 'label', 'defect', 'mask', 'width', 'height', 'sha256'], True)
    """
    import pandas as pd

    names = (*COLUMNS, GROUP) if GROUP in columns else COLUMNS
    frame = pd.DataFrame({name: getattr(columns[name], "array", columns[name]) for name in names})
    return frame.astype({name: np.int64 if name in NUMBERS else "str" for name in names})


def write_manifest(path: Path, manifest: Mapping[str, Any] | pd.DataFrame) -> None:
    """Write the columns of a manifest, in their fixed order and with their types, as Parquet."""
    write_table(path, as_manifest(manifest))


def read_manifest(path: Path) -> pd.DataFrame:
    """Read a manifest.

    Returns:
        N rows, sorted by `image_id` and numbered from 0 as the rows of every array: `image_id`, `split`, `defect`,
        `sha256` and `mask` as pandas' `str`, where a missing mask is NaN (`manifest["mask"].isna()`); `label`, `width`
        and `height` int64, the last two in pixels; `group`, str, where there are groups.
        `manifest["image_id"].to_numpy()` is an object array of str.

    Raises:
        IadError: if the file is missing, or is not a manifest.

    >>> from tempfile import TemporaryDirectory
    >>> names = {"image_id": ["a.png"], "split": ["test"], "defect": ["hole"], "mask": [None], "sha256": ["00"]}
    >>> with TemporaryDirectory() as folder:
    ...     write_manifest(Path(folder) / "manifest.parquet", names | {"label": [1], "width": [640], "height": [480]})
    ...     manifest = read_manifest(Path(folder) / "manifest.parquet")
    >>> manifest["defect"].tolist(), manifest["mask"].isna().tolist()
    (['hole'], [True])
    """
    table = read_table(path)
    if missing := [name for name in COLUMNS if name not in table]:
        raise IadError(f"{path}: has no column '{missing[0]}'; run `dvc repro` to write it again")
    return as_manifest(table)


def rows_of(manifest: Mapping[str, Any] | pd.DataFrame, split: str) -> np.ndarray:
    """Row numbers, int64 ascending, of one split.

    >>> rows_of({"split": np.array(["train", "test", "train"])}, "train")
    array([0, 2])
    """
    return np.flatnonzero(np.asarray(manifest["split"]) == split)


def fingerprint(manifest: Mapping[str, Any] | pd.DataFrame) -> str:
    """SHA-256, in hexadecimal, of which pictures there are, their content and their split.

    >>> names = {"image_id": ["a.png"], "split": ["train"], "sha256": ["00"]}
    >>> fingerprint(names) == fingerprint(names), fingerprint(names) == fingerprint(names | {"split": ["test"]})
    (True, False)
    """
    rows = zip(*(manifest[name] for name in ("image_id", "split", "sha256")), strict=True)
    return hashlib.sha256("\n".join("\t".join(row) for row in rows).encode()).hexdigest()


def summary(manifest: Mapping[str, Any] | pd.DataFrame) -> str:
    """Count the pictures of a manifest in words.

    >>> summary({"split": np.array(["train", "test", "test"]), "label": np.array([0, 0, 1])})
    '3 pictures (1 train, 2 test of which 1 defective)'
    """
    counts = {split: len(rows_of(manifest, split)) for split in SPLITS}
    parts = [f"{count} {split}" for split, count in counts.items() if count]
    defective = int((np.asarray(manifest["label"]) == Label.ANOMALOUS).sum())
    return f"{counted(len(manifest['split']), 'picture')} ({', '.join(parts)} of which {defective} defective)"


def _check_row(picture: Picture) -> None:
    name = picture.image_id
    for path in filter(None, (name, picture.mask)):
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or not path.isprintable():
            raise IadError(f"{path!r}: not a relative path of printable characters; rename the file")
    if picture.split not in SPLITS:
        raise IadError(f"{name}: split '{picture.split}' is none of {', '.join(SPLITS)}; correct its source")
    if picture.label not in tuple(Label) or (picture.label == Label.NORMAL) != (picture.defect == GOOD):
        raise IadError(
            f"{name}: label {picture.label} with defect '{picture.defect}'; the label is 0 if and only if the defect "
            f"is '{GOOD}', so give it another name"
        )
    if picture.label != Label.NORMAL and picture.split != "test":
        raise IadError(f"{name}: a defective picture for {picture.split}; only the test set may hold them, move it")


def _check_names(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise IadError(f"two files have the id '{name}'; rename or delete one of them")
        seen.add(name)


def _check_splits(splits: Sequence[str]) -> None:
    if "train" not in splits:
        raise IadError("no good pictures to train on; add some to the training set (train/good, or good)")
    if "test" not in splits:
        raise IadError(
            "no test pictures, so nothing could be evaluated; add some (test/good and test/<defect>, or bad), "
            "or lower train_share"
        )
