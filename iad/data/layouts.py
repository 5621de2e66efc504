"""Two ways to lay out pictures in a folder: as MVTec AD does, with its own split, or plain good/ and bad/.

MVTec layout: train/good, test/good, test/<defect>, ground_truth/<defect>/<name>_mask.png, and, as an addition of this
project, calibration/good. Plain: good, bad or bad/<defect>, and ground_truth/<defect>/<name>_mask.png if there are
masks. Deeper folders are allowed everywhere. A mask may also have the very name of its picture, and any readable
format. Either all defective pictures have a mask or none has: with some missing, pixels would count as good that nobody
looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from iad.data.manifest import GOOD, Label, Picture, split_good
from iad.data.tree import find_pictures, read_bytes
from iad.errors import IadError

MASKS = "ground_truth"
BAD = "bad"


def read_layout(folder: Path, *, train_share: float, seed: int) -> list[Picture]:
    """List the pictures of a folder in either layout; `train_share` and `seed` split a plain one.

    Raises:
        IadError: naming the file, if the folder is empty or a picture or mask is out of place.
    """
    files = find_pictures(folder)
    if not files:
        raise IadError(
            f"{folder}: holds no pictures; put good ones into {folder}/good and defective ones into {folder}/bad"
        )
    if any(image_id.startswith(("train/", "test/")) for image_id in files):
        return _mvtec(folder, files)
    return _plain(folder, files, train_share, seed)


def read_mvtec_layout(folder: Path) -> list[Picture]:
    """List the pictures of a folder in the layout of MVTec AD.

    Raises:
        IadError: as `read_layout`.
    """
    return _mvtec(folder, find_pictures(folder))


def _mvtec(folder: Path, files: Mapping[str, Path]) -> list[Picture]:
    masks = _find_masks(folder, files)
    pictures = []
    for image_id in _without_masks(files):
        split, _, below = image_id.partition("/")
        defect = below.partition("/")[0] if "/" in below else None
        if split not in ("train", "calibration", "test") or defect is None:
            raise _out_of_place(folder, image_id, "train/good, calibration/good, test/good, test/<defect>")
        if split != "test" and defect != GOOD:
            raise IadError(
                f"{folder}/{image_id}: {split} may hold good pictures only; move it to test/{defect} or {split}/good"
            )
        pictures.append(_picture(image_id, files, split, defect, masks))
    _check_complete(folder, pictures, masks, "train/good", "test/good or test/<defect>")
    return pictures


def _plain(folder: Path, files: Mapping[str, Path], train_share: float, seed: int) -> list[Picture]:
    masks = _find_masks(folder, files)
    image_ids = _without_masks(files)
    split = split_good([name for name in image_ids if name.startswith(f"{GOOD}/")], train_share, seed)
    pictures = []
    for image_id in image_ids:
        kind, _, below = image_id.partition("/")
        if kind not in (GOOD, BAD):
            raise _out_of_place(folder, image_id, "good, bad (or, as MVTec AD has it, train/good, test/<defect>)")
        defect = below.partition("/")[0] if kind == BAD and "/" in below else kind
        if kind == BAD and defect == GOOD:
            raise IadError(f"{folder}/{image_id}: a kind of defect cannot be called '{GOOD}'; rename that folder")
        pictures.append(_picture(image_id, files, split.get(image_id, "test"), defect, masks))
    _check_complete(folder, pictures, masks, GOOD, f"{GOOD} (two or more) or {BAD}")
    return pictures


def _picture(image_id: str, files: Mapping[str, Path], split: str, defect: str, masks: Mapping[str, str]) -> Picture:
    mask = None if defect == GOOD else masks.get(image_id)
    return Picture(
        image_id=image_id,
        split=split,
        label=Label.NORMAL if defect == GOOD else Label.ANOMALOUS,
        defect=defect,
        read=partial(read_bytes, files[image_id]),
        mask=mask,
        read_mask=None if mask is None else partial(read_bytes, files[mask]),
    )


def _without_masks(files: Mapping[str, Path]) -> list[str]:
    return [name for name in files if not name.startswith(f"{MASKS}/")]


def _find_masks(folder: Path, files: Mapping[str, Path]) -> dict[str, str]:
    """The mask of each test picture that has one, by the picture's id; masks of good pictures are passed over."""
    pictures = {_stem(name): name for name in files if name.startswith(("test/", f"{BAD}/"))}
    masks: dict[str, str] = {}
    for mask in files:
        if not mask.startswith(f"{MASKS}/") or mask.startswith(f"{MASKS}/{GOOD}/"):
            continue
        stem = _stem(mask)
        picture = pictures.get(stem.removesuffix("_mask")) or pictures.get(stem)
        if picture is None:
            raise IadError(
                f"{folder}/{mask}: a mask without a picture ({stem.removesuffix('_mask')}); rename or delete it"
            )
        if picture in masks:
            raise IadError(f"{folder}/{mask}: a second mask of {picture}, beside {masks[picture]}; delete one of them")
        masks[picture] = mask
    return masks


def _stem(image_id: str) -> str:
    """The path below the first folder, without its suffix: what a picture and its mask have in common."""
    return PurePosixPath(*PurePosixPath(image_id).parts[1:]).with_suffix("").as_posix()


def _check_complete(folder: Path, pictures: list[Picture], masks: Mapping[str, str], good: str, test: str) -> None:
    splits = {picture.split for picture in pictures}
    if "train" not in splits:
        raise IadError(f"{folder}: no good pictures to train on; put some into {folder}/{good}")
    if "test" not in splits:
        raise IadError(f"{folder}: no test pictures, so nothing could be evaluated; put some into {folder}/{test}")
    for picture in pictures:
        if masks and picture.label == Label.ANOMALOUS and picture.mask is None:
            raise IadError(
                f"{folder}/{picture.image_id}: has no mask although others have; add "
                f"{MASKS}/{_stem(picture.image_id)}_mask.png, or remove {MASKS} to do without masks"
            )


def _out_of_place(folder: Path, image_id: str, places: str) -> IadError:
    return IadError(f"{folder}/{image_id}: out of place; pictures belong into one of {places}")
