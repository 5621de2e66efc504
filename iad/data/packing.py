"""The original bytes of all pictures in one file, and their manifest.

One file, since DVC is slow with thousands of small ones; stored uncompressed with fixed dates and order, so that the
same pictures give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from iad.data.decode import masks_left_out, picture_size
from iad.data.manifest import COLUMNS, Picture, as_manifest, sorted_pictures, write_manifest
from iad.errors import IadError
from iad.io import replacing
from iad.progress import say, track

if TYPE_CHECKING:
    import pandas as pd

FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP file can hold
UNIX = 3
READABLE = 0o100644 << 16


def write_originals(
    pictures: Iterable[Picture],
    archive_path: Path,
    manifest_path: Path,
    *,
    max_megapixels: float,
    allow_shared: bool,
) -> pd.DataFrame:
    """Check the header of every picture, and write all of them and their manifest.

    A mask that cannot be one of its picture, by its header or its size, is left out, with a line that says so:
    masks are optional, and metrics of whole pictures need none.

    Args:
        pictures: What a source offers; one picture at a time is held in memory.
        archive_path: The ZIP file to write; its members are named as `image_id` and `mask` say.
        manifest_path: The Parquet file to write.
        max_megapixels: The largest accepted picture, in million pixels.
        allow_shared: Whether the same bytes may stand in two splits.

    Returns:
        The manifest, as `read_manifest` gives it.

    Raises:
        IadError: naming the picture, if one is not readable by its header, if two splits share a picture, or as
            `sorted_pictures` does.
    """
    ordered = sorted_pictures(pictures)
    rows: list[dict[str, Any]] = []
    first_by_hash: dict[str, dict[str, Any]] = {}
    bad_masks: list[str] = []
    with replacing(archive_path) as part:
        with ZipFile(part, "w", ZIP_STORED) as archive:
            for picture in track(ordered, "packing pictures"):
                row = _pack(archive, picture, max_megapixels, bad_masks)
                if not allow_shared:
                    _check_shared(first_by_hash.setdefault(row["sha256"], row), row)
                rows.append(row)
        # inside the block: the archive appears only together with its manifest
        manifest = as_manifest({name: [row[name] for row in rows] for name in COLUMNS})
        write_manifest(manifest_path, manifest)
    if bad_masks:
        say(f"warning: {masks_left_out(bad_masks)}")
    return manifest


def _pack(archive: ZipFile, picture: Picture, max_megapixels: float, bad_masks: list[str]) -> dict[str, Any]:
    data = picture.read()
    size = picture_size(data, picture.image_id, max_megapixels=max_megapixels)
    _store(archive, picture.image_id, data)
    mask: str | None = None
    if picture.mask is not None and picture.read_mask is not None:
        try:
            content = _mask_of(picture, picture.mask, picture.read_mask(), size, max_megapixels)
            _store(archive, picture.mask, content)
            mask = picture.mask
        except IadError as refusal:
            bad_masks.append(str(refusal))
    return {
        "image_id": picture.image_id, "split": picture.split, "label": int(picture.label), "defect": picture.defect,
        "mask": mask, "width": size[0], "height": size[1], "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip


def _mask_of(picture: Picture, mask: str, data: bytes, size: tuple[int, int], max_megapixels: float) -> bytes:
    found = picture_size(data, mask, max_megapixels=max_megapixels)
    if found != size:
        raise IadError(
            f"{mask}: {found[0]} x {found[1]} px, but its picture {picture.image_id} has {size[0]} x {size[1]}; "
            "draw the mask at the size of the picture"
        )
    return data


def _store(archive: ZipFile, name: str, data: bytes) -> None:
    member = ZipInfo(name, FIXED_DATE)
    member.create_system = UNIX  # else Windows writes other bytes
    member.external_attr = READABLE
    archive.writestr(member, data)


def _check_shared(first: dict[str, Any], row: dict[str, Any]) -> None:
    if first["split"] != row["split"]:
        raise IadError(
            f"{row['image_id']} ({row['split']}) is the same picture as {first['image_id']} ({first['split']}); "
            "delete one of them, or set data.allow_shared to true"
        )
