"""Large pictures: whole at a small size against overlapping tiles, and what tiles change in the features.

Run it from the repository's top folder: python benchmarks/tiles.py draw FOLDER | pipeline FOLDER [case ...] | seams,
each with --help
`draw` writes carpets of 4,096 x 3,000 px, half of the test pictures with one defect 10 to 25 px across, as a data set
into FOLDER (minutes). `pipeline` runs the stages on it, in a folder of its own, once per case: side of the picture and
of a tile, as 448:0 or 1792:448. Processor seconds and private memory (RssAnon of /proc, Linux) are those of whole
stages, start-up included. `seams` compares overlaps, and two ways to join tiles, on carpets of 1,344 px.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from measuring import command, embedder, machine, python, started, watched, write_params
from PIL import Image

from iad import paths
from iad.config import load_params
from iad.data import carpet
from iad.detectors.patch.memory_bank import MemoryBank
from iad.features.embedder import Embedder
from iad.features.views import Tiles
from iad.words import as_markdown

WIDTH, HEIGHT = 4096, 3000
THREADS = 170  # along the width: 24 px each
WOVEN = 2048  # pixels on a side; enlarged to the width afterwards, which takes a quarter of the time
TRAIN, GOOD, DEFECTIVE = 12, 8, 12
ALPHA = 0.08  # what 12 pictures can promise
SMALLEST, LARGEST = 10, 25  # extent of a defect in pixels
WINDOWS = {"color": 100, "cut": 80, "hole": 175, "metal_contamination": 350, "thread": 40}  # px that a kind is drawn in
CASES = ("448:0", "1792:448", "2688:448")
METHOD = "patch_resnet"
STAGES = (("download",), ("preprocess",), ("extract_resnet",), ("score", METHOD), ("threshold", METHOD),
          ("evaluate",))  # fmt: skip
FIGURES = ("auroc", "auroc_low", "auroc_high", "false_alarms", "misses")
OVERLAPS = (0.0, 0.25, 0.5)  # of `seams`
SEAM_TRAIN, SEAM_TEST = 4, 2
NEAR = 2  # places on either side of a seam
PIPELINE_HEADER = [
    "picture : tile", "AUROC [95 %]", "false alarms", "misses", "pixel AUROC", "AUPRO", "extract, CPU s a picture",
    "score, CPU s a picture", "peak MiB: preprocess", "extract", "score", "evaluate",
]  # fmt: skip
SEAMS_HEADER = [
    "tiles", "overlap", "distance to one pass", "at seams", "at seams, 99 %", "nearest good patch: elsewhere",
    "at seams", "99 %: at seams / elsewhere",
]  # fmt: skip


def draw(folder: Path, smaller: int) -> None:
    """Write the data set in MVTec layout, as JPEG with masks as PNG; pictures so many times smaller."""
    carpet.MOST_THREADS = THREADS // smaller
    width, height = WIDTH // smaller, HEIGHT // smaller
    for stream, (split, count) in enumerate((("train/good", TRAIN), ("test/good", GOOD), ("test/defect", DEFECTIVE))):
        for index in range(count):
            woven = Image.fromarray(carpet.draw(0, stream, index, WOVEN // smaller, None)[0])
            picture = np.asarray(woven.resize((width, width), Image.Resampling.BICUBIC))[:height]
            name = f"{index:03d}"
            if split == "test/defect":
                picture, mask = with_defect(picture, np.random.default_rng((1, index)))
                target = folder / "ground_truth/defect" / f"{name}_mask.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask * 255).save(target)
            (folder / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / split / f"{name}.jpg", quality=95)
            print(f"{split}/{name}", flush=True)


def with_defect(picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The picture with one small defect, and its mask, uint8 `(H, W)`."""
    while True:
        kind = str(rng.choice(sorted(WINDOWS)))
        side = WINDOWS[kind]
        top, left = (int(rng.integers(0, extent - side)) for extent in picture.shape[:2])
        before = picture[top : top + side, left : left + side].astype(np.float32)
        steps = (np.arange(side, dtype=np.float32) + 0.5) / side
        after = carpet.DEFECTS[kind](before, (steps[:, None], steps[None, :]), rng)
        changed = np.abs(after - before).max(axis=2) >= carpet.VISIBLE
        extent = max((np.ptp(places) + 1 for places in np.nonzero(changed) if len(places)), default=0)
        if SMALLEST <= extent <= LARGEST:
            break
    found, mask = picture.copy(), np.zeros(picture.shape[:2], np.uint8)
    found[top : top + side, left : left + side] = np.clip(np.rint(after), 0, 255).astype(np.uint8)
    mask[top : top + side, left : left + side] = changed
    return found, mask


