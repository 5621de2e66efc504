"""AUROC on ELPV mono over five split seeds, and what the autoencoder's training and scoring bring.

Run it after `make repro`, from the repository's top folder: python benchmarks/accuracy.py [seeds] [autoencoder seeds]
The frozen backbones' features of all cells are read from stages/ and split anew for each seed; the autoencoder is
trained anew for each of its seeds. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import numpy as np
from sklearn.metrics import roc_auc_score

from iad import compute, paths
from iad.config import Params, load_params
from iad.data.manifest import split_good
from iad.detectors.aggregation import aggregate_maps
from iad.detectors.autoencoder.network import Autoencoder, build_autoencoder, error_maps
from iad.detectors.autoencoder.reconstruction import anomaly_maps, cell_means, good_errors
from iad.detectors.autoencoder.training import HeldOut, Training, hold_out, train_autoencoder
from iad.detectors.knn.search import knn_scores
from iad.io import open_array, read_table

METHODS = {"resnet": paths.EXTRACT_RESNET, "vit": paths.EXTRACT_VIT}


def split(seed: int, params: Params) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows, test rows and test labels of the ELPV split with this seed."""
    manifest = read_table(paths.MANIFEST)
    labels = manifest["label"].to_numpy()
    splits = split_good(manifest["image_id"][labels == 0], params.data.elpv.train_share, seed)
    trains = np.array([splits.get(image_id) == "train" for image_id in manifest["image_id"]])
    return np.flatnonzero(trains), np.flatnonzero(~trains), labels[~trains]


def neighbours(params: Params, seeds: int) -> dict[str, list[float]]:
    """AUROC of each kNN method for each split seed."""
    method = params.method
    found: dict[str, list[float]] = {name: [] for name in METHODS}
    for seed in range(seeds):
        train, test, labels = split(seed, params)
        for name, folder in METHODS.items():
            features = open_array(folder / paths.FEATURES)
            scores = knn_scores(
                features[train], features[test],
                k=method.k, metric=method.metric, standardize=method.standardize, aggregate=method.aggregate,
            )  # fmt: skip
            found[name].append(float(roc_auc_score(labels, scores)))
    return found


def reconstruction(params: Params, seed: int) -> dict[str, float]:
    """AUROC of the trained and the untrained autoencoder, each way of scoring, and of mean brightness."""
    train, test, labels = split(seed, params)
    images = open_array(paths.IMAGES)
    runtime = compute.start(device="auto", precision="auto", threads=0, seed=seed)
    ae = params.ae
    rows = hold_out(train, early_stopping=ae.held_out.early_stopping, calibration=ae.held_out.calibration, seed=seed)
    brightness = images[test].mean(axis=(1, 2, 3))
    auroc = float(roc_auc_score(labels, brightness))
    found = {"mean brightness, the better direction": max(auroc, 1 - auroc)}
    model = build_autoencoder(ae.width, ae.latent_channels, image_size=images.shape[1], seed=seed)
    found |= scored("untrained", model, images, rows, test, labels, params, runtime)
    settings = Training(ae.epochs, ae.patience, ae.batch_size, ae.learning_rate, ae.augment, seed)
    model, history = train_autoencoder(model, images, rows, settings, runtime, lambda _: None)
    last = [epoch.validation_loss for epoch in history[-5:]]
    print(f"  early-stopping loss of the last epochs: {', '.join(f'{loss:.5f}' for loss in last)}", flush=True)
    return found | scored("trained", model, images, rows, test, labels, params, runtime)


def scored(
    title: str,
    model: Autoencoder,
    images: np.ndarray,
    rows: HeldOut,
    test: np.ndarray,
    labels: np.ndarray,
    params: Params,
    runtime: compute.Runtime,
) -> dict[str, float]:
    """AUROC of one network for each way of scoring."""

    def maps(chosen: np.ndarray) -> Iterator[np.ndarray]:
        errors = error_maps(model, images, chosen, runtime, params.compute.batch_size, title)
        return cell_means(errors, params.reconstruction.cell)

    usual, errors = good_errors(maps(rows.train)), list(maps(test))
    share = params.reconstruction.top_share
    return {
        f"{title}, {'normalized' if good else 'raw'}, {aggregate}": float(
            roc_auc_score(labels, aggregate_maps(anomaly_maps(errors, good), aggregate=aggregate, top_share=share))
        )
        for good in (None, usual)
        for aggregate in ("mean", "top")
    }  # fmt: skip


def main(seeds: int, ae_seeds: int) -> None:
    """Measure and print a table per part."""
    params = load_params()
    found = neighbours(params, seeds)
    for name, values in found.items():
        print(f"{name:8} {np.mean(values):.4f}  of {', '.join(f'{value:.4f}' for value in values)}", flush=True)
    runs = [reconstruction(params, seed) for seed in range(ae_seeds)]
    table = {name: [run[name] for run in runs] for name in (runs[0] if runs else {})}
    for name, values in table.items():
        print(f"{name:40} {np.mean(values):.4f}  of {', '.join(f'{value:.4f}' for value in values)}")
    print(json.dumps(found | table))


if __name__ == "__main__":
    main(*(int(value) for value in (sys.argv[1:] + ["5", "2"][len(sys.argv) - 1 :])))
