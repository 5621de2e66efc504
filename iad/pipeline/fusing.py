"""Stage `align` and the score of a hybrid: what its members say of the same pictures, on one scale, then fused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iad import paths
from iad.bundles.fitted import Fitted, write_fitted
from iad.config import Params
from iad.data.manifest import read_manifest, rows_of
from iad.detectors.base import Prediction, State
from iad.detectors.calibrate import common_pictures, of_members, places_of
from iad.detectors.hybrid import Options
from iad.detectors.hybrid.detector import Detector as Hybrid
from iad.detectors.places import Places
from iad.errors import IadError, unknown
from iad.io import new_array, open_array, read_json, read_table, write_json, write_table
from iad.pipeline.inputs import read_region
from iad.pipeline.scoring import write_scores
from iad.progress import say

BLOCK = 256  # pictures whose maps are fused at once
FILES = {paths.CALIBRATION_SCORES: paths.CALIBRATION_MAPS, paths.TEST_SCORES: paths.TEST_MAPS}
"""Tables of scores, and the maps that belong to their rows."""


def align_members(params: Params, name: str) -> None:
    """Put the scores and maps of a hybrid's members on one scale, for the pictures that all of them scored.

    Raises:
        IadError: if there is no such hybrid, too few pictures calibrate all members, or two of them tested other
            pictures.
    """
    if name not in params.hybrids:
        raise unknown("hybrid", name, params.hybrids)
    members, folder = params.hybrids[name].members, paths.ALIGN / name
    said = {file: {member: _said(member, file) for member in members} for file in FILES}
    hybrid = Hybrid(Options(members=members)).align(
        {member: prediction for member, (_, prediction) in said[paths.CALIBRATION_SCORES].items()}
    )
    counts = []
    for file, found in said.items():
        ids = _common(file, {member: image_ids for member, (image_ids, _) in found.items()})
        rows = {member: places_of(own, ids, str(paths.SCORE / member / file)) for member, (own, _) in found.items()}
        scores = _write_evidence(hybrid, {member: found[member][1] for member in members}, rows, folder / FILES[file])
        columns = {f"{paths.EVIDENCE}{member}": scores[place] for place, member in enumerate(members)}
        write_table(folder / file, pd.DataFrame({"image_id": ids} | columns))
        counts.append(len(ids))
    write_json(folder / paths.ALIGNMENT, {member: _alignment(hybrid, member) for member in members})
    say(f"align: {name}: {' + '.join(members)} on {counts[0]} calibration and {counts[1]} test pictures")


def score_hybrid(params: Params, method: str) -> None:
    """Fuse the aligned evidence of a hybrid's members, keep the hybrid, and write its artefacts.

    Raises:
        IadError: if the method reads another alignment than its own, or one of other members.
    """
    spec, manifest = params.methods[method], read_manifest(paths.MANIFEST)
    name = spec.params.rpartition(".")[2]
    options, source = params.options(spec.params), paths.STAGES / spec.reads
    if not isinstance(options, Options) or source != paths.ALIGN / name:
        raise IadError(f"methods: what hybrids.{name} tunes must read {paths.ALIGN.name}/{name}, not {spec.reads}")
    record = read_json(source / paths.ALIGNMENT)
    if list(record) != list(options.members):
        raise IadError(f"{source}: holds {' + '.join(record)}, not {' + '.join(options.members)}; run `dvc repro`")
    hybrid = Hybrid.load(options, _scales(record), seed=params.seed)
    write_fitted(Fitted(method, spec.detector, spec.reads, hybrid))
    (known, calibration), (tested, said) = (_fused(hybrid, source, file) for file in FILES)
    test = manifest.iloc[rows_of(manifest, "test")]
    order = places_of(tested, np.asarray(test["image_id"]), str(source / paths.TEST_SCORES))
    write_scores(method, known, of_members(np.arange(len(known)), calibration), test, said.take(order))
    scales = ("detector", "tail", "map_tail")
    members = {member: {name: found[name] for name in scales} for member, found in record.items()}
    models = {member: found["model"] for member, found in record.items()}
    parts = {
        "detector": {"name": spec.detector, **options.model_dump(mode="json"), "members": members},
        "model": {"name": " + ".join(record), "members": models},
        "runtime": {member: found["runtime"] for member, found in record.items()},
    }
    write_json(paths.SCORE / method / paths.PROVENANCE, {"method": method, "reads": spec.reads, **parts})


def _write_evidence(
    hybrid: Hybrid, said: Mapping[str, Prediction], rows: Mapping[str, np.ndarray], path: Path
) -> np.ndarray:
    """Write the maps of chosen rows of every member as evidence, if there are any; scores as evidence `(members, K)`.

    Maps of a few pictures at a time are in memory.
    """
    count = len(next(iter(rows.values())))
    if not hybrid.map_tails:
        path.unlink(missing_ok=True)
        return hybrid.evidence({member: Prediction(said[member].pred_score[rows[member]]) for member in said})[0]
    grids = [maps.shape[1:] for one in said.values() if (maps := one.anomaly_map) is not None]
    shape = (len(said), count, *(max(sides) for sides in zip(*grids, strict=True)))
    scores = np.empty((len(said), count))
    with new_array(path, shape, np.float32) as array:
        for start in range(0, count, BLOCK):
            some = slice(start, start + BLOCK)
            scores[:, some], array[:, some] = hybrid.evidence(
                {name: said[name].take(rows[name][some]) for name in said}
            )
    return scores


def _said(member: str, file: str) -> tuple[np.ndarray, Prediction]:
    """Ids of the pictures in one of a member's tables, and what it said of them."""
    table, maps = read_table(paths.SCORE / member / file), paths.SCORE / member / FILES[file]
    found = open_array(maps) if maps.is_file() else None
    if found is not None and len(found) != len(table):
        raise IadError(f"{maps}: {len(found)} maps for {len(table)} scores; run `dvc repro` to write both again")
    places = None if found is None else Places.of(read_region(), *found.shape[1:])
    counting = None if places is None else places.counting
    return np.asarray(table["image_id"]), Prediction(np.asarray(table["score"]), found, counting)


