"""What the stages before `score` left, as detectors take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iad import paths
from iad.data.manifest import fingerprint
from iad.detectors.base import State
from iad.detectors.embeddings import Embeddings, Takes
from iad.errors import IadError
from iad.io import open_array, read_json, read_table
from iad.neighbors.rows import take

OUTPUTS: dict[Takes, str] = {"pooled": paths.FEATURES, "patches": paths.PATCHES}
"""Files of an extract stage, by what a detector takes."""


def read_embeddings(reads: str, manifest: pd.DataFrame) -> Embeddings:
    """The output of a stage for all pictures of the manifest, and the pictures themselves; nothing is copied.

    Args:
        reads: name of the stage, as "extract_vit" or "extract/wide".
        manifest: of all pictures.

    Raises:
        IadError: if the stage looked at other pictures.
    """
    folder = paths.STAGES / reads
    record = read_record(reads)
    require_same_pictures(reads, record, manifest)
    return Embeddings(
        pixels=open_array(paths.IMAGES),
        pooled=_array(folder / paths.FEATURES),
        patches=_array(folder / paths.PATCHES),
        contributions=_array(folder / paths.CONTRIBUTIONS) if record.get("attribution") else None,
        pooling=record.get("pooling", ""),
        names=np.asarray(manifest["image_id"]),
        region=read_region(),
    )


def read_region() -> np.ndarray | None:
    """Which pixels of prepared pictures count, bool `(H, W)`; None: all, since no region of interest was drawn."""
    return np.array(found) if (found := _array(paths.REGION)) is not None else None


def pictures_of(manifest: pd.DataFrame, rows: np.ndarray) -> Embeddings:
    """The pictures of these rows, int64, of the manifest, as `preprocess` left them."""
    names = np.asarray(manifest["image_id"])
    return Embeddings(pixels=open_array(paths.IMAGES), names=names, region=read_region()).take(rows)


def good_embeddings(reads: str, embeddings: Embeddings, train: np.ndarray) -> Embeddings:
    """Those of the training pictures, int64 rows, with their rotated and flipped copies where the stage wrote any."""
    chosen = embeddings.take(train)
    augmented = _array(paths.STAGES / reads / paths.AUGMENTED)
    if augmented is None:
        return chosen
    return replace(chosen, augmented=take(augmented, np.arange(len(augmented))))


def read_record(reads: str) -> dict[str, Any]:
    """What a stage says of the network that it used.

    Raises:
        IadError: if it left no such record.
    """
    folder = paths.STAGES / reads
    record: dict[str, Any] = read_json(paths.AE_RECORD if folder == paths.TRAIN_AE else folder / paths.BACKBONE_RECORD)
    return record


def require_same_pictures(reads: str, record: Mapping[str, Any], manifest: pd.DataFrame) -> None:
    """Refuse the output of a stage that looked at other pictures than those that are there now.

    Args:
        reads: name of the stage.
        record: as `read_record` gives it; one of an earlier version does not say which pictures they were, and passes.
        manifest: of all pictures.

    Raises:
        IadError: naming both.
    """
    if record.get("pictures", now := fingerprint(manifest)) != now:
        raise IadError(
            f"{paths.STAGES / reads}: was made from other pictures than {paths.MANIFEST} names; run `dvc repro`"
        )


def read_trained(reads: str, image_ids: np.ndarray) -> State | None:
    """What a stage trained, for `Detector.resume`; None of a stage that trains nothing.

    Args:
        reads: name of the stage.
        image_ids: str `(N,)`, of the training pictures.
    """
    folder = paths.STAGES / reads
    model = folder / paths.AE_MODEL.name
    if not model.is_file():
        return None
    from safetensors.numpy import load_file

    held = read_table(folder / paths.AE_HELD_OUT.name)
    place = {image_id: number for number, image_id in enumerate(image_ids)}
    ids, share = np.asarray(held["image_id"]), np.asarray(held["share"])
    shares = {name: [place[one] for one in ids[share == name]] for name in ("early_stopping", "calibration")}
    shares["train"] = sorted(set(range(len(image_ids))).difference(*shares.values()))
    return State(load_file(model), read_record(reads) | {"shares": shares})


def require_output(reads: str, takes: Takes, record: dict[str, Any]) -> None:
    """Refuse to score what a stage has not left.

    Args:
        reads: name of the stage.
        takes: what the detector looks at.
        record: as `read_record` gives it.

    Raises:
        IadError: naming the parameter that keeps no patches, or the file that is missing.

    >>> require_output("extract_vit", "patches", {"patches": {"layers": []}})
    Traceback (most recent call last):
    iad.errors.IadError: vit.patches.layers = []: extract_vit keeps no patch features, and a patch ...
    """
    if takes == "patches" and not record.get("patches", {}).get("layers"):
        section = reads.removeprefix("extract_").replace("extract/", "backbones.")
        raise IadError(
            f"{section}.patches.layers = []: {reads} keeps no patch features, and a patch method reads them; "
            f"name layers, for instance dvc exp run -S '{section}.patches.layers=[2,3]'"
        )
    if takes in OUTPUTS:
        open_array(paths.STAGES / reads / OUTPUTS[takes])


def _array(path: Path) -> np.ndarray | None:
    return open_array(path) if path.is_file() else None
