"""A dot of 6 px in carpets of 2,048 px: found with tiles and lost without, by the default CNN and transformer.

Run it from the repository's top folder, environment active: python benchmarks/dot.py [case ...] [--good 20 --bad 10]
A case is backbone:side:tile, as resnet:448:0 (the whole picture, reduced to 448 px) or vit:2016:448; a transformer
wants sides that are multiples of 14. Half of the good carpets make the bank, the other half is compared with those that
have a dot. Each case runs in a process of its own, with one thread; pictures per processor second are those of the
network, and private memory is RssAnon of /proc (Linux), sampled. A dot is found if the map is highest within 1.5 % of
the side around it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

import numpy as np
from measuring import command, embedder, machine, python, started, watched
from PIL import Image

from iad.config import load_params
from iad.data import carpet
from iad.detectors.patch import Options
from iad.detectors.patch.detector import Detector
from iad.metrics.image import auroc
from iad.words import as_markdown

SIDE, WOVEN = (
    2048,
    1024,
)  # of the carpets, and as they are woven: enlarged afterwards, which takes a quarter of the time
DOT, DARKER, NEAR = 6, 90, 0.015
THREADS = 85  # along a side: 24 px each
CASES = ("resnet:448:0", "resnet:2048:448", "vit:448:0", "vit:2016:448")
HEADER = [
    "backbone",
    "picture",
    "tile",
    "tiles",
    "AUROC",
    "dots found",
    "pictures / CPU s",
    "search, CPU s each",
    "MiB",
]


def drawn(good: int, bad: int, side: int) -> tuple[list[np.ndarray], list[tuple[float, float]]]:
    """Carpets at this side, the good ones first, and where each dot is, as a share of the side."""
    carpet.MOST_THREADS = THREADS
    rng, pictures, places = np.random.default_rng(0), [], []
    for index in range(good + bad):
        woven = Image.fromarray(carpet.draw(0, 0, index, WOVEN, None)[0]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture = np.asarray(woven).astype(np.int16)
        if index >= good:
            row, column = rng.integers(SIDE // 8, SIDE - SIDE // 8, 2).tolist()
            steps = np.arange(DOT) - (DOT - 1) / 2
            disc = (steps[:, None] ** 2 + steps**2 <= (DOT / 2) ** 2)[..., None]
            picture[row : row + DOT, column : column + DOT] -= DARKER * disc
            places.append(((row + DOT / 2) / SIDE, (column + DOT / 2) / SIDE))
        whole = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
        pictures.append(np.asarray(whole.resize((side, side), Image.Resampling.BOX if side < SIDE // 2 else 3)))
    return pictures, places


def measure(case: str, good: int, bad: int) -> dict[str, float]:
    """One case, in this process."""
    section, side, tile = case.split(":")
    params = load_params()
    params = params.model_copy(update={"compute": params.compute.model_copy(update={"threads": 1})})
    pictures, places = drawn(good, bad, int(side))
    patches = params.options(section).patches.model_copy(update={"tile": int(tile)})  # type: ignore[attr-defined]
    network = embedder(
        params, section, int(side), runtime=started(params), parts=("patches",), batch_size=8, patches=patches,
        attribution=False,
    )  # fmt: skip
    begin = time.process_time()
    found = network.embed(pictures)["patches"]
    extracted, bank = time.process_time(), good // 2
    said = Detector(Options()).fit(found[:bank]).predict(found[bank:])
    ended, labels = time.process_time(), np.arange(bank, good + bad) >= good
    maps = said.anomaly_map[good - bank :]
    hits = [is_near(one, place) for one, place in zip(maps, places, strict=True)]
    return {
        "tiles": network.tiles.count, "auroc": auroc(labels.astype(int), said.pred_score), "found": sum(hits),
        "rate": len(pictures) / (extracted - begin), "search": (ended - extracted) / len(labels),
    }  # fmt: skip


def is_near(anomaly_map: np.ndarray, place: tuple[float, float]) -> bool:
    """Whether the highest value of a map lies at a place, given as shares of its sides."""
    highest = (np.array(np.unravel_index(anomaly_map.argmax(), anomaly_map.shape)) + 0.5) / anomaly_map.shape
    within = NEAR + 0.5 / min(anomaly_map.shape)
    return bool(np.abs(highest - place).max() <= within)


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("cases", nargs="*", default=CASES, help=f"backbone:side:tile (default: {' '.join(CASES)})")
    parser.add_argument("--good", type=int, default=20, help="carpets without a dot (default: 20)")
    parser.add_argument("--bad", type=int, default=10, help="carpets with one (default: 10)")
    parser.add_argument("--here", action="store_true", help="run the case in this process, and print JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every case and print a table."""
    asked = options().parse_args(arguments)
    if asked.here:
        print(json.dumps(measure(asked.cases[0], asked.good, asked.bad)))
        return
    print(machine("torch", "timm", cores=1))
    rows = []
    for case in asked.cases:
        counts = ["--good", str(asked.good), "--bad", str(asked.bad)]
        printed, peak = watched(python(sys.argv[0], case, "--here", *counts))
        found = json.loads(printed.splitlines()[-1])
        section, side, tile = case.split(":")
        rows.append([
            section, f"{side} px", tile, str(found["tiles"]), f"{found['auroc']:.3f}",
            f"{found['found']} of {asked.bad}", f"{found['rate']:.2f}", f"{found['search']:.1f}", f"{peak:.0f}",
        ])  # fmt: skip
        print(rows[-1], flush=True)
    print(as_markdown(HEADER, rows))


if __name__ == "__main__":
    main()
