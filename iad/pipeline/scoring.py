"""Stage `score`: fit a method to good pictures, keep it, and let what was kept score the test pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iad import paths
from iad.bundles.fitted import Fitted, unpack, write_fitted
from iad.config import MethodSpec, Params
from iad.data.manifest import read_manifest, rows_of
from iad.detectors import HYBRID, detector_class
from iad.detectors.base import Detector, Prediction
from iad.detectors.calibrate import Ask, Calibration, calibrate
from iad.detectors.embeddings import Embeddings
from iad.engine import Engine, connected
from iad.errors import unknown
from iad.io import new_array, write_json, write_table
from iad.pipeline.inputs import good_embeddings, read_embeddings, read_record, read_trained, require_output
from iad.progress import say

if TYPE_CHECKING:
    from iad.compute import Runtime


def score_method(params: Params, method: str) -> None:
    """Fit, calibrate and test one method, and write its artefacts.

    Raises:
        IadError: if there is no such method, or as its detector says.
    """
    if method not in params.methods:
        raise unknown("method", method, params.methods)
    if params.methods[method].detector == HYBRID:
        from iad.pipeline.fusing import score_hybrid

        score_hybrid(params, method)
    else:
        _score(params, method)


def write_scores(method: str, image_ids: np.ndarray, found: Calibration, test: pd.DataFrame, said: Prediction) -> None:
    """Write what one method says of good pictures and of the test pictures, scores and maps.

    Args:
        method: its name.
        image_ids: str `(K,)`, of the pictures that calibrate.
        found: of these.
        test: rows of the manifest.
        said: of these.
    """
    folder = paths.SCORE / method
    schemes = {"scheme": found.scheme, "map_scheme": found.map_scheme}
    calibration = pd.DataFrame({"image_id": image_ids, "score": found.prediction.pred_score}).assign(**schemes)
    tested = test[["image_id", "label", "defect"]].assign(score=said.pred_score)
    write_table(folder / paths.CALIBRATION_SCORES, calibration)
    write_table(folder / paths.TEST_SCORES, tested)
    for name, prediction in ((paths.CALIBRATION_MAPS, found.prediction), (paths.TEST_MAPS, said)):
        if prediction.anomaly_map is None:
            (folder / name).unlink(missing_ok=True)  # of an earlier run, by hand
        else:
            write_maps(folder / name, prediction.anomaly_map)
    say(f"score: {method}: {len(calibration)} calibration and {len(tested)} test pictures")


def write_maps(path: Path, maps: np.ndarray) -> None:
    """Write anomaly maps, float32 `(K, h, w)`, or evidence, `(members, K, h, w)`."""
    with new_array(path, maps.shape, np.float32) as array:
        array[:] = maps


def _score(params: Params, method: str) -> None:
    spec, manifest = params.methods[method], read_manifest(paths.MANIFEST)
    embeddings, record = read_embeddings(spec.reads, manifest), read_record(spec.reads)
    ids = np.asarray(manifest["image_id"])
    train, apart, test = (rows_of(manifest, split) for split in ("train", "calibration", "test"))
    unfitted, good = _unfitted(params, method, record), good_embeddings(spec.reads, embeddings, train)
    if (trained := read_trained(spec.reads, ids[train])) is not None:
        unfitted.resume(trained)
    _say_forecast(method, unfitted, good, len(apart), len(test))
    fitted = _fit(method, spec, unfitted, good, calibrated_apart=len(apart) > 0)
    with connected(params.compute.engine, threads=params.compute.threads) as engine:
        ask = _asker(fitted, engine)
        found = calibrate(fitted.detector, good, embeddings.take(apart), seed=params.seed, ask=ask)
        said = ask(embeddings.take(test))
    write_fitted(fitted)  # after all is computed, so that a refusal leaves what was there as it was
    write_scores(method, ids[(apart if found.set_apart else train)[found.rows]], found, manifest.iloc[test], said)
    _write_provenance(params, method, fitted.detector, found, record)


def _say_forecast(method: str, detector: Detector[Any], good: Embeddings, apart: int, test: int) -> None:
    calibrating = apart or min(detector.most_calibrating or len(good), len(good))
    if not len(good) or (found := detector.outlook(good, calibrating + test)) is None:
        return
    from iad.compute import available_memory
    from iad.pipeline.forecast import forecast, require_memory

    require_memory(found, available_memory())
    if line := forecast(found):
        say(f"score: {method}: {line}")


def _fit(
    method: str, spec: MethodSpec, unfitted: Detector[Any], good: Embeddings, *, calibrated_apart: bool
) -> Fitted:  # fmt: skip
    """Fit, and make the detector again from what will be kept, so that this is what is measured."""
    fitted = Fitted(method, spec.detector, spec.reads, unfitted.fit(good, calibrated_apart=calibrated_apart))
    for line in fitted.detector.remarks():
        say(line)
    return unpack(*fitted.pack(), unfitted.runtime)


def _asker(fitted: Fitted, engine: Engine | None) -> Ask:
    if engine is None:
        return fitted.detector.predict
    from iad.pipeline.scoring_there import predict_there

    return partial(predict_there, engine, fitted)


def _unfitted(params: Params, method: str, record: dict[str, Any]) -> Detector[Any]:
    spec = params.methods[method]
    made = detector_class(spec.detector)
    require_output(spec.reads, made.takes, record)
    return made(params.options(spec.params), seed=params.seed, runtime=_runtime(params) if made.uses_torch else None)


def _runtime(params: Params) -> Runtime:
    from iad import compute

    chosen = params.compute
    return compute.start(device=chosen.device, precision=chosen.precision, threads=chosen.threads, seed=params.seed)


def _write_provenance(
    params: Params, method: str, detector: Detector[Any], found: Calibration, record: dict[str, Any]
) -> None:
    spec = params.methods[method]
    options = detector.options.model_dump(mode="json")
    own = detector.runtime.record() if detector.takes == "pixels" and detector.runtime else record["runtime"]
    write_json(
        paths.SCORE / method / paths.PROVENANCE,
        {
            "method": method, "reads": spec.reads,
            "detector": {"name": spec.detector, **options, **detector.record(), **found.record},
            "model": {name: value for name, value in record.items() if name != "runtime"},
            "runtime": own,
        },
    )  # fmt: skip
