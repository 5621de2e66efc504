"""The autoencoder and its reconstruction errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file

from iad import paths
from iad.data.manifest import rows_of
from iad.detectors.aggregation import aggregate_maps
from iad.detectors.autoencoder.network import build_autoencoder, error_maps
from iad.detectors.autoencoder.reconstruction import anomaly_maps, cell_means, good_errors
from iad.io import Table, open_array, read_json, read_table
from iad.config import Params
from iad.stages._compute import start_compute
from iad.stages.scorers import AnomalyMaps, Scores


def compute(params: Params, manifest: Table, source: Path) -> Scores:
    """Score by reconstruction error; the calibration pictures neither trained the network nor stopped it."""
    batch_size, runtime = params.compute.batch_size, start_compute(params)
    settings: dict[str, Any] = {
        "cell": params.reconstruction.cell,
        "normalize": params.reconstruction.normalize,
        "aggregate": params.reconstruction.aggregate,
        "top_share": params.reconstruction.top_share,
    }
    record, images = read_json(source / paths.AE_RECORD.name), open_array(paths.IMAGES)
    held_out = read_table(source / paths.AE_HELD_OUT.name)
    model = build_autoencoder(record["width"], record["latent_channels"], image_size=images.shape[1])
    model.load_state_dict(load_file(source / paths.AE_MODEL.name))

    def maps(rows: np.ndarray, title: str) -> Iterator[np.ndarray]:
        return cell_means(error_maps(model, images, rows, runtime, batch_size, title), settings["cell"])

    good = good_errors(maps(_trained_rows(manifest, held_out), "usual errors")) if settings["normalize"] else None

    aggregation = {name: settings[name] for name in ("aggregate", "top_share")}
    calibration = _calibration_rows(manifest, held_out)
    found = AnomalyMaps(
        calibration=anomaly_maps(maps(calibration, "reconstruction errors"), good),
        test=anomaly_maps(maps(rows_of(manifest, "test"), "reconstruction errors"), good),
    )
    return Scores(
        calibration_rows=calibration,
        calibration=aggregate_maps(found.calibration, **aggregation),
        scheme="split" if len(rows_of(manifest, "calibration")) else "held_out",
        test=aggregate_maps(found.test, **aggregation),
        detector={"name": "reconstruction", **settings},
        model={name: value for name, value in record.items() if name != "runtime"},
        runtime=runtime.record(),
        maps=found,
    )


def _calibration_rows(manifest: Table, held_out: Table) -> np.ndarray:
    own_split = rows_of(manifest, "calibration")
    if len(own_split):
        return own_split
    ids = held_out["image_id"][held_out["share"] == "calibration"]
    return np.flatnonzero(np.isin(manifest["image_id"], ids))


def _trained_rows(manifest: Table, held_out: Table) -> np.ndarray:
    train = rows_of(manifest, "train")
    return train[~np.isin(manifest["image_id"][train], held_out["image_id"])]
