"""Training the autoencoder on good pictures only.

Deviation from the original study: the learning rate follows one cycle (Smith and Topin 2018, arXiv 1708.07120), which
reaches the same loss in a fraction of the epochs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from iad.compute import Runtime
from iad.detectors.autoencoder import Training
from iad.detectors.autoencoder.network import Autoencoder, squared_error, to_pixels
from iad.errors import IadError
from iad.neighbors.rows import Rows
from iad.progress import bar

WARM_UP = 0.15  # share of the steps in which the learning rate rises


@dataclass(frozen=True)
class Epoch:
    """Mean squared error over the training and the early-stopping pictures after one epoch."""

    epoch: int
    train_loss: float
    validation_loss: float


@dataclass(frozen=True)
class HeldOut:
    """Row numbers, int64, of the good pictures: those that train, stop and calibrate. They share none."""

    train: np.ndarray
    early_stopping: np.ndarray
    calibration: np.ndarray


def hold_out(rows: np.ndarray, *, early_stopping: float, calibration: float, seed: int) -> HeldOut:
    """Split the good training rows at random into three parts; each holds at least one picture.

    Args:
        rows: int64 `(n,)`.
        early_stopping: share of `rows` that decides when to stop.
        calibration: share of `rows` that sets the threshold; 0 if other pictures do.
        seed: of the split.

    Raises:
        IadError: if nothing is left to train on.

    >>> held = hold_out(np.arange(10), early_stopping=0.1, calibration=0.2, seed=0)
    >>> len(held.train), len(held.early_stopping), len(held.calibration)
    (7, 1, 2)
    """
    mixed = np.random.default_rng(seed).permutation(rows)
    stop = max(1, round(early_stopping * len(rows)))
    calibrate = max(1, round(calibration * len(rows))) if calibration else 0
    if stop + calibrate >= len(rows):
        fewest = 2 + bool(calibrate)
        lower = "lower the shares, or " if len(rows) >= fewest else ""
        raise IadError(
            f"ae.held_out: {stop} + {calibrate} of {len(rows)} good pictures would be held out, which leaves none to "
            f"train on; {lower}add good pictures: it takes {fewest} at least"
        )
    parts = np.split(mixed, [stop, stop + calibrate])
    return HeldOut(train=np.sort(parts[2]), early_stopping=np.sort(parts[0]), calibration=np.sort(parts[1]))


def train_autoencoder(
    model: Autoencoder,
    images: Rows,
    rows: HeldOut,
    settings: Training,
    runtime: Runtime,
    on_epoch: Callable[[list[Epoch]], None],
    *,
    seed: int,
) -> tuple[Autoencoder, list[Epoch]]:
    """Minimise the squared error with Adam and keep the weights of the epoch with the lowest early-stopping loss.

    Args:
        model: from `build_autoencoder`.
        images: uint8 `(N, H, W, 3)`; may be memory-mapped.
        rows: which pictures train and stop.
        settings: of section `ae`; `epochs` may be 0, which leaves the network untrained.
        runtime: where to compute, and in which precision.
        on_epoch: called with the history after every epoch.
        seed: of the order of pictures and of the augmentation.

    Returns:
        The model with its best weights, and one entry per epoch that ran.

    Raises:
        IadError: if the training diverges.
    """
    model.to(runtime.device).to(memory_format=torch.channels_last)
    steps = math.ceil(len(rows.train) / settings.batch_size)
    optimizer = torch.optim.Adam(model.parameters(), settings.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=max(1, settings.epochs * steps), pct_start=WARM_UP
    )
    generator = np.random.default_rng(seed)
    history: list[Epoch] = []
    best, best_weights = math.inf, copy.deepcopy(model.state_dict())
    with bar("training the autoencoder", settings.epochs * len(rows.train)) as shown:
        for number in range(1, settings.epochs + 1):
            total = 0.0
            for batch in _batches(images, generator.permutation(rows.train), settings, generator, runtime):
                loss = _step(model, batch, optimizer, runtime)
                schedule.step()
                total += loss * len(batch)
                shown.update(len(batch))
            validation = _mean_error(model, images, rows.early_stopping, runtime, settings.batch_size)
            if not math.isfinite(total + validation):
                raise IadError(f"ae.learning_rate = {settings.learning_rate}: the loss grew past all bounds; lower it")
            history.append(Epoch(number, total / len(rows.train), validation))
            on_epoch(history)
            if validation < best:
                best, best_weights = validation, copy.deepcopy(model.state_dict())
            elif number - (best_epoch(history) or 0) >= settings.patience:
                break
    model.load_state_dict(best_weights)
    return model, history


def best_epoch(history: list[Epoch]) -> int | None:
    """Number of the first epoch with the lowest early-stopping loss; None if no epoch ran.

    >>> best_epoch([Epoch(1, 0.9, 0.5), Epoch(2, 0.7, 0.4), Epoch(3, 0.5, 0.4)]), best_epoch([])
    (2, None)
    """
    return min(history, key=lambda entry: entry.validation_loss).epoch if history else None


def _step(model: Autoencoder, pixels: torch.Tensor, optimizer: torch.optim.Optimizer, runtime: Runtime) -> float:
    loss = squared_error(model, pixels, runtime).mean()
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def _batches(
    images: Rows,
    order: np.ndarray,
    settings: Training,
    generator: np.random.Generator,
    runtime: Runtime,
) -> Iterator[torch.Tensor]:
    for start in range(0, len(order), settings.batch_size):
        pixels = to_pixels(images[order[start : start + settings.batch_size]], runtime)
        yield _augment(pixels, generator) if settings.augment else pixels


def _augment(pixels: torch.Tensor, generator: np.random.Generator) -> torch.Tensor:
    """Turn a whole batch by a random multiple of 90 degrees and mirror it half of the time."""
    rotated = torch.rot90(pixels, int(generator.integers(4)), (2, 3))
    flipped = rotated.flip(3) if generator.integers(2) else rotated
    return flipped.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def _mean_error(model: Autoencoder, images: Rows, rows: np.ndarray, runtime: Runtime, batch_size: int) -> float:
    total = 0.0
    for start in range(0, len(rows), batch_size):
        chosen = rows[start : start + batch_size]
        error = squared_error(model, to_pixels(images[chosen], runtime), runtime)
        total += float(error.mean()) * len(chosen)
    return total / len(rows)
