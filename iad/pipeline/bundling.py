"""A bundle of what the last `dvc repro` left; nothing is fitted or scored again."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pandas as pd

from iad import paths
from iad.bundles.bundle import Bundle, CalibrationSet, Maps, Origin, PictureSet, Preprocess, Rule
from iad.bundles.fitted import Fitted, read_fitted
from iad.bundles.pictures import described
from iad.config import Params
from iad.data.image_size import ImageSize
from iad.data.manifest import read_manifest, rows_of
from iad.data.pictures import stored_looks
from iad.decision.promises import Threshold, shared_scheme
from iad.decision.thresholds import option_names, set_threshold
from iad.detectors import detector_names
from iad.detectors.base import Extendable
from iad.detectors.embeddings import Embeddings
from iad.errors import IadError, unknown
from iad.gate.ran import older, require_ran, stage_of
from iad.io import open_array, read_json, read_table
from iad.options import flat
from iad.pipeline.inputs import read_embeddings, read_record, read_region, require_same_pictures
from iad.report.overlay import red_scale
from iad.versions import installed

BLOCK = 256  # pictures in memory at once


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
    require_method(params, method)
    fitted, manifest = read_fitted(method), read_manifest(paths.MANIFEST)
    records = {reads: read_record(reads) for reads in sorted(fitted.sources())}
    require_ran(("preprocess", *map(stage_of, records), *_scores(fitted), f"threshold@{method}"))
    require_fitted(params, fitted)
    require_same_input(fitted, records, manifest)
    pictures = _named(params, manifest, rows_of(manifest, "train"))
    calibration = _calibration(params, fitted, manifest, pictures, extendable=extendable)
    embedders = {reads: _of_backbone(record) for reads, record in records.items() if "weights_sha256" in record}
    rule = _rule(params)
    return Bundle(
        packed=fitted.pack(),
        pictures=pictures,
        calibration=calibration,
        threshold=_threshold(method, calibration, rule),
        rule=rule,
        preprocess=Preprocess(
            ImageSize.of_arrays(open_array(paths.IMAGES)), params.preprocess.white_16bit, params.data.max_megapixels,
            read_region(),
        ),
        embedders=embedders,
        weights={reads: _weights(record, reads) for reads, record in embedders.items()} if with_weights else {},
        maps=_maps(params, method, calibration.map_scheme),
        origin=Origin(
            **installed(), revision=revision(), source=params.data.source, category=params.data.category,
            precision=_precision(fitted),
        ),
    )  # fmt: skip


def require_method(params: Params, method: str) -> None:
    """Refuse a method that `params.yaml` does not list.

    Raises:
        IadError: saying whether no method has this name, or one that is switched off.
    """
    if method in params.methods:
        return
    used = {spec.detector for spec in params.methods.values()}
    unused = [kind for kind in detector_names() if kind not in used]
    ran = (paths.SCORE / method).is_dir()
    if not ran and not any(method == kind or method.startswith(f"{kind}_") for kind in unused):
        raise unknown("method", method, params.methods)
    raise IadError(
        f"method '{method}' is switched off: {paths.PARAMS} does not list it under methods; add it there as "
        f"docs/detectors.md says and run `dvc repro`, or name one of {', '.join(params.methods)}"
    )


def require_fitted(params: Params, fitted: Fitted) -> None:
    """Refuse a method that was fitted with other parameters than those of `params.yaml`, whoever ran its stage.

    Raises:
        IadError: naming the key and both values.
    """
    spec, stage = params.methods[fitted.method], f"score@{fitted.method}"
    options = params.options(spec.params).model_dump(mode="json")
    wanted = {"seed": params.seed, f"methods.{fitted.method}.reads": spec.reads}
    wanted |= flat({spec.params: options})
    found = {"seed": fitted.detector.seed, f"methods.{fitted.method}.reads": fitted.reads}
    found |= flat({spec.params: fitted.detector.options.model_dump(mode="json")})
    for key, value in wanted.items():
        if found.get(key) != value:
            raise older(key, value, stage, found.get(key))
    for member in fitted.members:
        require_fitted(params, member)


def require_same_input(fitted: Fitted, records: Mapping[str, Mapping[str, Any]], manifest: pd.DataFrame) -> None:
    """Refuse a method that was fitted to other pictures, or the output of another network, than are there now.

    Args:
        fitted: the method.
        records: what each stage says of the network that it used, by the stage.
        manifest: of all pictures.

    Raises:
        IadError: naming what differs.
    """
    for reads, record in records.items():
        require_same_pictures(reads, record, manifest)
    for one in fitted.members or (fitted,):
        then = flat(read_json(paths.SCORE / one.method / paths.PROVENANCE)["model"])
        now = flat({key: value for key, value in records[one.reads].items() if key != "runtime"})
        if differs := next((key for key in {**then, **now} if then.get(key) != now.get(key)), None):
            raise IadError(
                f"{paths.SCORE / one.method}: was fitted to other output of {one.reads} than is there now ({differs}); "
                "run `dvc repro`"
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


def _of_backbone(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is true of the backbone itself, whatever it looked at."""
    return {name: value for name, value in record.items() if name != "pictures"}


