"""Stage `train_ae`: fit the autoencoder to good pictures."""

from __future__ import annotations

from dataclasses import asdict, fields

from safetensors.torch import save_file

from iad import paths
from iad.data.manifest import read_manifest, rows_of
from iad.detectors.autoencoder.network import build_autoencoder
from iad.detectors.autoencoder.training import (
    Epoch,
    Training,
    best_epoch,
    held_out_table,
    hold_out,
    train_autoencoder,
)
from iad.io import open_array, replacing, write_csv, write_json, write_table
from iad.config import load_params
from iad.progress import say
from iad.stages._compute import start_compute


def train_ae() -> None:
    """Train the autoencoder on good pictures."""
    params = load_params()
    ae = params.ae
    runtime = start_compute(params)
    manifest, images = read_manifest(paths.MANIFEST), open_array(paths.IMAGES)
    size = images.shape[1]
    rows = hold_out(
        rows_of(manifest, "train"),
        early_stopping=ae.held_out.early_stopping,
        # pictures set apart for calibration make a held-out share of the training pictures needless
        calibration=0 if len(rows_of(manifest, "calibration")) else ae.held_out.calibration,
        seed=params.seed,
    )
    model = build_autoencoder(ae.width, ae.latent_channels, image_size=size, seed=params.seed)
    settings = Training(ae.epochs, ae.patience, ae.batch_size, ae.learning_rate, ae.augment, params.seed)
    write_history([])
    model, history = train_autoencoder(model, images, rows, settings, runtime, write_history)
    with replacing(paths.AE_MODEL) as part:
        save_file({name: tensor.contiguous() for name, tensor in model.cpu().state_dict().items()}, part)
    write_table(paths.AE_HELD_OUT, held_out_table(rows, manifest["image_id"].to_numpy()))
    write_json(
        paths.AE_RECORD,
        {
            "name": "autoencoder",
            "width": ae.width,
            "latent_channels": ae.latent_channels,
            "image_size": size,
            "best_epoch": best_epoch(history),
            "history": [asdict(epoch) for epoch in history],
            "runtime": runtime.record(),
        },
    )
    best = min((epoch.validation_loss for epoch in history), default=float("nan"))
    say(f"train_ae: {len(history)} epochs on {len(rows.train)} pictures, best early-stopping loss {best:.5f}")


def write_history(history: list[Epoch]) -> None:
    """Write the loss curve as it stands, so that it can be watched during training."""
    header = [field.name for field in fields(Epoch)]
    write_csv(paths.AE_HISTORY, header, [list(asdict(epoch).values()) for epoch in history])
