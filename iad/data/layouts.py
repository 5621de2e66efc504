"""Two ways to lay out pictures in a folder: as MVTec AD does, with its own split, or plain good/ and bad/.

MVTec layout: train/good, test/good, test/<defect>, ground_truth/<defect>/<name>_mask.png, and, as an addition of this
project, calibration/good. Plain: good, and bad or bad/<defect>, and ground_truth/<defect>/<name>_mask.png if there are
masks, where <defect> is "bad" for a picture straight in bad/; the path below ground_truth may also be the one that the
picture has below bad/. Deeper folders are allowed everywhere. A mask may also have the very name of its picture, and
any readable format. Defective pictures without a mask are accepted beside others that have one; pixel metrics leave
them out, since nobody looked at their pixels.

A label follows from a folder's name, so a name that says the opposite of the place where it lies is refused, in any of
the languages of `iad.data.labels`: `bad/Good`, `test/ok`, `good/NG`. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from iad.data.labels import reads_as_bad, reads_as_good
from iad.data.manifest import GOOD, Label, Picture, split_good
from iad.data.tree import find_pictures, read_bytes
from iad.errors import IadError
from iad.progress import say
from iad.words import counted

MASKS = "ground_truth"
BAD = "bad"

Files: TypeAlias = Mapping[str, Callable[[], bytes]]


def read_layout(folder: Path, *, train_share: float, seed: int) -> list[Picture]:
    """List the pictures of a folder in either layout, sorted by id; nothing is decoded yet.

    Args:
        folder: Where the pictures lie.
        train_share: Share of the pictures in good/ that trains, where the folder has no split of its own.
        seed: Of that split.

    Raises:
        IadError: naming the file, if the folder is empty or a picture or mask is out of place.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as name:
        ...     for below in ("train/good", "test/good", "test/scratch"):
        ...         (Path(name) / below).mkdir(parents=True)
        ...         (Path(name) / below / "1.png").touch()
        ...     for picture in read_layout(Path(name), train_share=0.7, seed=0):
        ...         print(picture.image_id, picture.split, int(picture.label), picture.defect)
        test/good/1.png test 0 good
        test/scratch/1.png test 1 scratch
        train/good/1.png train 0 good
    """
    return lay_out(str(folder), _readers(find_pictures(folder)), train_share=train_share, seed=seed)


def lay_out(folder: str, files: Files, *, train_share: float, seed: int) -> list[Picture]:
    """As `read_layout`, of files that are listed already.

    Args:
        folder: What a refusal calls the data set: where it lies.
        files: What reads each picture and each mask, by its path below the folder, sorted.
        train_share: As in `read_layout`.
        seed: As in `read_layout`.

    Raises:
        IadError: as `read_layout`.
    """
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
    return _mvtec(str(folder), _readers(find_pictures(folder)))


def _readers(files: Mapping[str, Path]) -> Files:
    return {image_id: partial(read_bytes, path) for image_id, path in files.items()}


def _mvtec(folder: str, files: Files) -> list[Picture]:
    masks = _find_masks(folder, files)
    pictures = []
    for image_id in _without_masks(files):
        split, _, below = image_id.partition("/")
        defect = below.partition("/")[0] if "/" in below else None
        if split not in ("train", "calibration", "test") or defect is None:
            raise _out_of_place(folder, image_id, "train/good, calibration/good, test/good, test/<defect>")
        _check_names(folder, image_id, below, f"{split}/{GOOD}", "test", is_good=defect == GOOD)
        if split != "test" and defect != GOOD:
            raise IadError(
                f"{folder}/{image_id}: {split} may hold good pictures only; move it to test/{defect} or {split}/good"
            )
        pictures.append(_picture(image_id, files, split, defect, masks))
    _check_complete(folder, pictures, masks, "train/good", "test/good or test/<defect>")
    return pictures


def _plain(folder: str, files: Files, train_share: float, seed: int) -> list[Picture]:
    masks = _find_masks(folder, files)
    image_ids = _without_masks(files)
    split = split_good([name for name in image_ids if name.startswith(f"{GOOD}/")], train_share, seed)
    pictures = []
    for image_id in image_ids:
        kind, _, below = image_id.partition("/")
        if kind not in (GOOD, BAD):
            raise _out_of_place(folder, image_id, "good, bad (or, as MVTec AD has it, train/good, test/<defect>)")
        named = image_id if kind == GOOD else below
        _check_names(folder, image_id, named, GOOD, BAD, is_good=kind == GOOD)
        defect = below.partition("/")[0] if kind == BAD and "/" in below else kind
        pictures.append(_picture(image_id, files, split.get(image_id, "test"), defect, masks))
    _check_complete(folder, pictures, masks, GOOD, f"{GOOD} (two or more) or {BAD}")
    return pictures


def _check_names(
    folder: str, image_id: str, below: str, good: str, defects: str, *, is_good: bool
) -> None:  # fmt: skip
    """Refuse a folder whose name says the opposite of where it lies.

    Args:
        folder: of the data set.
        image_id: a picture, by its path in it.
        below: the end of that path that begins with the folder that gives the label.
        is_good: whether it counts as good there.
        good: where good pictures of this split belong.
        defects: where defective ones belong.
    """
    parts = PurePosixPath(below).parts[:-1]
    reads = reads_as_bad if is_good else reads_as_good
    found = next((place for place, name in enumerate(parts[is_good:], int(is_good)) if reads(name)), None)
    if found is None:
        return
    path = "/".join(filter(None, [folder, image_id.removesuffix(below).rstrip("/"), *parts[: found + 1]]))
    if is_good:
        raise IadError(
            f"{path}: reads as defective pictures, but lies among the good ones; move it to {folder}/{defects}, "
            "or give it another name"
        )
    raise IadError(
        f"{path}: reads as good pictures, and only those in {folder}/{good} count as good here; move them there, or, "
        f"if they are defective, give it another name below {folder}/{defects}"
    )


def _picture(image_id: str, files: Files, split: str, defect: str, masks: Mapping[str, str]) -> Picture:
    mask = None if defect == GOOD else masks.get(image_id)
    return Picture(
        image_id=image_id,
        split=split,
        label=Label.NORMAL if defect == GOOD else Label.ANOMALOUS,
        defect=defect,
        read=files[image_id],
        mask=mask,
        read_mask=None if mask is None else files[mask],
    )


def _without_masks(files: Files) -> list[str]:
    return [name for name in files if not name.startswith(f"{MASKS}/")]


def _find_masks(folder: str, files: Files) -> dict[str, str]:
    """The mask of each test picture that has one, by the picture's id; masks of good pictures are passed over."""
    pictures = _pictures_by_stem(files)
    masks: dict[str, str] = {}
    for mask in files:
        if not mask.startswith(f"{MASKS}/") or mask.startswith(f"{MASKS}/{GOOD}/"):
            continue
        picture = _masked_picture(folder, mask, pictures)
        if picture in masks:
            raise IadError(f"{folder}/{mask}: a second mask of {picture}, beside {masks[picture]}; delete one of them")
        masks[picture] = mask
    return masks


