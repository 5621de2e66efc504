"""Time, memory and agreement of the pixel metrics: 100 pictures of 1,024 px against scikit-learn on the same pixels.

Run it from the repository's top folder, environment active: python benchmarks/pixel_metrics.py [pictures] [side]
Maps are smoothed noise, raised inside the masks; 20 % of the pictures are normal, 1 to 3 round defects on the others.
Each part runs in a process of its own. Its peak is private memory (RssAnon of /proc, Linux), sampled: pages of the
mapped file do not count. Where others share the machine, the processor seconds tell more than the clock. The last line
is JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from iad.metrics.localization import aupro, metrics_of, pixel_auroc
from iad.metrics.pixels import PixelPictures, count_pixels
from iad.statistics.pixel_bootstrap import grid_counts, grid_error, grid_metrics, pixel_bootstrap_samples

PARTS = ("import only", "exact metrics", "bootstrap of 2,000 draws", "scikit-learn roc_auc_score")


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


def run(part: str, folder: Path) -> dict[str, float]:
    """Do one part and return its figures."""
    maps, masks = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("maps", "masks"))
    labels = np.array([int(mask.any()) for mask in masks])
    pictures = PixelPictures(maps, masks, labels)
    started = time.perf_counter()
    if part == "exact metrics":
        counts = count_pixels(pictures)
        found = metrics_of(counts)
        seconds = time.perf_counter() - started
        names = ("auroc", "average_precision", "aupro", "aupimo")
        return {"seconds": seconds, "defect_pixels": counts.defect_pixels} | {n: getattr(found, n) for n in names}
    if part.startswith("bootstrap"):
        counts = count_pixels(pictures)
        started = time.perf_counter()
        grid = grid_counts(pictures, counts)
        samples = pixel_bootstrap_samples(grid, labels, draws=2000, seed=0)
        seconds, on_grid = time.perf_counter() - started, grid_metrics(grid, np.ones((1, len(labels))))
        off = {"pixel_auroc": pixel_auroc(counts), "aupro": aupro(counts)}
        figures = {f"{name} grid - exact": float(on_grid[name][0]) - exact for name, exact in off.items()}
        figures |= {f"{name} bound": bound for name, bound in grid_error(grid).items()}
        return {"seconds": seconds} | figures | {f"{name} deviation": float(s.std()) for name, s in samples.items()}
    if part.startswith("scikit"):
        from sklearn.metrics import roc_auc_score

        started = time.perf_counter()
        return {"auroc": roc_auc_score(masks.ravel() != 0, maps.ravel()), "seconds": time.perf_counter() - started}
    return {"seconds": 0.0}


def measured(part: str, folder: Path) -> dict[str, float]:
    """Run a part in its own process; add its peak of private memory, in MiB."""
    command = [sys.executable, __file__, "--part", part, str(folder)]
    process, peak = subprocess.Popen(command, stdout=subprocess.PIPE, text=True), 0.0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = max([peak, *(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("RssAnon"))])
        time.sleep(0.01)
    if process.returncode:
        raise SystemExit(f"{part} ended with {process.returncode}")
    return json.loads(process.stdout.read()) | {"peak_mib": round(peak)}


def main(pictures: int, side: int) -> None:
    """Make the pictures and measure every part."""
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), pictures, side)
        found = {}
        for part in PARTS:
            found[part] = measured(part, Path(name))
            print(f"{part:28} {json.dumps(found[part])}", flush=True)
    print(json.dumps({"pictures": pictures, "side": side} | found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        figures = run(sys.argv[2], Path(sys.argv[3]))
        sys.stdout.write(json.dumps(figures | {"processor_seconds": round(time.process_time(), 1)}))
    else:
        main(*([int(value) for value in sys.argv[1:]] or [100, 1024]))
