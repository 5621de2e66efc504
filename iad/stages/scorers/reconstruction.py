"""The autoencoder and its reconstruction errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from iad import paths
from iad.data.manifest import rows_of
from iad.detectors.reconstruction import reconstruction_scores
from iad.io import Table, open_array, read_json, read_table
from iad.models.autoencoder import build_autoencoder, error_maps
from iad.params import Params
from iad.stages._compute import start_compute
from iad.stages.scorers import Scores


def compute(params: Params, manifest: Table, source: Path) -> Scores:
    """Score by reconstruction error; the calibration pictures neither trained the network nor stopped it."""
    chosen, batch_size, runtime = params.reconstruction, params.compute.batch_size, start_compute(params)
    record, images = read_json(source / paths.AE_RECORD.name), open_array(paths.IMAGES)
    model = build_autoencoder(record["width"], record["latent_channels"], image_size=images.shape[1])
    model.load_state_dict(load_file(source / paths.AE_MODEL.name))

    def scores(rows: np.ndarray) -> np.ndarray:
        maps = error_maps(model, images, rows, runtime, batch_size, "reconstruction errors")
        return reconstruction_scores(maps, aggregate=chosen.aggregate, top_share=chosen.top_share)

    calibration = _calibration_rows(manifest, read_table(source / paths.AE_HELD_OUT.name))
    return Scores(
        calibration_rows=calibration,
        calibration=scores(calibration),
        test=scores(rows_of(manifest, "test")),
        detector={"name": "reconstruction", "aggregate": chosen.aggregate, "top_share": chosen.top_share},
        model={name: value for name, value in record.items() if name != "runtime"},
        runtime=runtime.record(),
    )


def _calibration_rows(manifest: Table, held_out: Table) -> np.ndarray:
    own_split = rows_of(manifest, "calibration")
    if len(own_split):
        return own_split
    ids = held_out["image_id"][held_out["share"] == "calibration"]
    return np.flatnonzero(np.isin(manifest["image_id"], ids))
