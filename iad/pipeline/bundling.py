"""A bundle of what the last `dvc repro` left; nothing is fitted or scored again."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from iad import paths
from iad.bundle import Bundle, CalibrationSet, PictureSet
from iad.config import Params
from iad.data.manifest import read_manifest, rows_of
from iad.decision.thresholds import option_names
from iad.detectors.base import Embeddings, Extendable
from iad.errors import IadError, unknown
from iad.fitted import Fitted, read_fitted
from iad.io import open_array, read_json, read_table
from iad.options import flat
from iad.pipeline.inputs import read_embeddings, read_record
from iad.versions import installed


def collect(params: Params, method: str, *, with_weights: bool = False, extendable: bool = False) -> Bundle:
    """Collect a method, as its stages left it.

    Args:
        params: of the last run.
        method: a key of `methods`.
        with_weights: take the backbone's weights along, for a machine that reaches no index and no hub.
        extendable: take along what `add` and `merge` need where the detector has kept too little itself.

    Raises:
        IadError: if there is no such method, or its results are missing or of other parameters.
    """
    if method not in params.methods:
        raise unknown("method", method, params.methods)
    fitted, manifest = read_fitted(method), read_manifest(paths.MANIFEST)
    reads = sorted(fitted.sources())
    require_ran(("preprocess", *(_stage(one) for one in reads), *_scores(fitted), f"threshold@{method}"))
    folder, strategy = paths.SCORE / method, params.threshold.strategy
    records = {one: read_record(one) for one in reads}
    table = read_table(folder / paths.CALIBRATION_SCORES)
    embedders = {one: record for one, record in records.items() if "weights_sha256" in record}
    return Bundle(
        packed=fitted.pack(),
        pictures=_named(manifest, rows_of(manifest, "train")),
        calibration=_calibration(fitted, manifest, table, extendable=extendable),
        threshold=read_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE),
        rule={
            "strategy": strategy,
            "options": {name: getattr(params.threshold, name) for name in option_names(strategy)},
        },
        preprocess={
            "image_size": params.preprocess.image_size, "white_16bit": params.preprocess.white_16bit,
            "max_megapixels": params.data.max_megapixels,
        },
        embedders=embedders,
        weights={one: _weights(record, one) for one, record in embedders.items()} if with_weights else {},
        maps=_scale(params, folder, str(table["map_scheme"].iloc[0])),
        origin={
            **installed(), "revision": revision(), "source": params.data.source, "category": params.data.category,
            "precision": _precision(fitted),
        },
    )  # fmt: skip


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
        for key, value in flat(then).items():
            if (here := _at(now, key)) != value:
                raise IadError(
                    f"{paths.PARAMS}: {key} is {here}, but the results of {stage} are of {value}; run `dvc repro`"
                )


def revision() -> str | None:
    """The commit that is checked out, with `+` behind it where files of the project differ; None outside of Git."""
    try:
        commit, changed = (
            subprocess.run(["git", *given], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603, S607
            for given in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+" if changed else commit


def _precision(fitted: Fitted) -> str:
    """In which precision networks computed that are no backbone, and so have no record."""
    own = next((member for member in fitted.members if member.detector.takes == "pixels"), fitted)
    runtime = read_json(paths.SCORE / own.method / paths.PROVENANCE)["runtime"]
    return str(runtime.get("precision", "auto"))


def _stage(reads: str) -> str:
    return reads.replace("/", "@")


def _scores(fitted: Fitted) -> list[str]:
    members = [f"score@{member.method}" for member in fitted.members]
    return [*members, *([_stage(fitted.reads)] if members else []), f"score@{fitted.method}"]


def _calibration(fitted: Fitted, manifest: pd.DataFrame, table: pd.DataFrame, *, extendable: bool) -> CalibrationSet:
    place = {image_id: row for row, image_id in enumerate(manifest["image_id"])}
    rows = np.array([place[image_id] for image_id in table["image_id"]], dtype=np.int64)
    number = {row: one for one, row in enumerate(rows_of(manifest, "train").tolist())}
    scheme, map_scheme = (str(table[name].iloc[0]) for name in ("scheme", "map_scheme"))
    members = np.array([number.get(row, -1) for row in rows.tolist()], dtype=np.int64)
    kept = _kept(fitted, manifest, rows, members) if extendable else {}
    return CalibrationSet(_named(manifest, rows), members, np.asarray(table["score"]), scheme, map_scheme, kept)


def _kept(fitted: Fitted, manifest: pd.DataFrame, rows: np.ndarray, members: np.ndarray) -> dict[str, np.ndarray]:
    """What the detector takes of the calibrating pictures, unless it can recall all of them itself."""
    detector = fitted.detector
    if not isinstance(detector, Extendable):
        raise IadError(f"{fitted.method}: {fitted.kind} takes no more pictures once fitted; leave --extendable out")
    if (members >= 0).all() and detector.recall(members[:1]) is not None:
        return {}
    return parts_of(read_embeddings(fitted.reads, manifest).take(rows), detector.takes)


def parts_of(embeddings: Embeddings, takes: str) -> dict[str, np.ndarray]:
    """The arrays that a detector looks at, by name."""
    names = ("pooled", "contributions") if takes == "pooled" else (takes,)
    found = {name: getattr(embeddings, name) for name in names}
    return {name: np.asarray(part) for name, part in found.items() if part is not None}


def _scale(params: Params, folder: Path, map_scheme: str) -> dict[str, Any] | None:
    path = folder / paths.CALIBRATION_MAPS
    if not path.is_file():
        return None
    from iad.report.overlay import red_scale

    sigma, rate = params.evaluate.map_sigma, params.evaluate.red_rate
    found = red_scale(open_array(path), params.preprocess.image_size, sigma, rate, map_scheme, origin=str(path))
    return {"sigma": sigma, "rate": rate, **found}


def _weights(record: Mapping[str, Any], origin: str) -> dict[str, np.ndarray]:
    from iad.features.embedder import Embedder

    return Embedder.from_record(record, device="cpu", section=origin).state_dict()


def _named(manifest: pd.DataFrame, rows: np.ndarray) -> PictureSet:
    ids, hashes = np.asarray(manifest["image_id"])[rows], np.asarray(manifest["sha256"])[rows]
    return PictureSet(tuple(map(str, ids)), tuple(map(str, hashes)))


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
