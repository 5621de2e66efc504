"""Patch features and their nearest good patches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from iad import paths
from iad.data.manifest import rows_of
from iad.detectors.patch.foreground import Foreground, fit_foreground
from iad.detectors.patch.memory_bank import MemoryBank
from iad.detectors.patch.scores import draw_pictures, only_falls
from iad.detectors.patch.verdicts import judge_pictures
from iad.errors import IadError
from iad.io import Table, open_array, read_json
from iad.neighbors.patch_view import PatchView
from iad.config import Params
from iad.detectors.patch import Options as Patch
from iad.progress import say
from iad.stages._compute import start_compute
from iad.stages.scorers import AnomalyMaps, Scheme, Scores


def compute(params: Params, manifest: Table, source: Path) -> Scores:
    """Score by distance to a bank of the training pictures' patches; these are scored without their own patches."""
    device = start_compute(params).float64_device
    chosen = params.patch
    patches, record = _read(source)
    train, own_split = rows_of(manifest, "train"), rows_of(manifest, "calibration")
    good = _good_patches(patches, train, source)
    bank = MemoryBank(good, coreset=chosen.coreset, seed=params.seed, device=device)
    left_out = None if len(own_split) else draw_pictures(len(train), chosen.calibration, params.seed)
    calibration = own_split if left_out is None else train[left_out]
    known, test = PatchView(patches, calibration), PatchView(patches, rows_of(manifest, "test"))
    foreground = None if chosen.foreground == "none" else learn_foreground(patches, manifest)
    calibration_maps, calibration_scores = _judge(chosen, bank, foreground, known, "calibration pictures", left_out)
    test_maps, test_scores = _judge(chosen, bank, foreground, test, "test pictures")
    return Scores(
        calibration_rows=calibration,
        calibration=calibration_scores,
        scheme="split" if left_out is None else _left_out(chosen),
        test=test_scores,
        detector={"name": "patch", **chosen.model_dump(exclude={"calibration"}), "bank": len(bank.rows)},
        model={name: value for name, value in record.items() if name != "runtime"},
        runtime=record["runtime"],
        maps=AnomalyMaps(calibration=calibration_maps, test=test_maps),
    )


def _read(source: Path) -> tuple[np.ndarray, dict[str, Any]]:
    record = read_json(source / paths.BACKBONE_RECORD)
    if not record["patches"]["layers"]:
        section = source.name.removeprefix("extract_")
        raise IadError(
            f"{section}.patches.layers = []: {source.name} keeps no patch features, and a patch method reads them; "
            f"name layers, for instance dvc exp run -S '{section}.patches.layers=[2,3]'"
        )
    return open_array(source / paths.PATCHES), record


def _good_patches(patches: np.ndarray, train: np.ndarray, source: Path) -> PatchView:
    """Patches of the training pictures, and of their turned copies if the stage wrote any: hidden together."""
    file = source / paths.COPIES
    return PatchView(patches, train, copies=open_array(file) if file.is_file() else None)


def learn_foreground(patches: np.ndarray, manifest: Table) -> Foreground:
    """Learn from the training pictures which places show the object, and say in one line how many do.

    Args:
        patches: float16 `(N, h, w, D)`, rows as in the manifest.
        manifest: of all pictures.

    Raises:
        IadError: if a training or calibration picture shows no object although others do.
    """
    train = rows_of(manifest, "train")
    foreground = fit_foreground(PatchView(patches, train))
    good = np.concatenate([train, rows_of(manifest, "calibration")])
    masks = foreground.masks(PatchView(patches, good))
    empty = manifest["image_id"][good[~masks.any(axis=(1, 2))]].tolist()
    if empty:
        more = f" and {len(empty) - 3} more" if len(empty) > 3 else ""
        raise IadError(
            f"patch.foreground = pca: empty foreground: no object in {', '.join(empty[:3])}{more}, where other good "
            "pictures show one; take them out, or set patch.foreground to none"
        )
    counted = f"every place counts: {foreground.reason}" if foreground.reason else f"{masks.mean():.0%} of places count"
    say(f"patch.foreground = pca: {counted}")
    return foreground


def _judge(
    chosen: Patch, bank: MemoryBank, foreground: Foreground | None, pictures: PatchView, title: str,
    own: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    return judge_pictures(
        bank, foreground, pictures, k=chosen.k, aggregate=chosen.aggregate, top_places=chosen.top_places,
        subtract_median=chosen.subtract_median, map_above=chosen.map_above, title=title, own=own,
    )  # fmt: skip


def _left_out(chosen: Patch) -> Scheme:
    falls = only_falls(
        aggregate=chosen.aggregate, subtract_median=chosen.subtract_median, coreset=chosen.coreset,
        foreground=chosen.foreground,
    )  # fmt: skip
    return "leave_one_out" if falls else "jackknife"
