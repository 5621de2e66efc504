"""Patch features and their nearest good patches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from iad import paths
from iad.data.manifest import rows_of
from iad.detectors.memory_bank import MemoryBank
from iad.detectors.patch_scores import draw_pictures, only_falls, patch_scores
from iad.detectors.patch_view import PatchView
from iad.errors import IadError
from iad.io import Table, open_array, read_json
from iad.params import Params
from iad.params.detectors import Patch
from iad.stages._compute import start_compute
from iad.stages.scorers import AnomalyMaps, Scheme, Scores


def compute(params: Params, manifest: Table, source: Path) -> Scores:
    """Score by distance to a bank of the training pictures' patches; these are scored without their own patches."""
    start_compute(params)
    chosen = params.patch
    patches, record = _read(source)
    train, own_split = rows_of(manifest, "train"), rows_of(manifest, "calibration")
    bank = MemoryBank(_good_patches(patches, train, source), coreset=chosen.coreset, seed=params.seed)
    left_out = None if len(own_split) else draw_pictures(len(train), chosen.calibration, params.seed)
    calibration = own_split if left_out is None else train[left_out]
    known, test = PatchView(patches, calibration), PatchView(patches, rows_of(manifest, "test"))
    maps = AnomalyMaps(
        calibration=bank.distance_maps(known, k=chosen.k, title="calibration pictures", own=left_out),
        test=bank.distance_maps(test, k=chosen.k, title="test pictures"),
    )
    return Scores(
        calibration_rows=calibration,
        calibration=_scores(chosen, bank, known, maps.calibration, left_out),
        scheme="split" if left_out is None else _left_out(chosen),
        test=_scores(chosen, bank, test, maps.test, None),
        detector={"name": "patch", **chosen.model_dump(exclude={"calibration"}), "bank": len(bank.rows)},
        model={name: value for name, value in record.items() if name != "runtime"},
        runtime=record["runtime"],
        maps=maps,
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


def _scores(
    chosen: Patch, bank: MemoryBank, pictures: PatchView, maps: np.ndarray, own: np.ndarray | None
) -> np.ndarray:
    return patch_scores(
        bank, pictures, maps,
        aggregate=chosen.aggregate, top_places=chosen.top_places, subtract_median=chosen.subtract_median, own=own,
    )  # fmt: skip


def _left_out(chosen: Patch) -> Scheme:
    falls = only_falls(aggregate=chosen.aggregate, subtract_median=chosen.subtract_median, coreset=chosen.coreset)
    return "leave_one_out" if falls else "jackknife"