def _pictures_by_stem(files: Files) -> dict[str, list[str]]:
    """The pictures that a mask may belong to, by its path below `ground_truth`, without `_mask` and suffix."""
    found: dict[str, list[str]] = {}
    for name in files:
        for stem in _mask_stems(name):
            found.setdefault(stem, []).append(name)
    return found


def _mask_stems(name: str) -> Iterator[str]:
    if name.startswith(("test/", f"{BAD}/")):
        yield _stem(name)
    if name.startswith(f"{BAD}/"):
        yield PurePosixPath(name).with_suffix("").as_posix()


def _masked_picture(folder: str, mask: str, pictures: Mapping[str, Sequence[str]]) -> str:
    stem = _stem(mask)
    found = pictures.get(stem.removesuffix("_mask")) or pictures.get(stem) or ()
    if len(found) == 1:
        return found[0]
    if found:
        raise IadError(f"{folder}/{mask}: a mask of {found[0]} or of {found[1]}; rename one of the two pictures")
    raise IadError(f"{folder}/{mask}: a mask without a picture ({stem.removesuffix('_mask')}); rename or delete it")


def _stem(image_id: str) -> str:
    """The path below the first folder, without its suffix: what a picture and its mask have in common."""
    return PurePosixPath(*PurePosixPath(image_id).parts[1:]).with_suffix("").as_posix()


def _check_complete(folder: str, pictures: list[Picture], masks: Mapping[str, str], good: str, test: str) -> None:
    splits = {picture.split for picture in pictures}
    if "train" not in splits:
        raise IadError(f"{folder}: no good pictures to train on; put some into {folder}/{good}")
    if "test" not in splits:
        raise IadError(f"{folder}: no test pictures, so nothing could be evaluated; put some into {folder}/{test}")
    defective = [picture for picture in pictures if picture.label == Label.ANOMALOUS]
    bare = [picture.image_id for picture in defective if picture.mask is None]
    if masks and bare:
        say(
            f"{folder}: {len(bare)} of {counted(len(defective), 'defective picture')} have no mask, such as {bare[0]}; "
            "pixel metrics leave them out"
        )


def _out_of_place(folder: str, image_id: str, allowed: str) -> IadError:
    top = image_id.partition("/")[0]
    meant = next((name for name, reads in ((GOOD, reads_as_good), (BAD, reads_as_bad)) if reads(top)), None)
    hint = f"; '{top}' reads as {meant}: rename it to {meant}" if meant and "/" in image_id else ""
    return IadError(f"{folder}/{image_id}: out of place; pictures belong into one of {allowed}{hint}")