@dataclass(frozen=True)
class Cost:
    """Of one stage: seconds of processor time, of all its threads, and the peak of its private memory in MiB."""

    seconds: float
    mib: float


def measured(words: list[str], folder: Path) -> Cost:
    """Run a command and watch it."""
    began = processor_seconds()
    _, peak = watched(words, folder)
    return Cost(processor_seconds() - began, peak)


def processor_seconds() -> float:
    """Of all children that ended; unlike wall time it hardly depends on what else runs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pipeline(data: Path, cases: Sequence[str]) -> None:
    """Run the stages once per case and print a table."""
    rows = []
    for case in cases:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            project(folder, data, *(int(part) for part in case.split(":")))
            costs = {}
            for stage in STAGES:
                costs[stage[0]] = measured(python("-m", "iad", *stage), folder)
                print(
                    f"{case:10} {stage[0]:15} {costs[stage[0]].seconds:7.1f} s {costs[stage[0]].mib:6.0f} MiB",
                    flush=True,
                )
            found = json.loads((folder / paths.METRICS / f"{METHOD}.json").read_text())
            report = json.loads((folder / paths.REPORT).read_text())
            (gallery,) = (folder / paths.GALLERIES).glob("*.png")
            shutil.copy(gallery, data.parent / f"gallery_{case.replace(':', '_')}.png")
        pixels = report["methods"][METHOD]["pixels"]
        print(json.dumps({"case": case, "metrics": found, "pixels": pixels}), flush=True)
        rows.append(row_of(case, costs, found, pixels))
    print(as_markdown(PIPELINE_HEADER, rows))


def row_of(case: str, costs: dict[str, Cost], found: dict[str, float], pixels: dict[str, Any]) -> list[str]:
    """One line of the table."""
    auroc, low, high, alarms, misses = (found[name] for name in FIGURES)
    each = (
        costs["extract_resnet"].seconds / (TRAIN + GOOD + DEFECTIVE),
        costs["score"].seconds / (TRAIN + GOOD + DEFECTIVE),
    )
    peaks = [f"{costs[stage].mib:.0f}" for stage in ("preprocess", "extract_resnet", "score", "evaluate")]
    shown = ["-" if pixels.get(name) is None else f"{pixels[name]:.4f}" for name in ("auroc", "aupro")]
    return [case, f"{auroc:.3f} [{low:.3f}, {high:.3f}]", f"{alarms} of {GOOD}", f"{misses} of {DEFECTIVE}", *shown,
            *(f"{seconds:.1f}" for seconds in each), *peaks]  # fmt: skip


def project(folder: Path, data: Path, size: int, tile: int) -> None:
    """Parameters of that data set, with one method."""
    shutil.copytree(data, folder / paths.DATA / "large")
    write_params(folder, {
        "data": {"source": "folder", "category": "large"}, "preprocess": {"image_size": size},
        "resnet": {"patches": {"tile": tile}}, "hybrids": {}, "threshold": {"alpha": ALPHA},
        "methods": {METHOD: {"detector": "patch", "reads": "extract_resnet", "params": "patch"}},
    })  # fmt: skip


@dataclass(frozen=True)
class BothWays(Tiles):
    """Tiles stitched as the package does and, beside that, mixed with weights that fall towards a tile's border."""

    def stitch(self, parts: np.ndarray, start: int, patches: np.ndarray) -> None:
        """Fill `(N, H, W, 2 D)`; what is mixed comes last, and begins as zeros."""
        places, length = parts.shape[1], parts.shape[3]
        super().stitch(parts, start, patches[..., :length])
        ramp = np.minimum(np.arange(places) + 0.5, places - np.arange(places) - 0.5)
        firsts = [origin * places // self.side for origin in self.origins]
        total = np.zeros(self.grid(places))
        for first in firsts:
            total[first : first + places] += ramp
        lines = [(slice(first, first + places), ramp / total[first : first + places]) for first in firsts]
        for number, part in enumerate(parts, start):
            row, column = divmod(number % self.count, len(self.origins))
            weights = lines[row][1][:, None] * lines[column][1]  # (h, w); all weights of a place sum to 1
            patches[number // self.count, lines[row][0], lines[column][0], length:] += part * weights[:, :, None]


def seams(size: int, tile: int) -> None:
    """Features by tiles against those of one pass, and distances of good pictures at seams against elsewhere."""
    carpet.MOST_THREADS = max(carpet.FEWEST_THREADS, THREADS * size // WIDTH)
    images = np.stack([carpet.draw(0, 0, index, size, None)[0] for index in range(SEAM_TRAIN + SEAM_TEST)])
    params = load_params()
    runtime = started(params)

    def network(side: int, overlap: float) -> Embedder:
        kept = params.options("resnet").patches.model_copy(update={"tile": side, "overlap": overlap})
        return embedder(
            params, "resnet", size, runtime=runtime, parts=("patches",), batch_size=4, patches=kept, attribution=False
        )

    expected = embedded(network(0, 0.0), images, 1)
    rows = []
    for overlap in OVERLAPS:
        tiled = network(tile, overlap)
        tiles, length = tiled.tiles, tiled.shapes["patches"][2]
        patches = expected.shape[1] * tile // size  # along a side of a tile
        tiled.tiles = BothWays(tiles.side, tiles.origins)
        found = embedded(tiled, images, 2)
        ways = {"nearest centre": found[..., :length], "mixed": found[..., length:]}
        for name, joined in ways.items() if overlap else [("side by side", ways["nearest centre"])]:
            text = f"{len(tiles.origins)} x {len(tiles.origins)}, {name}"
            rows.append(row_of_seams(text, joined, expected, tiles, patches))
            print(rows[-1], flush=True)
        same = f"one pass, at the same patches as {tiles.origins}"
        rows.append(row_of_seams(same, expected, expected, tiles, patches))
    print(as_markdown(SEAMS_HEADER, rows))


def embedded(network: Embedder, images: np.ndarray, columns: int) -> np.ndarray:
    """Patch embeddings, float32 `(N, h, w, columns * D)`, for tiles that fill so many columns of each."""
    height, width, length = network.shapes["patches"]
    patches = np.zeros((len(images), height, width, columns * length), np.float32)
    network.embed_into(images, {"patches": patches})
    return patches


def row_of_seams(name: str, found: np.ndarray, expected: np.ndarray, tiles: Tiles, places: int) -> list[str]:
    """One line: Euclidean distances, of features whose layers have unit length each."""
    bank = MemoryBank(found[:SEAM_TRAIN])
    maps = bank.distance_maps(found[SEAM_TRAIN:], num_neighbors=1)
    apart = np.linalg.norm(found - expected, axis=3)
    firsts = [origin * places // tiles.side for origin in tiles.origins]
    at = np.zeros(found.shape[1], bool)
    for first, after in pairwise(firsts):
        middle = (first + after + places) // 2
        at[middle - NEAR : middle + NEAR] = True
    seam = at[:, None] | at
    overlap = (firsts[0] + places - firsts[1]) / places
    ratio = np.quantile(maps[:, seam], 0.99) / np.quantile(maps[:, ~seam], 0.99)
    return [name, f"{overlap:.2f}", f"{apart.mean():.4f}", f"{apart[:, seam].mean():.4f}",
            f"{np.quantile(apart[:, seam], 0.99):.4f}", f"{maps[:, ~seam].mean():.4f}", f"{maps[:, seam].mean():.4f}",
            f"{ratio:.3f}"]  # fmt: skip


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parts = parser.add_subparsers(dest="part", required=True)
    drawn = parts.add_parser("draw", help="write the data set")
    drawn.add_argument("folder", type=Path)
    drawn.add_argument("--smaller", type=int, default=1, help="by which factor, at most 8 (default: 1)")
    run = parts.add_parser("pipeline", help="run the stages on it")
    run.add_argument("folder", type=Path)
    run.add_argument("cases", nargs="*", default=CASES, help=f"side:tile (default: {' '.join(CASES)})")
    compared = parts.add_parser("seams", help="compare features at the seams of tiles")
    compared.add_argument("--size", type=int, default=1344, help="side of the pictures in pixels (default: 1344)")
    compared.add_argument("--tile", type=int, default=448, help="of a tile (default: 448)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the three parts."""
    asked = options().parse_args(arguments)
    print(machine("torch", "timm"))
    if asked.part == "draw":
        draw(asked.folder, asked.smaller)
    elif asked.part == "pipeline":
        pipeline(asked.folder, asked.cases)
    else:
        seams(asked.size, asked.tile)


if __name__ == "__main__":
    main()
