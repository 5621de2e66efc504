"""Which mask belongs to which picture, where masks lie in a folder of their own and are called like their pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeAlias

from iad.data.layouts.common.base import MASK_ENDING, Read, Tree
from iad.data.layouts.common.masks import joined
from iad.data.manifest import GOOD, Label, Picture
from iad.errors import IadError
from iad.words import counted

Join: TypeAlias = Callable[[str, Mapping[str, Read]], bytes]
"""Makes one mask of several: of what a refusal calls it, and what reads each part, by its name."""

MASK_FOLDERS = ("ground_truth", "groundtruth", "ground truth", "gt", "masks", "mask")


def find_masks(
    tree: Tree, folder: str | None, stems: Mapping[str, Sequence[str]], goods: Iterable[str | None]
) -> dict[str, list[str]]:
    """The masks of each picture that has any, by its name; masks of good pictures are passed over.

    Args:
        tree: The folder.
        folder: That of the masks.
        stems: The pictures that a mask may belong to, by its path below `folder`, without `_mask` and suffix.
        goods: Names of the folders of good pictures.

    Raises:
        IadError: naming a mask of no picture, of two, or a second one of the same.
    """
    if folder is None:
        return {}
    of_good = tuple(f"{folder}/{good}/" for good in {GOOD, *filter(None, goods)})
    found: dict[str, list[str]] = {}
    for mask in tree.pictures:
        if not mask.startswith(f"{folder}/") or mask.startswith(of_good):
            continue
        picture, alone = _masked(tree, mask, PurePosixPath(mask).relative_to(folder), stems)
        if picture in found and alone:
            raise IadError(
                f"{tree.place}/{mask}: a second mask of {picture}, beside {found[picture][0]}; delete one of them"
            )
        found.setdefault(picture, []).append(mask)
    return found


def mask_of(tree: Tree, masks: Sequence[str], join: Join = joined) -> tuple[str, Read] | tuple[None, None]:
    """Name of a picture's mask, and what reads it; of several in one folder, one that is made of them."""
    if not masks:
        return None, None
    if len(masks) == 1:
        return masks[0], tree.pictures[masks[0]]
    parts = {name: tree.pictures[name] for name in masks}
    name = f"{PurePosixPath(masks[0]).parent}.png"
    return name, lambda: join(name, parts)


def refuse_masks_beside(tree: Tree, names: Iterable[str]) -> None:
    """Refuse a mask that lies beside its picture, where it would be one more picture.

    Raises:
        IadError: naming the first.
    """
    stems = {PurePosixPath(name).with_suffix("").as_posix() for name in names}
    beside = next((stem for stem in sorted(stems) if stem.removesuffix(MASK_ENDING) in stems - {stem}), None)
    if beside:
        raise IadError(
            f"{tree.place}/{beside}: a mask beside its picture, which would count as a picture; move masks to "
            f"{tree.place}/{MASK_FOLDERS[0]}"
        )


def told_masks(pictures: Iterable[Picture], masks: Mapping[str, object]) -> list[str]:
    """Tell of defective pictures without a mask, where others have one."""
    defective = [picture for picture in pictures if picture.label == Label.ANOMALOUS]
    bare = [picture.image_id for picture in defective if picture.mask is None]
    if not masks or not bare:
        return []
    many = f"{len(bare)} of {counted(len(defective), 'defective picture')} have no mask"
    return [f"{many}, such as {bare[0]}; pixel metrics leave them out"]


def below_top(name: str) -> str:
    """The path below the first folder, without its suffix: what a picture and its mask have in common.

    >>> below_top("test/cut/0.png")
    'cut/0'
    """
    return PurePosixPath(*PurePosixPath(name).parts[1:]).with_suffix("").as_posix()


def _masked(tree: Tree, mask: str, below: PurePosixPath, stems: Mapping[str, Sequence[str]]) -> tuple[str, bool]:
    """The picture of a mask, and whether the mask is called like it rather than the folder in which the mask lies."""
    stem = below.with_suffix("").as_posix()
    alone = stems.get(stem.removesuffix(MASK_ENDING)) or stems.get(stem)
    found = alone or stems.get(below.parent.as_posix()) or ()
    if len(found) == 1:
        return found[0], bool(alone)
    if found:
        raise IadError(f"{tree.place}/{mask}: a mask of {found[0]} or of {found[1]}; rename one of the two pictures")
    raise IadError(
        f"{tree.place}/{mask}: a mask without a picture ({stem.removesuffix(MASK_ENDING)}); rename or delete it"
    )
