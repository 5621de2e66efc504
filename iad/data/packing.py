"""The pictures of a data set checked and kept for the stages that follow, with their manifest, each read once.

Their bytes go into one file, since DVC is slow with thousands of small ones; stored uncompressed with fixed dates and
order, so that the same pictures give the same bytes. Pictures in object storage stay there: the file then records where
each lies, and its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import ZIP_STORED, ZipFile

from iad.data.ahead import read_ahead
from iad.data.decode import masks_left_out, picture_size, read_header
from iad.data.manifest import COLUMNS, GROUP, Picture, as_manifest, sorted_pictures, write_manifest
from iad.data.record import Entry, store, write_record
from iad.data.remote import THREADS, RemoteFile
from iad.errors import IadError
from iad.io import replacing
from iad.progress import say, track

if TYPE_CHECKING:
    import pandas as pd


class _Kept(NamedTuple):
    """A picture or mask that was read: its bytes, or, where they stay where they are, its entry in the record."""

    name: str
    content: bytes | Entry


class _Seen(NamedTuple):
    """A picture that was checked: its row of the manifest, what is kept of it, and why its mask is left out, if so."""

    row: dict[str, Any]
    kept: list[_Kept]
    bad_mask: str = ""


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
        pictures: What a source offers; one picture at a time is held in memory, or, where they are waited for, some.
        archive_path: The ZIP file to write, for `iad.data.originals.Originals`; its members are named as `image_id` and
            `mask` say, unless pictures stay in object storage.
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
    found: list[_Seen] = []
    with replacing(archive_path) as part:
        with _store_of(ordered, part) as keep:
            for seen in _checked(ordered, "packing pictures", max_megapixels, allow_shared=allow_shared):
                keep(seen.kept)
                found.append(seen._replace(kept=[]))
        # inside the block: the archive appears only together with its manifest
        manifest = _manifest_of(found)
        write_manifest(manifest_path, manifest)
    if bad_masks := [seen.bad_mask for seen in found if seen.bad_mask]:
        say(f"warning: {masks_left_out(bad_masks)}")
    return manifest


def check_originals(
    pictures: Iterable[Picture], *, max_megapixels: float, allow_shared: bool
) -> tuple[pd.DataFrame, list[str]]:
    """Check the header of every picture as `write_originals` does, and write nothing.

    Args:
        pictures: As there.
        max_megapixels: As there.
        allow_shared: As there.

    Returns:
        The manifest, and why each mask that cannot be one of its picture is left out.

    Raises:
        IadError: as there.
    """
    ordered = sorted_pictures(pictures)
    checked = _checked(ordered, "reading pictures", max_megapixels, allow_shared=allow_shared)
    found = [seen._replace(kept=[]) for seen in checked]
    return _manifest_of(found), [seen.bad_mask for seen in found if seen.bad_mask]


def _checked(pictures: Sequence[Picture], title: str, max_megapixels: float, *, allow_shared: bool) -> Iterator[_Seen]:
    first_by_hash: dict[str, dict[str, Any]] = {}
    for seen in track(_looked_at(pictures, max_megapixels), title, total=len(pictures)):
        if not allow_shared:
            _check_shared(first_by_hash.setdefault(seen.row["sha256"], seen.row), seen.row)
        yield seen


def _manifest_of(found: Sequence[_Seen]) -> pd.DataFrame:
    columns = (*COLUMNS, GROUP) if any(seen.row[GROUP] for seen in found) else COLUMNS
    return as_manifest({name: [seen.row[name] for seen in found] for name in columns})


def _far_away(pictures: Sequence[Picture]) -> RemoteFile | None:
    """The first picture, if its bytes stay in object storage; a source has all of them there, or none."""
    return pictures[0].read if isinstance(pictures[0].read, RemoteFile) else None


@contextmanager
def _store_of(pictures: Sequence[Picture], path: Path) -> Iterator[Callable[[list[_Kept]], None]]:
    """What keeps pictures and masks in the file: their bytes, or the record of where they lie."""
    if far := _far_away(pictures):
        entries: list[Entry] = []
        yield lambda kept: entries.extend(one.content for one in kept if isinstance(one.content, Entry))
        write_record(path, far.folder.address, entries)
        return
    with ZipFile(path, "w", ZIP_STORED) as archive:

        def keep(kept: list[_Kept]) -> None:
            for name, content in kept:
                if isinstance(content, bytes):
                    store(archive, name, content)

        yield keep


def _looked_at(pictures: Sequence[Picture], max_megapixels: float) -> Iterator[_Seen]:
    look = partial(_look, max_megapixels=max_megapixels)
    if not _far_away(pictures):
        yield from map(look, pictures)
        return
    with ThreadPoolExecutor(THREADS) as pool:
        yield from read_ahead(look, pictures, _listed_size, pool)


def _listed_size(picture: Picture) -> int | None:
    return picture.read.size if isinstance(picture.read, RemoteFile) else None


def _look(picture: Picture, max_megapixels: float) -> _Seen:
    data = picture.read()
    header = read_header(data, picture.image_id, max_megapixels=max_megapixels)
    kept = [_kept(picture.image_id, picture.read, data, header.depth)]
    mask, bad_mask = None, ""
    if picture.mask is not None and picture.read_mask is not None:
        try:
            content = _mask_of(picture, picture.mask, picture.read_mask(), header[:2], max_megapixels)
            kept.append(_kept(picture.mask, picture.read_mask, content))
            mask = picture.mask
        except IadError as refusal:
            bad_mask = str(refusal)
    row = {
        "image_id": picture.image_id, "split": picture.split, "label": int(picture.label), "defect": picture.defect,
        "mask": mask, "width": header.width, "height": header.height, "sha256": hashlib.sha256(data).hexdigest(),
        "group": picture.group,
    }  # fmt: skip
    return _Seen(row, kept, bad_mask)


def _kept(name: str, read: Callable[[], bytes], data: bytes, depth: int = 0) -> _Kept:
    if not isinstance(read, RemoteFile):
        return _Kept(name, data)
    return _Kept(name, Entry(name, read.key, len(data), hashlib.sha256(data).hexdigest(), int(depth)))


def _mask_of(picture: Picture, mask: str, data: bytes, size: tuple[int, int], max_megapixels: float) -> bytes:
    found = picture_size(data, mask, max_megapixels=max_megapixels)
    if found != size:
        raise IadError(
            f"{mask}: {found[0]} x {found[1]} px, but its picture {picture.image_id} has {size[0]} x {size[1]}; "
            "draw the mask at the size of the picture"
        )
    return data


def _check_shared(first: dict[str, Any], row: dict[str, Any]) -> None:
    if first["split"] != row["split"]:
        raise IadError(
            f"{row['image_id']} ({row['split']}) is the same picture as {first['image_id']} ({first['split']}); "
            "delete one of them, or set data.allow_shared to true"
        )
