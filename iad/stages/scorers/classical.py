"""Pooled features and a classical detector, refitted for each fold of good pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from iad import paths
from iad.data.manifest import rows_of
from iad.detectors.classical import fit_detector
from iad.detectors.folds import k_fold_scores
from iad.io import Table, open_array, read_json
from iad.config import Params
from iad.stages.scorers import Scores


def compute(params: Params, manifest: Table, source: Path, *, name: str) -> Scores:
    """Score by a detector fitted to the training pictures; these are scored fold by fold.

    A fold's detector is fitted on fewer pictures than the one that scores the test pictures; `provenance.json` says on
    how many.
    """
    options = getattr(params.classical, name).model_dump()
    folds, standardize = options.pop("folds"), options.pop("standardize", False)
    features = open_array(source / paths.FEATURES)
    record = read_json(source / paths.BACKBONE_RECORD)
    train, test, own_split = (rows_of(manifest, split) for split in ("train", "test", "calibration"))
    good = features[train]
    fit = partial(fit_detector, name, standardize=standardize, seed=params.seed, options=options)
    fitted = {"fitted_to": len(good)}
    if len(own_split):
        calibration = fit(good)(features[own_split])
    else:
        calibration = k_fold_scores(fit, good, folds=folds, seed=params.seed, name=f"classical.{name}.folds")
        fitted |= {"folds": folds, "calibration_fitted_to_at_least": len(good) - -(-len(good) // folds)}
    return Scores(
        calibration_rows=own_split if len(own_split) else train,
        calibration=calibration,
        scheme="split" if len(own_split) else "k_fold",
        test=fit(good)(features[test]),
        detector={"name": name, "standardize": standardize, **options, **fitted},
        model={key: value for key, value in record.items() if key != "runtime"},
        runtime=record["runtime"],
    )
