"""Stage `train_ae`: train the autoencoder and keep the network, its loss and the pictures that it never learnt from."""

from __future__ import annotations

from dataclasses import asdict, fields

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from iad import compute, paths
from iad.config import Params
from iad.data.manifest import fingerprint, read_manifest, rows_of
from iad.detectors.autoencoder import Options
from iad.detectors.autoencoder.detector import Detector
from iad.detectors.autoencoder.training import Epoch
from iad.io import replacing, write_csv, write_json, write_table
from iad.pipeline.inputs import pictures_of
from iad.progress import say
from iad.words import counted


def train_network(params: Params) -> None:
    """Train on the good training pictures.

    Raises:
        IadError: as `Detector.train` does.
    """
    chosen = params.compute
    runtime = compute.start(device=chosen.device, precision=chosen.precision, threads=chosen.threads, seed=params.seed)
    manifest = read_manifest(paths.MANIFEST)
    train, apart = rows_of(manifest, "train"), rows_of(manifest, "calibration")
    detector = Detector(Options(), seed=params.seed, runtime=runtime, training=params.ae)
    detector.train(pictures_of(manifest, train), calibrated_apart=len(apart) > 0, on_epoch=write_history)
    with replacing(paths.AE_MODEL) as part:
        save_file(dict(detector.trained().arrays), part)
    ids, shares = np.asarray(manifest["image_id"])[train], detector.shares
    held = {"early_stopping": shares.early_stopping, "calibration": shares.calibration}
    rows = [(image_id, share) for share, chosen_rows in held.items() for image_id in ids[chosen_rows]]
    write_table(paths.AE_HELD_OUT, pd.DataFrame(rows, columns=["image_id", "share"]))
    of_run = {"runtime": runtime.record(), "pictures": fingerprint(manifest)}
    write_json(paths.AE_RECORD, detector.training_record() | of_run)
    best = min((epoch.validation_loss for epoch in detector.history), default=float("nan"))
    epochs, pictures = counted(len(detector.history), "epoch"), counted(len(shares.train), "picture")
    say(f"train_ae: {epochs} on {pictures}, best early-stopping loss {best:.5f}")


def write_history(history: list[Epoch]) -> None:
    """Write the loss curve as it stands, so that it can be watched during training."""
    header = [field.name for field in fields(Epoch)]
    write_csv(paths.AE_HISTORY, header, [list(asdict(epoch).values()) for epoch in history])
