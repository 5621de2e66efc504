"""Stage `score`: one anomaly score per picture, from one method."""

from __future__ import annotations

from typing import Annotated

import typer


def score(method: Annotated[str, typer.Argument(help="A key of `methods` in params.yaml.")]) -> None:
<<<<<<< HEAD
    """Fit one method to good pictures, and score the test pictures and, out of sample, good ones with it."""
    from iad.config import load_params
    from iad.pipeline.scoring import score_method
=======
    """Score the test pictures, and good pictures out of sample, with one method."""
    params = load_params()
    if method not in params.methods:
        raise unknown("method", method, params.methods)
    chosen, folder = params.methods[method], paths.SCORE / method
    manifest = read_manifest(paths.MANIFEST)
    scores = load_scorer(chosen.params)(params, manifest, paths.STAGES / chosen.reads)
    test = {name: manifest[name].to_numpy()[rows_of(manifest, "test")] for name in ("image_id", "label", "defect")}
    calibration = {"image_id": manifest["image_id"].to_numpy()[scores.calibration_rows], "score": scores.calibration}
    scheme = [scores.scheme] * len(scores.calibration)
    write_table(folder / paths.CALIBRATION_SCORES, calibration | {"scheme": scheme})
    write_table(folder / paths.TEST_SCORES, test | {"score": scores.test})
    if scores.maps is not None:
        write_maps(folder / paths.CALIBRATION_MAPS, scores.maps.calibration)
        write_maps(folder / paths.TEST_MAPS, scores.maps.test)
    provenance = {"detector": scores.detector, "model": scores.model, "runtime": scores.runtime}
    write_json(folder / paths.PROVENANCE, {"method": method, "reads": chosen.reads} | provenance)
    say(f"score: {method}: {len(scores.calibration)} calibration and {len(scores.test)} test pictures")
>>>>>>> data

    score_method(load_params(), method)
