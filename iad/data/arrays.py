"""All pictures decoded once into one memory-mapped array, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from iad.compute import usable_cores
from iad.data.decode import FULL_16BIT, decode, decode_mask, masks_left_out
from iad.data.originals import Originals
from iad.errors import IadError
from iad.io import new_array
from iad.progress import bar, say

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 16  # pictures per task: few enough for a smooth bar, enough to make the task itself cost nothing


def build_arrays(
    archive_path: Path,
    manifest: pd.DataFrame,
    images_path: Path,
    masks_path: Path,
    *,
    size: int,
    white_16bit: int = FULL_16BIT,
    threads: int = 0,
) -> pd.DataFrame:
    """Decode every picture, and every mask, of the archive into arrays whose rows follow the manifest.

    Args:
        archive_path: What `write_originals` wrote.
        manifest: N rows as `read_manifest` gives them, of which `image_id`, `mask`, `width` and `height` are read.
        images_path: Becomes uint8 (N, size, size, 3), RGB.
        masks_path: Becomes uint8 (N, size, size), 1 where defective; pictures without a mask have zeros. Written only
            if the manifest has any mask; an older one is deleted otherwise.
        size: Side of the arrays in pixels.
        white_16bit: The value of a 16-bit picture that becomes 255.
        threads: Decoding threads; 0 means one for each core that this process may use.

    Returns:
        The manifest without the masks that cannot be decoded, which a line tells; nothing is marked in their rows.

    Raises:
        IadError: naming the first picture, in the order of the manifest, that cannot be decoded.
    """
    names, masks = manifest["image_id"].tolist(), manifest["mask"].tolist()
    masked = np.flatnonzero(manifest["mask"].notna())
    limit = float((manifest["width"] * manifest["height"]).max()) / 1e6  # what the headers said when they were checked
    bad_masks: dict[str, str] = {}

    def image(data: bytes, name: str) -> np.ndarray:
        return decode(data, name, size, max_megapixels=limit, white_16bit=white_16bit)

    def mask(data: bytes, name: str) -> np.ndarray:
        try:
            return decode_mask(data, name, size, max_megapixels=limit)
        except IadError as refusal:  # a picture is judged without its mask, so one torn mask stops nothing
            bad_masks[name] = str(refusal)
            return np.zeros((size, size), np.uint8)

    with ExitStack() as stack:  # both files appear when both are complete
        originals = stack.enter_context(Originals(archive_path))
        array = stack.enter_context(new_array(images_path, (len(names), size, size, 3), np.uint8))
        _fill(array, np.arange(len(names)), partial(_decoded, originals, names, image), threads, "decoding pictures")
        if len(masked):
            array = stack.enter_context(new_array(masks_path, (len(names), size, size), np.uint8))
            _fill(array, masked, partial(_decoded, originals, masks, mask), threads, "decoding masks")
    if not len(masked):
        masks_path.unlink(missing_ok=True)
    if not bad_masks:
        return manifest
    bad = manifest["mask"].isin(list(bad_masks))
    say(f"warning: {masks_left_out([bad_masks[name] for name in manifest['mask'][bad]])}")
    return manifest.assign(mask=manifest["mask"].mask(bad))


def _decoded(
    originals: Originals, names: Sequence[str], decoder: Callable[[bytes, str], np.ndarray], rows: Sequence[int]
) -> Iterator[np.ndarray]:
    some = [names[row] for row in rows]
    return map(decoder, originals.stream(some), some)


def _fill(
    array: np.ndarray, rows: np.ndarray, read: Callable[[Sequence[int]], Iterator[np.ndarray]], threads: int, title: str
) -> None:
    stopped = Event()

    def fill_block(block: np.ndarray) -> int:
        pictures = read(block.tolist())
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
