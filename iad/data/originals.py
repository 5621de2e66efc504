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

from iad.data.decode import picture_size
from iad.data.manifest import COLUMNS, Picture, as_manifest, sorted_pictures, write_manifest
from iad.errors import IadError
from iad.io import replacing
from iad.progress import track

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

    Args:
        pictures: What a source offers; one picture at a time is held in memory.
        archive_path: The ZIP file to write; its members are named as `image_id` and `mask` say.
        manifest_path: The Parquet file to write.
        max_megapixels: The largest accepted picture, in million pixels.
        allow_shared: Whether the same bytes may stand in two splits.

    Returns:
        The manifest, as `read_manifest` gives it.

    Raises:
        IadError: naming the picture, if one is not readable by its header, if a mask has another size than its picture,
            if two splits share a picture, or as `sorted_pictures` does.
    """
    ordered = sorted_pictures(pictures)
    rows: list[dict[str, Any]] = []
    first_by_hash: dict[str, dict[str, Any]] = {}
    with replacing(archive_path) as part:
        with ZipFile(part, "w", ZIP_STORED) as archive:
            for picture in track(ordered, "packing pictures"):
                row = _pack(archive, picture, max_megapixels)
                if not allow_shared:
                    _check_shared(first_by_hash.setdefault(row["sha256"], row), row)
                rows.append(row)
        # inside the block: the archive appears only together with its manifest
        manifest = as_manifest({name: [row[name] for row in rows] for name in COLUMNS})
        write_manifest(manifest_path, manifest)
    return manifest


def _pack(archive: ZipFile, picture: Picture, max_megapixels: float) -> dict[str, Any]:
    data = picture.read()
    size = picture_size(data, picture.image_id, max_megapixels=max_megapixels)
    _store(archive, picture.image_id, data)
    if picture.mask is not None and picture.read_mask is not None:
        mask = picture.read_mask()
        mask_size = picture_size(mask, picture.mask, max_megapixels=max_megapixels)
        if mask_size != size:
            raise IadError(
                f"{picture.mask}: {mask_size[0]} x {mask_size[1]} px, but its picture {picture.image_id} has "
                f"{size[0]} x {size[1]}; draw the mask at the size of the picture"
            )
        _store(archive, picture.mask, mask)
    return {
        "image_id": picture.image_id, "split": picture.split, "label": int(picture.label), "defect": picture.defect,
        "mask": picture.mask, "width": size[0], "height": size[1], "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip


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