def _rule(params: Params) -> Rule:
    chosen = params.threshold
    return Rule(chosen.strategy, {name: getattr(chosen, name) for name in option_names(chosen.strategy)})


def _threshold(method: str, calibration: CalibrationSet, rule: Rule) -> Threshold:
    """The threshold that the stage set, which must be the one that follows from the scores that are there now."""
    path = paths.THRESHOLD / method / paths.THRESHOLD_FILE
    found = set_threshold(calibration.scores, rule.strategy, rule.options, scheme=calibration.scheme, origin=str(path))
    written = read_json(path)
    if (written.get("strategy"), written.get("value")) != (found.strategy, found.value):
        raise IadError(f"{path}: is not the threshold of the scores and parameters that are here now; run `dvc repro`")
    return found


def _precision(fitted: Fitted) -> str | None:
    """In which precision a network computed that is no backbone, and so has no record; None if there is none."""
    own = next((one for one in (fitted, *fitted.members) if one.detector.takes == "pixels"), None)
    if own is None:
        return None
    return str(read_json(paths.SCORE / own.method / paths.PROVENANCE)["runtime"]["precision"])


def _scores(fitted: Fitted) -> list[str]:
    members = [f"score@{member.method}" for member in fitted.members]
    return [*members, *([stage_of(fitted.reads)] if members else []), f"score@{fitted.method}"]


def _calibration(
    params: Params, fitted: Fitted, manifest: pd.DataFrame, pictures: PictureSet, *, extendable: bool
) -> CalibrationSet:
    path = paths.SCORE / fitted.method / paths.CALIBRATION_SCORES
    table = read_table(path)
    place = {image_id: row for row, image_id in enumerate(manifest["image_id"])}
    if absent := [image_id for image_id in table["image_id"] if image_id not in place]:
        raise IadError(f"{path}: no picture '{absent[0]}' in {paths.MANIFEST}; run `dvc repro`")
    rows = np.array([place[image_id] for image_id in table["image_id"]], dtype=np.int64)
    number = {row: one for one, row in enumerate(rows_of(manifest, "train").tolist())}
    fitted_to = np.array([number.get(row, -1) for row in rows.tolist()], dtype=np.int64)
    scheme, map_scheme = (shared_scheme(table[name], str(path)) for name in ("scheme", "map_scheme"))
    kept = _kept(fitted, manifest, rows, fitted_to) if extendable else {}
    calibrating = pictures.take(fitted_to) if (fitted_to >= 0).all() else _named(params, manifest, rows)
    return CalibrationSet(calibrating, fitted_to, np.asarray(table["score"]), scheme, map_scheme, kept)


def _kept(fitted: Fitted, manifest: pd.DataFrame, rows: np.ndarray, fitted_to: np.ndarray) -> dict[str, np.ndarray]:
    """What the detector takes of the calibrating pictures, unless it can recall all of them itself."""
    detector = fitted.detector
    if not isinstance(detector, Extendable):
        raise IadError(f"{fitted.method}: {fitted.kind} takes no more pictures once fitted; leave --extendable out")
    if (fitted_to >= 0).all() and detector.recall(fitted_to[:1]) is not None:
        return {}
    return parts_of(read_embeddings(fitted.reads, manifest).take(rows), detector.takes)


def parts_of(embeddings: Embeddings, takes: str) -> dict[str, np.ndarray]:
    """The arrays that a detector looks at, by name.

    >>> list(parts_of(Embeddings(pooled=np.zeros((1, 2)), patches=np.zeros((1, 1, 1, 2))), "pooled"))
    ['pooled']
    """
    names = ("pooled", "contributions") if takes == "pooled" else (takes,)
    found = {name: getattr(embeddings, name) for name in names}
    return {name: np.asarray(part) for name, part in found.items() if part is not None}


def _maps(params: Params, method: str, map_scheme: str) -> Maps | None:
    path = paths.SCORE / method / paths.CALIBRATION_MAPS
    if not path.is_file():
        return None
    sigma, rate = params.evaluate.map_sigma, params.evaluate.red_rate
    size, region = ImageSize.of_arrays(open_array(paths.IMAGES)), read_region()
    scale = red_scale(open_array(path), size, sigma, rate, map_scheme, region=region, origin=str(path))
    return Maps(sigma, rate, **scale)


def _weights(record: Mapping[str, Any], origin: str) -> dict[str, np.ndarray]:
    from iad.features.embedder import Embedder

    return Embedder.from_record(record, device="cpu", section=origin).state_dict()


def _named(params: Params, manifest: pd.DataFrame, rows: np.ndarray) -> PictureSet:
    ids, hashes = (np.asarray(manifest[name])[rows].tolist() for name in ("image_id", "sha256"))
    images, most = open_array(paths.IMAGES), params.data.max_megapixels

    def block(start: int) -> PictureSet:
        some = slice(start, start + BLOCK)
        pixels = images[rows[some]]
        looks = stored_looks(paths.ORIGINALS, ids[some], pixels, max_megapixels=most)
        return described(ids[some], hashes[some], looks, pixels)

    return reduce(add, map(block, range(0, max(len(rows), 1), BLOCK)))
