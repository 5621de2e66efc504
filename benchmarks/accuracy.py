"""AUROC on ELPV mono over five split seeds, and what the autoencoder's training and scoring bring.

Run it after `make repro`, from the repository's top folder: python benchmarks/accuracy.py [seeds] [autoencoder seeds]
The embeddings of all cells are read from stages/ and split anew for each seed; the autoencoder is trained anew for each
of its seeds (0: not at all). The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import numpy as np
from measuring import BACKBONES, Run, command, machine, maps_of, started

from iad import paths
from iad.config import Params, load_params
from iad.data.manifest import split_good
from iad.detectors.aggregation import aggregate_maps
from iad.detectors.autoencoder import Training
from iad.detectors.autoencoder.detector import Detector as Autoencoder
from iad.detectors.base import State
from iad.detectors.embeddings import Embeddings
from iad.detectors.knn.detector import Detector as Knn
from iad.metrics.image import auroc
from iad.neighbors.rows import RowView


def split(seed: int, run: Run, params: Params) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows, test rows and test labels of the ELPV split with this seed."""
    labels, ids = np.asarray(run.manifest["label"]), np.asarray(run.manifest["image_id"])
    splits = split_good(ids[labels == 0], params.data.elpv.train_share, seed)
    trains = np.array([splits.get(image_id) == "train" for image_id in ids])
    return np.flatnonzero(trains), np.flatnonzero(~trains), labels[~trains]


def area(labels: np.ndarray, scores: np.ndarray) -> float:
    """AUROC; NaN where one class is missing."""
    found = auroc(labels, np.asarray(scores, dtype=np.float64))
    return float("nan") if found is None else found


def neighbours(run: Run, params: Params, seeds: int) -> dict[str, list[float]]:
    """AUROC of each kNN method for each split seed."""
    found: dict[str, list[float]] = {name: [] for name in BACKBONES}
    for seed in range(seeds):
        train, test, labels = split(seed, run, params)
        for name, folder in BACKBONES.items():
            pooled = run.array(folder / paths.FEATURES)
            detector = Knn(params.method).fit(pooled[train])
            found[name].append(area(labels, detector.predict(pooled[test]).pred_score))
    return found


def reconstruction(run: Run, params: Params, seed: int) -> dict[str, float]:
    """AUROC of the trained and the untrained autoencoder, each way of scoring, and of mean brightness."""
    train, test, labels = split(seed, run, params)
    images = run.array(paths.IMAGES)
    good, pictures = RowView(images, train), RowView(images, test)
    brightness = area(labels, images[test].mean(axis=(1, 2, 3)))
    found = {"mean brightness, the better direction": max(brightness, 1 - brightness)}
    untrained = network(good, params.ae.model_copy(update={"epochs": 0}), params, seed)
    found |= scored("untrained", untrained.trained(), good, pictures, labels, params)
    trained = network(good, params.ae, params, seed)
    last = [epoch.validation_loss for epoch in trained.history[-5:]]
    print(f"  early-stopping loss of the last epochs: {', '.join(f'{loss:.5f}' for loss in last)}", flush=True)
    return found | scored("trained", trained.trained(), good, pictures, labels, params)


def network(good: RowView, training: Training, params: Params, seed: int) -> Autoencoder:
    """An autoencoder whose network was trained on good pictures."""
    made = Autoencoder(params.reconstruction, seed=seed, runtime=started(params), training=training)
    return made.train(Embeddings(pixels=good))


def scored(
    title: str, trained: State, good: RowView, pictures: RowView, labels: np.ndarray, params: Params
) -> dict[str, float]:
    """AUROC of one network for each way of scoring."""
    found = {}
    for normalize, name in ((False, "raw"), (True, "normalized")):
        options = params.reconstruction.model_copy(update={"normalize": normalize})
        detector = Autoencoder(options, runtime=started(params), batch_size=params.compute.batch_size).resume(trained)
        maps = maps_of(detector.fit(Embeddings(pixels=good)).predict(Embeddings(pixels=pictures)))
        for aggregate in ("mean", "top"):
            scores = aggregate_maps(maps, aggregate=aggregate, top_share=options.top_share)
            found[f"{title}, {name}, {aggregate}"] = area(labels, scores)
    return found


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("seeds", nargs="?", type=int, default=5, help="of the split, for kNN (default: 5)")
    parser.add_argument("ae_seeds", nargs="?", type=int, default=2, help="for the autoencoder (default: 2)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table per part."""
    asked = options().parse_args(arguments)
    params, run = load_params(), Run()
    print(f"{machine('torch')}\n")
    found = neighbours(run, params, asked.seeds)
    for name, values in found.items():
        print(f"{name:8} {np.mean(values):.4f}  of {', '.join(f'{value:.4f}' for value in values)}", flush=True)
    runs = [reconstruction(run, params, seed) for seed in range(asked.ae_seeds)]
    table = {name: [one[name] for one in runs] for name in (runs[0] if runs else {})}
    for name, values in table.items():
        print(f"{name:40} {np.mean(values):.4f}  of {', '.join(f'{value:.4f}' for value in values)}")
    print(json.dumps(found | table))


if __name__ == "__main__":
    main()
