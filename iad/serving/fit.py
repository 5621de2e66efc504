"""A bank from what the last `dvc repro` left: patches, calibration scores and maps, threshold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from iad import paths
from iad.config import Params
from iad.data.manifest import read_manifest, rows_of
from iad.decision.thresholds import option_names
from iad.errors import IadError, unknown
from iad.io import Table, open_array, read_json, read_table
from iad.serving.bank_file import Bank, Calibration, PictureSet
from iad.serving.colours import colours_of
from iad.serving.differences import first_difference

SECTION = "patch"  # of params.yaml, which tunes the methods that have a bank of patches
NO_FOREGROUND = "none"
KEPT = ("name", "weights_sha256", "image_size", "mean", "std", "depth", "quantize", "weights", "patches")
LEFT = ("pooling", "dimensions", "attribution", "runtime")  # of a backbone's record: says nothing of its patches
PATCHES = ("layers", "neighbourhood", "tile", "overlap", "turns", "mirror")


def fit_bank(params: Params, method: str) -> Bank:
    """Collect the bank of a patch method, as its stage made it; nothing is scored again.

    Raises:
        IadError: if the method has no bank of patches, or its results are missing or of other parameters.
    """
    if method not in params.methods:
        raise unknown("method", method, params.methods)
    reads = params.methods[method].reads
    if params.methods[method].params != SECTION:
        banks = [name for name, spec in params.methods.items() if spec.params == SECTION]
        raise IadError(f"{method}: not a patch method, so it has no bank of patches; choose {' or '.join(banks)}")
    require_ran(("preprocess", reads, f"score@{method}", f"threshold@{method}"))
    source, folder = paths.STAGES / reads, paths.SCORE / method
    verdict = read_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE)
    record = read_json(source / paths.BACKBONE_RECORD)
    settings = settings_of(params, method, record)
    manifest, patches = read_manifest(paths.MANIFEST), open_array(source / paths.PATCHES)
    train = rows_of(manifest, "train")
    copies = open_array(source / paths.COPIES) if (source / paths.COPIES).is_file() else None
    rows, kept = _kept(patches, train, copies, settings)
    if len(rows) != (counted := read_json(folder / paths.PROVENANCE)["detector"]["bank"]):
        raise IadError(f"{folder}: scores are of a bank of {counted} patches, not {len(rows)}; run `dvc repro`")
    return Bank(
        settings=settings,
        pictures=_named(manifest, train),
        patches=kept,
        rows=rows,
        grid=(patches.shape[1], patches.shape[2]),
        versions=1 if copies is None else 1 + copies.shape[1],
        foreground={} if params.patch.foreground == NO_FOREGROUND else _foreground(patches, train),
        calibration=_calibration(manifest, train, patches, folder, whole=settings["patch"]["coreset"] == 1),
        verdict=verdict,
        colours=colours_of(open_array(folder / paths.CALIBRATION_MAPS), settings, str(folder / paths.CALIBRATION_MAPS)),
    )


def settings_of(params: Params, method: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """What a bank remembers of the parameters, as plain values.

    Args:
        params: the whole of them.
        method: a patch method.
        record: of its backbone, as the stage wrote it.

    Raises:
        IadError: if the backbone was used in a way that bank files do not know.
    """
    if new := set(record) - {*KEPT, *LEFT} | set(record["patches"]) ^ set(PATCHES):
        raise IadError(f"{method}: bank files do not know the backbone's {min(new)}; run `dvc repro`, or update iad")
    backbone = {name: record[name] for name in KEPT}
    backbone |= {"precision": record["runtime"]["precision"], "batch_size": params.compute.batch_size}
    strategy = params.threshold.strategy
    return {
        "method": method,
        "backbone": backbone,
        "preprocess": {
            "white_16bit": params.preprocess.white_16bit,
            "max_megapixels": params.data.max_megapixels,
        },
        "patch": params.patch.model_dump(mode="json"),
        "threshold": {
            "strategy": strategy,
            "options": {name: getattr(params.threshold, name) for name in option_names(strategy)},
        },
        "maps": {"sigma": params.evaluate.map_sigma, "red_rate": params.evaluate.red_rate},
        "seed": params.seed,
    }


def require_ran(stages: tuple[str, ...]) -> None:
    """Refuse if DVC last ran one of these stages with other parameters than those of `params.yaml`.

    Raises:
        IadError: naming the key and both values.
    """
    if not paths.LOCK.is_file():
        return
    yaml = YAML(typ="safe")
    now, ran = yaml.load(paths.PARAMS), yaml.load(paths.LOCK).get("stages", {})
    for stage in stages:
        then = ran.get(stage, {}).get("params", {}).get(paths.PARAMS.name, {})
        if found := first_difference({key: _at(now, key) for key in then}, then):
            key, here, there = found
            raise IadError(
                f"{paths.PARAMS}: {key} is {here}, but the results of {stage} are of {there}; run `dvc repro`"
            )


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _kept(
    patches: np.ndarray, train: np.ndarray, copies: np.ndarray | None, settings: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the bank that the stage had, int64 `(R,)`, and their patches, float16 `(R, D)`."""
    if settings["patch"]["coreset"] == 1:
        good = patches[train]
        if copies is not None:
            good = np.concatenate([good[:, None], copies], axis=1)
        flat = good.reshape(-1, patches.shape[-1])
        return np.arange(len(flat)), flat
    from iad.detectors.patch.memory_bank import (
        MemoryBank,  # these take seconds to import, and a whole bank needs neither
    )
    from iad.neighbors.patch_view import PatchView

    view = PatchView(patches, train, copies=copies)  # no copy of all patches, of which few are kept
    bank = MemoryBank(view, coreset=settings["patch"]["coreset"], seed=settings["seed"])
    return bank.rows, bank.search.vectors(np.arange(len(bank.rows))).astype(np.float16)


def _foreground(patches: np.ndarray, train: np.ndarray) -> dict[str, Any]:
    from iad.detectors.patch.foreground import fit_foreground  # these import PyTorch, as above
    from iad.neighbors.patch_view import PatchView

    return vars(fit_foreground(PatchView(patches, train)))


def _calibration(manifest: Table, train: np.ndarray, patches: np.ndarray, folder: Path, *, whole: bool) -> Calibration:
    table = read_table(folder / paths.CALIBRATION_SCORES)
    row_of = {image_id: row for row, image_id in enumerate(manifest["image_id"])}
    rows = np.array([row_of[image_id] for image_id in table["image_id"]], dtype=np.int64)
    place = {row: number for number, row in enumerate(train.tolist())}
    members = np.array([place.get(row, -1) for row in rows.tolist()], dtype=np.int64)
    held = rows[:0] if whole and (members >= 0).all() else rows
    return Calibration(_named(manifest, rows), members, patches[held], table["score"])


def _named(manifest: Table, rows: np.ndarray) -> PictureSet:
    return PictureSet(tuple(manifest["image_id"][rows]), tuple(manifest["sha256"][rows]))
