"""A folder as `preprocess` leaves it: tiny parameters, random pictures and their manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iad import paths
from iad.data.manifest import write_manifest
from iad.io import new_array, write_json
from tests.conftest import set_params


def write_prepared(template: Path, folder: Path, *, calibration: int = 0, side: int = 32, **overlay: dict) -> None:
    """Write 12 good training pictures, `calibration` good ones set apart, and 4 good and 5 defective ones to test.

    The rows of the splits are mixed, so that a stage which takes the first rows for the training pictures is seen.
    Defective pictures hold a white square on dark noise.
    """
    rng = np.random.default_rng(0)
    split = np.array(["train"] * 12 + ["calibration"] * calibration + ["test"] * 9, dtype=object)
    label = np.array([0] * (len(split) - 5) + [1] * 5)
    order = rng.permutation(len(split))
    split, label = split[order], label[order]
    with new_array(folder / paths.IMAGES, (len(split), side, side, 3), np.uint8) as images:
        images[:] = rng.integers(40, 100, images.shape)
        images[label == 1, 8:20, 8:20] = 255
    columns = {
        "image_id": [f"{row:03d}.png" for row in range(len(split))],
        "split": split,
        "label": label,
        "defect": np.where(label == 1, "spot", "good").astype(object),
        "mask": np.full(len(split), None),
        "width": np.full(len(split), side),
        "height": np.full(len(split), side),
        "sha256": np.full(len(split), "0" * 64, dtype=object),
    }
    write_manifest(folder / paths.MANIFEST, columns)
    exact = {"compute": {"precision": "fp32", "threads": 1, "batch_size": 4}}
    set_params(template / paths.PARAMS, folder / paths.PARAMS, exact | overlay)


def write_features(folder: Path, source: Path, dimensions: int = 6) -> np.ndarray:
    """Write random features and their record to the folder of an extract stage, and return the features."""
    rows = len(np.load(folder / paths.IMAGES, mmap_mode="r"))
    with new_array(folder / source / paths.FEATURES, (rows, dimensions), np.float32) as features:
        features[:] = np.random.default_rng(1).normal(size=features.shape)
        written = features.copy()
    record = {"name": "net", "weights_sha256": "0" * 64, "runtime": {"device": "cpu", "precision": "bf16"}}
    write_json(folder / source / paths.BACKBONE_RECORD, record)
    return written
