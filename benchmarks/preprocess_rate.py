"""How much of Pillow's own decoding rate the stage `preprocess` reaches, on the 2,624 cells of ELPV at 224 px.

Run it from the repository's top folder: python benchmarks/preprocess_rate.py [rounds] [pictures]
The bare rate is a thread pool that decodes, converts and resizes bytes already in memory and keeps nothing; the stage
reads the same bytes from its archive, checks them and writes the arrays. Both use all cores; the rounds alternate, and
the fastest of each are compared. Where other work shares the machine, the processor time says more than the clock. The
last line is JSON.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measuring import command, machine
from PIL import Image

from iad import paths
from iad.compute import usable_cores
from iad.data.arrays import build_arrays
from iad.data.packing import write_originals
from iad.data.sources import load_pictures

SIZE = 224
TARGET = 0.85


def decode_bare(data: bytes) -> None:
    """What Pillow alone needs for one picture."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)


def decode_bare_grey(data: bytes) -> None:
    """The same, with the three channels made last, as the stage does for grey pictures."""
    image = Image.open(io.BytesIO(data))
    image.resize((SIZE, SIZE), Image.Resampling.BILINEAR).convert("RGB")


def cost(work: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and processor seconds of one call, all threads together."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("rounds", nargs="?", type=int, default=5, help="default: 5")
    parser.add_argument("pictures", nargs="?", type=int, help="at most (default: all 2,624)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, alternating, and print the fastest rounds."""
    asked = options().parse_args(arguments)
    rounds, cores, source = asked.rounds, usable_cores(), {"train_share": 0.7, "doubtful": "anomalous"}
    print(machine("pillow"))
    pictures = load_pictures("elpv", "all", seed=0, options=source, root=paths.DATA)[: asked.pictures]
    contents = [picture.read() for picture in pictures]
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(cores) as pool:
        folder = Path(name)
        archive, arrays = folder / "images.zip", (folder / "images.npy", folder / "masks.npy")
        manifest = write_originals(pictures, archive, folder / "raw.parquet", max_megapixels=100, allow_shared=False)
        work = {
            "bare": lambda: list(pool.map(decode_bare, contents)),
            "bare_grey": lambda: list(pool.map(decode_bare_grey, contents)),
            "stage": lambda: build_arrays(archive, manifest, *arrays, size=SIZE),
        }
        costs: dict[str, list[tuple[float, float]]] = {what: [] for what in work}
        for _ in range(rounds):
            for what, call in work.items():
                costs[what].append(cost(call))
    rates = {what: len(contents) / min(wall for wall, _ in taken) for what, taken in costs.items()}
    processor = {what: min(used for _, used in taken) / len(contents) * 1e3 for what, taken in costs.items()}
    report(rates, processor, f"{cores} cores, {len(contents)} pictures, best of {rounds} rounds")


def report(rates: dict[str, float], processor: dict[str, float], setting: str) -> None:
    """Print the line for people, then the one for programs."""
    names = {"bare": "Pillow", "bare_grey": "Pillow with grey kept grey", "stage": "stage"}
    parts = [f"{names[what]} {rates[what]:.0f}/s at {processor[what]:.2f} ms of processor" for what in names]
    share, share_processor = rates["stage"] / rates["bare"], processor["bare"] / processor["stage"]
    print(f"{setting}: {'; '.join(parts)}")
    print(f"stage / Pillow: {share:.0%} by the clock, {share_processor:.0%} by processor time; wanted: {TARGET:.0%}")
    numbers = {f"{what}_per_s": round(rate, 1) for what, rate in rates.items()}
    numbers |= {f"{what}_processor_ms": round(used, 3) for what, used in processor.items()}
    print(json.dumps({"size": SIZE, **numbers, "share": round(share, 3), "share_processor": round(share_processor, 3)}))


if __name__ == "__main__":
    main()
