"""Time, memory and agreement of the pixel metrics: 100 pictures of 1,024 px against scikit-learn on the same pixels.

Run it from the repository's top folder, environment active: python benchmarks/pixel_metrics.py [pictures] [side]
Maps are smoothed noise, raised inside the masks; 20 % of the pictures are normal, 1 to 3 round defects on the others.
Each part runs in a process of its own. Its peak is private memory (RssAnon of /proc, Linux), sampled: pages of the
mapped file do not count. Where others share the machine, the processor seconds tell more than the clock. The last line
is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import command, machine, python, watched

from iad.metrics.localization import aupro, metrics_of, pixel_auroc
from iad.metrics.pixels import PixelPictures, count_pixels
from iad.statistics.pixel_bootstrap import grid_counts, grid_error, grid_metrics, pixel_bootstrap_samples

DRAWS = 2000


def make(folder: Path, pictures: int, side: int) -> None:
    """Write maps and masks as memory-mapped arrays."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    maps = np.lib.format.open_memmap(folder / "maps.npy", "w+", np.float32, (pictures, side, side))
    masks = np.lib.format.open_memmap(folder / "masks.npy", "w+", np.uint8, (pictures, side, side))
    rows, columns = np.ogrid[:side, :side]
    for picture in range(pictures):
        if picture >= pictures // 5:
            for _ in range(rng.integers(1, 4)):
                y, x, radius = *rng.integers(0, side, 2), side * rng.uniform(0.02, 0.08)
                masks[picture] |= (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        noise = gaussian_filter(rng.standard_normal((side, side), dtype=np.float32), 4)
        maps[picture] = noise / noise.std() + 3 * masks[picture]


def exact(pictures: PixelPictures) -> dict[str, Any]:
    """All metrics, from every pixel."""
    started = time.perf_counter()
    counts = count_pixels(pictures)
    found = metrics_of(counts)
    seconds = time.perf_counter() - started
    names = ("auroc", "average_precision", "aupro", "aupimo")
    return {"seconds": seconds, "defect_pixels": counts.defect_pixels} | {name: getattr(found, name) for name in names}


def bootstrap(pictures: PixelPictures) -> dict[str, Any]:
    """Draws of pictures, on a grid of thresholds, and how far the grid is off."""
    counts = count_pixels(pictures)
    started = time.perf_counter()
    grid = grid_counts(pictures, counts)
    samples = pixel_bootstrap_samples(grid, pictures.gt_label, draws=DRAWS, seed=0)
    seconds = time.perf_counter() - started
    on_grid = grid_metrics(grid, np.ones((1, len(pictures.gt_label))))
    off = {"pixel_auroc": pixel_auroc(counts), "aupro": aupro(counts)}
    figures = {
        f"{name} grid - exact": float(on_grid[name][0]) - value for name, value in off.items() if value is not None
    }
    figures |= {f"{name} bound": bound for name, bound in grid_error(grid).items()}
    return {"seconds": seconds} | figures | {f"{name} deviation": float(s.std()) for name, s in samples.items()}


def scikit_learn(pictures: PixelPictures) -> dict[str, Any]:
    """The AUROC alone."""
    from sklearn.metrics import roc_auc_score

    started = time.perf_counter()
    area = roc_auc_score(np.asarray(pictures.gt_mask).ravel() != 0, np.asarray(pictures.anomaly_map).ravel())
    return {"auroc": float(area), "seconds": time.perf_counter() - started}


PARTS = {
    "import only": lambda _: {"seconds": 0.0}, "exact metrics": exact, f"bootstrap of {DRAWS:,} draws": bootstrap,
    "scikit-learn roc_auc_score": scikit_learn,
}  # fmt: skip


def run(part: str, folder: Path) -> dict[str, Any]:
    """Do one part and return its figures."""
    maps, masks = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("maps", "masks"))
    labels = np.array([int(mask.any()) for mask in masks])
    figures: dict[str, Any] = PARTS[part](PixelPictures(maps, masks, labels))
    return figures | {"processor_seconds": round(time.process_time(), 1)}


def measured(part: str, folder: Path) -> dict[str, Any]:
    """Run a part in its own process; add its peak of private memory, in MiB."""
    printed, peak = watched(python(__file__, "--part", part, "--folder", str(folder)))
    figures: dict[str, Any] = json.loads(printed)
    return figures | {"peak_mib": round(peak)}


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("pictures", nargs="?", type=int, default=100, help="default: 100")
    parser.add_argument("side", nargs="?", type=int, default=1024, help="in pixels (default: 1024)")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the pictures and measure every part."""
    asked = options().parse_args(arguments)
    if asked.part:
        print(json.dumps(run(asked.part, asked.folder)))
        return
    print(machine("numpy", "scikit-learn"))
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), asked.pictures, asked.side)
        found = {}
        for part in PARTS:
            found[part] = measured(part, Path(name))
            print(f"{part:28} {json.dumps(found[part])}", flush=True)
    print(json.dumps({"pictures": asked.pictures, "side": asked.side} | found))


if __name__ == "__main__":
    main()
