"""All pictures decoded once into one memory-mapped array, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from iad.compute import usable_cores
from iad.data.decode import FULL_16BIT, decode, decode_mask, masks_left_out
from iad.data.image_size import GivenSize, ImageSize
from iad.data.originals import Originals
from iad.data.region import grey_outside, prepared_region, write_prepared
from iad.errors import IadError
from iad.io import new_array
from iad.progress import bar, say

if TYPE_CHECKING:
    import pandas as pd

    from iad.engine import Engine

Decoder: TypeAlias = Callable[[bytes, str], np.ndarray]
"""Makes a picture, or a mask, of its bytes and its name."""

BLOCK = 16  # pictures per task: few enough for a smooth bar, enough to make the task itself cost nothing


def build_arrays(
    archive_path: Path,
    manifest: pd.DataFrame,
    images_path: Path,
    masks_path: Path,
    region_path: Path | None = None,
    *,
    size: GivenSize,
    region: Path | None = None,
    white_16bit: int = FULL_16BIT,
    threads: int = 0,
    engine: Engine | None = None,
) -> pd.DataFrame:
    """Decode every picture, and every mask, of the archive into arrays whose rows follow the manifest.

    Args:
        archive_path: What `write_originals` wrote.
        manifest: N rows as `read_manifest` gives them, of which `image_id`, `mask`, `width` and `height` are read.
        images_path: Becomes uint8 (N, H, W, 3), RGB.
        masks_path: Becomes uint8 (N, H, W), 1 where defective; pictures without a mask have zeros. Written only
            if the manifest has any mask; an older one is deleted otherwise.
        region_path: Becomes bool (H, W), the pixels that count; an older one is deleted where all do.
        size: Of the arrays in pixels: height and width, or the side of squares.
        region: The region of interest, as `keep_region` kept it, if it did. Pixels outside become one grey, and no
            mask marks any.
        white_16bit: The value of a 16-bit picture that becomes 255.
        threads: Decoding threads; 0 means one for each core that this process may use.
        engine: The cluster whose nodes decode; None: this process does.

    Returns:
        The manifest without the masks that cannot be decoded, which a line tells; nothing is marked in their rows.

    Raises:
        IadError: naming the first picture, in the order of the manifest, that cannot be decoded.
    """
    names, masks = manifest["image_id"].tolist(), manifest["mask"].tolist()
    masked = np.flatnonzero(manifest["mask"].notna())
    limit = float((manifest["width"] * manifest["height"]).max()) / 1e6  # what the headers said when they were checked
    inside = None if region is None else prepared_region(region, size)
    image = partial(_image, region=inside, size=size, max_megapixels=limit, white_16bit=white_16bit)
    mask = partial(_mask, region=inside, size=size, max_megapixels=limit)
    bad_masks: dict[str, str] = {}
    with ExitStack() as stack:  # both files appear when both are complete
        originals = stack.enter_context(Originals(archive_path))
        fill = partial(_fill_there, engine, originals) if engine else partial(_fill, threads, originals)
        array = stack.enter_context(new_array(images_path, (len(names), *ImageSize.of(size), 3), np.uint8))
        fill(array, np.arange(len(names)), names, image, title="decoding pictures")
        if len(masked):
            array = stack.enter_context(new_array(masks_path, (len(names), *ImageSize.of(size)), np.uint8))
            # a picture is judged without its mask, so one torn mask stops nothing
            fill(array, masked, masks, mask, title="decoding masks", bad=bad_masks)
    if not len(masked):
        masks_path.unlink(missing_ok=True)
    if region_path is not None:
        write_prepared(region_path, inside)
    if not bad_masks:
        return manifest
    bad = manifest["mask"].isin(list(bad_masks))
    say(f"warning: {masks_left_out([bad_masks[name] for name in manifest['mask'][bad]])}")
    return manifest.assign(mask=manifest["mask"].mask(bad))


def _image(data: bytes, name: str, *, region: np.ndarray | None, **how: Any) -> np.ndarray:
    return grey_outside(decode(data, name, **how), region)


def _mask(data: bytes, name: str, *, region: np.ndarray | None, **how: Any) -> np.ndarray:
    found = decode_mask(data, name, **how)
    return found if region is None else found * region


def _fill_there(
    engine: Engine, originals: Originals, array: np.ndarray, rows: np.ndarray, names: Sequence[str], decoder: Decoder,
    *, title: str, bad: dict[str, str] | None = None,
) -> None:  # fmt: skip
    from iad.data.decoding import decode_there

    wanted = [names[row] for row in rows]
    found = decode_there(engine, originals, wanted, decoder, array.shape[1:], title=title, bad=bad)
    with _row_writer(array) as write:
        for places, pixels in found:
            for row, one in zip(rows[places].tolist(), pixels, strict=True):
                write(row, one)


def _fill(
    threads: int, originals: Originals, array: np.ndarray, rows: np.ndarray, names: Sequence[str], decoder: Decoder, *,
    title: str, bad: dict[str, str] | None = None,
) -> None:  # fmt: skip
    stopped = Event()

    def decoded(data: bytes, name: str) -> np.ndarray:
        try:
            return decoder(data, name)
        except IadError as refusal:
            if bad is None:
                raise
            bad[name] = str(refusal)
            return np.zeros(array.shape[1:], np.uint8)

    def fill_block(block: np.ndarray) -> int:
        some = [names[row] for row in block]
        pictures = map(decoded, originals.stream(some), some)
        for row in block.tolist():
            if stopped.is_set():
                break
            write(row, next(pictures))
        return len(block)

    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    workers = ThreadPoolExecutor(threads or usable_cores())
    with _row_writer(array) as write, workers as pool, bar(title, len(rows)) as shown:
        try:
            for done in pool.map(fill_block, blocks):
                shown.update(done)
        finally:
            stopped.set()  # after an error or Ctrl-C the others end with the picture they are at


@contextmanager
def _row_writer(array: np.ndarray) -> Iterator[Callable[[int, np.ndarray], None]]:
    """Write rows of a mapped array through its file.

    Linux takes ten times as long for a write through the mapping into space that was only reserved (0.3 ms instead of
    0.03 ms for a picture of 224 px, against 1 ms for decoding it), and reports a full disk by killing the process.
    """
    mapped, lock = cast("np.memmap[Any, Any]", array), Lock()
    with Path(str(mapped.filename)).open("r+b") as file:

        def write(row: int, pixels: np.ndarray) -> None:
            with lock:
                file.seek(mapped.offset + row * pixels.nbytes)
                file.write(np.ascontiguousarray(pixels).data)

        yield write
