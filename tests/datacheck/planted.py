"""A generated folder of pictures, clean or with a planted fault, and the checks run on it as the stages do."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from iad.data.arrays import build_arrays
from iad.data.manifest import Picture
from iad.data.packing import write_originals
from iad.datacheck import check_files
from iad.datacheck.findings import Finding

SIDE = 128


def texture(seed: int, *, spot: bool = False) -> np.ndarray:
    """A part that is the same in every picture, uneven light and grain that are not; uint8 (128, 128)."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    part = 60 * (np.hypot(x - 0.5, y - 0.5) < 0.35)
    coarse = Image.fromarray(generator.normal(0, 12, (9, 9)).astype(np.float32)).resize((SIDE, SIDE), 3)
    pixels = 100 + part + np.asarray(coarse) + generator.normal(0, 3, (SIDE, SIDE)) + generator.normal(0, 4)
    if spot:
        pixels[56:64, 60:66] -= 25
    return np.clip(pixels, 0, 255).astype(np.uint8)


def encoded(pixels: np.ndarray, suffix: str = ".png", **options: object) -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, {".png": "PNG", ".jpg": "JPEG"}[suffix], **options)
    return file.getvalue()


def clean_folder() -> dict[str, bytes]:
    """99 good pictures to train, 24 good and 24 defective ones to test, by path."""
    files = {f"train/good/{row:02}.png": encoded(texture(row)) for row in range(99)}
    files |= {f"test/good/{row:02}.png": encoded(texture(100 + row)) for row in range(24)}
    return files | {f"test/spot/{row:02}.png": encoded(texture(200 + row, spot=True)) for row in range(24)}


def findings_of(
    files: dict[str, bytes], folder: Path, *, allow_shared: bool = False, white_16bit: int = 65535
) -> dict[str, Finding]:
    """Pack, decode, measure and check; the findings by name of check."""
    pictures = [
        Picture(name, name.split("/")[0], int("/good/" not in name), name.split("/")[1], lambda data=data: data)
        for name, data in files.items()
    ]
    archive, arrays = folder / "images.zip", (folder / "images.npy", folder / "masks.npy")
    manifest = write_originals(pictures, archive, folder / "m.parquet", max_megapixels=1, allow_shared=allow_shared)
    build_arrays(archive, manifest, *arrays, size=SIDE, white_16bit=white_16bit)
    found = check_files(archive, manifest, *arrays, folder / "report.json", white_16bit=white_16bit, threads=1)
    return {finding.check: finding for finding in found}