def _common(file: str, image_ids: Mapping[str, np.ndarray]) -> np.ndarray:
    return common_pictures(image_ids) if file == paths.CALIBRATION_SCORES else next(iter(image_ids.values()))


def _alignment(hybrid: Hybrid, member: str) -> dict[str, Any]:
    """A member's scale, and what it says of itself, without the loss of each epoch, which it keeps."""
    provenance = read_json(paths.SCORE / member / paths.PROVENANCE)
    model = {name: value for name, value in provenance.get("model", {}).items() if name != "history"}
    return {
        "tail": asdict(hybrid.tails[member]),
        "map_tail": asdict(hybrid.map_tails[member]) if hybrid.map_tails else None,
        **{name: provenance.get(name) for name in ("reads", "detector", "runtime")},
        "model": model,
    }


def _scales(record: Mapping[str, Any]) -> State:
    tails = {member: found["tail"] for member, found in record.items()}
    maps = {member: found["map_tail"] for member, found in record.items() if found["map_tail"]}
    return State({}, {"tails": tails, "map_tails": maps})


def _fused(hybrid: Hybrid, source: Path, file: str) -> tuple[np.ndarray, Prediction]:
    table, maps = read_table(source / file), source / FILES[file]
    scores = np.stack([np.asarray(table[f"{paths.EVIDENCE}{member}"]) for member in hybrid.options.members])
    found = open_array(maps) if maps.is_file() else None
    parts = [  # in float64 only a few at a time
        hybrid.fuse(scores[:, some], None if found is None else found[:, some])
        for some in (slice(start, start + BLOCK) for start in range(0, max(1, scores.shape[1]), BLOCK))
    ]
    fused = None if found is None else np.concatenate([part.anomaly_map for part in parts])
    return np.asarray(table["image_id"]), Prediction(np.concatenate([part.pred_score for part in parts]), fused)
