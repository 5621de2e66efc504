"""Large pictures: whole at a small size against overlapping tiles, and what tiles change in the features.

Run it from the repository's top folder: python benchmarks/tiles.py draw FOLDER | pipeline FOLDER [case ...] | seams
`draw` writes carpets of 4,096 x 3,000 px, half of the test pictures with one defect 10 to 25 px across, as a data set
into FOLDER (minutes). `pipeline` runs the stages on it, in a folder of its own, once per case: side of the picture and
of a tile, as 448:0 or 1792:448. Processor seconds and private memory (RssAnon of /proc, Linux) are those of whole
stages, start-up included. `seams` compares overlaps, and two ways to join tiles, on carpets of 1,344 px.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from memory import peak_mib
from PIL import Image
from ruamel.yaml import YAML

from iad import compute
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
STAGES = (("download",), ("preprocess",), ("extract_resnet",), ("score", "patch_resnet"), ("threshold", "patch_resnet"),
          ("evaluate",))  # fmt: skip
FIGURES = ("auroc", "auroc_low", "auroc_high", "false_alarms", "misses")
SIZE, TILE, OVERLAPS = 1344, 448, (0.0, 0.25, 0.5)  # of `seams`
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


def draw(folder: Path) -> None:
    """Write the data set in MVTec layout, as JPEG with masks as PNG."""
    carpet.MOST_THREADS = THREADS
    for stream, (split, count) in enumerate((("train/good", TRAIN), ("test/good", GOOD), ("test/defect", DEFECTIVE))):
        for index in range(count):
            woven = Image.fromarray(carpet.draw(0, stream, index, WOVEN, None)[0])
            picture = np.asarray(woven.resize((WIDTH, WIDTH), Image.Resampling.BICUBIC))[:HEIGHT]
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


def measured(command: list[str], folder: Path) -> Cost:
    """Run a command and watch it."""
    began = processor_seconds()
    peak = peak_mib(command, folder)
    return Cost(processor_seconds() - began, peak)


def processor_seconds() -> float:
    """Of all children that ended; unlike wall time it hardly depends on what else runs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pipeline(data: Path, cases: list[str]) -> None:
    """Run the stages once per case and print a table."""
    rows = []
    for case in cases:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            project(folder, data, *(int(part) for part in case.split(":")))
            costs = {}
            for stage in STAGES:
                costs[stage[0]] = measured([sys.executable, "-m", "iad", *stage], folder)
                print(
                    f"{case:10} {stage[0]:15} {costs[stage[0]].seconds:7.1f} s {costs[stage[0]].mib:6.0f} MiB",
                    flush=True,
                )
            found = json.loads((folder / "metrics/patch_resnet.json").read_text())
            report = json.loads((folder / "plots/report.json").read_text())
            (gallery,) = (folder / "plots/galleries").glob("*.png")
            shutil.copy(gallery, data.parent / f"gallery_{case.replace(':', '_')}.png")
        pixels = report["methods"]["patch_resnet"]["pixels"]
        print(json.dumps({"case": case, "metrics": found, "pixels": pixels}), flush=True)
        rows.append(row_of(case, costs, found, pixels))
    print(as_markdown(PIPELINE_HEADER, rows))


def row_of(case: str, costs: dict[str, Cost], found: dict[str, float], pixels: dict[str, object]) -> list[str]:
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
    """A copy of this project on that data set, with one method."""
    shutil.copytree("iad", folder / "iad")
    (folder / "data").mkdir()
    (folder / "data/large").symlink_to(data.resolve())
    yaml = YAML()
    values = yaml.load(Path("params.yaml"))
    values["data"] |= {"source": "folder", "category": "large"}
    values["preprocess"]["image_size"] = size
    values["resnet"]["patches"]["tile"] = tile
    values["methods"] = {"patch_resnet": values["methods"]["patch_resnet"]}
    values["hybrids"] = {}
    values["threshold"]["alpha"] = ALPHA
    yaml.dump(values, folder / "params.yaml")


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


def seams() -> None:
    """Features by tiles against those of one pass, and distances of good pictures at seams against elsewhere."""
    carpet.MOST_THREADS = THREADS * SIZE // WIDTH
    images = np.stack([carpet.draw(0, 0, index, SIZE, None)[0] for index in range(SEAM_TRAIN + SEAM_TEST)])
    chosen = load_params().resnet
    runtime = compute.start(device="cpu", precision="auto", threads=0, seed=0)

    def embedder_of(tile: int, overlap: float) -> Embedder:
        patches = chosen.patches.model_copy(update={"tile": tile, "overlap": overlap})
        options = chosen.model_copy(update={"patches": patches})
        return Embedder(options, SIZE, parts=("patches",), batch_size=4, runtime=runtime)

    def extract(embedder: Embedder, columns: int) -> np.ndarray:
        height, width, length = embedder.shapes["patches"]
        patches = np.zeros((len(images), height, width, columns * length), np.float32)
        embedder.embed_into(images, {"patches": patches})
        return patches

    expected = extract(embedder_of(0, 0.0), 1)
    rows = []
    for overlap in OVERLAPS:
        tiled = embedder_of(TILE, overlap)
        tiles, length = tiled.tiles, tiled.shapes["patches"][2]
        places = expected.shape[1] * TILE // SIZE  # along a side of a tile
        tiled.tiles = BothWays(tiles.side, tiles.origins)
        found = extract(tiled, 2)
        ways = {"nearest centre": found[..., :length], "mixed": found[..., length:]}
        for name, patches in ways.items() if overlap else [("side by side", ways["nearest centre"])]:
            text = f"{len(tiles.origins)} x {len(tiles.origins)}, {name}"
            rows.append(row_of_seams(text, patches, expected, tiles, places))
            print(rows[-1], flush=True)
        rows.append(row_of_seams(f"one pass, at the same places as {tiles.origins}", expected, expected, tiles, places))
    print(as_markdown(SEAMS_HEADER, rows))


def row_of_seams(name: str, found: np.ndarray, expected: np.ndarray, tiles: Tiles, places: int) -> list[str]:
    """One line: Euclidean distances, of features whose layers have unit length each."""
    bank = MemoryBank(found[:SEAM_TRAIN])
    maps = bank.distance_maps(found[SEAM_TRAIN:], k=1, title="good pictures")
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


def main(arguments: list[str]) -> None:
    """Run one of the three parts."""
    match arguments:
        case ["draw", folder]:
            draw(Path(folder))
        case ["pipeline", folder, *cases]:
            pipeline(Path(folder), cases or list(CASES))
        case ["seams"]:
            seams()
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
