"""Several methods fused: the aligned evidence of a hybrid's members becomes one score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from iad import paths
from iad.data.manifest import rows_of
from iad.detectors.hybrid.evidence import fuse, places_of
from iad.errors import IadError, unknown
from iad.io import Table, open_array, read_json, read_table
from iad.config import Params
from iad.stages.scorers import AnomalyMaps, Scores


def compute(params: Params, manifest: Table, source: Path, *, name: str) -> Scores:
    """Score by the mean or the largest of the members' evidence."""
    if name not in params.hybrids:
        raise unknown("hybrid", name, params.hybrids)
    members = list(params.hybrids[name].members)
    options: dict[str, Any] = {"how": params.hybrids[name].how, "weights": list(params.hybrids[name].weights)}
    if source != paths.ALIGN / name:
        raise IadError(f"methods: what hybrids.{name} tunes must read {paths.ALIGN.name}/{name}, not {source.name}")
    record = read_json(source / paths.ALIGNMENT)
    if list(record) != members:
        raise IadError(f"{source}: holds {' + '.join(record)}, not {' + '.join(members)}; run `dvc repro`")
    good, test = (read_table(source / file) for file in (paths.CALIBRATION_SCORES, paths.TEST_SCORES))
    tested = manifest["image_id"][rows_of(manifest, "test")]
    order = places_of(test["image_id"], tested, str(source / paths.TEST_SCORES))
    return Scores(
        calibration_rows=places_of(manifest["image_id"], good["image_id"], str(paths.MANIFEST)),
        calibration=fuse(_evidence(good, members), **options),
        scheme="jackknife",
        test=fuse(_evidence(test, members), **options)[order],
        detector={"name": "hybrid", **options, "members": _of_members(record, "detector", "tail", "map_tail")},
        model={"name": " + ".join(members), "members": _of_members(record, "model")},
        runtime=_of_members(record, "runtime"),
        maps=_maps(source, order, options),
    )


def _evidence(table: Table, members: list[str]) -> np.ndarray:
    return np.stack([table[f"{paths.EVIDENCE}{member}"] for member in members])  # (members, pictures)


def _maps(source: Path, order: np.ndarray, options: dict[str, Any]) -> AnomalyMaps | None:
    if not (source / paths.TEST_MAPS).is_file():
        return None
    good, test = (open_array(source / file) for file in (paths.CALIBRATION_MAPS, paths.TEST_MAPS))
    return AnomalyMaps(
        calibration=fuse(good, **options).astype(np.float32), test=fuse(test, **options)[order].astype(np.float32)
    )


def _of_members(record: dict[str, Any], *names: str) -> dict[str, Any]:
    only = names[0] if len(names) == 1 else None
    return {member: found[only] if only else {name: found[name] for name in names} for member, found in record.items()}
