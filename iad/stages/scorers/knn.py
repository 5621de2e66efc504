"""Pooled features and their nearest good neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iad import paths
from iad.data.manifest import rows_of
from iad.detectors.knn import knn_scores, leave_one_out_scores
from iad.io import Table, open_array, read_json
from iad.params import Params
from iad.stages.scorers import Scheme, Scores


def compute(params: Params, manifest: Table, source: Path) -> Scores:
    """Score by distance to the training pictures; these are scored leaving themselves out."""
    settings: dict[str, Any] = {
        "k": params.method.k,
        "metric": params.method.metric,
        "standardize": params.method.standardize,
        "aggregate": params.method.aggregate,
    }
    features = open_array(source / paths.FEATURES)
    record = read_json(source / paths.BACKBONE_RECORD)
    train, test = rows_of(manifest, "train"), rows_of(manifest, "test")
    bank, own_split = features[train], rows_of(manifest, "calibration")
    if len(own_split):
        calibration = knn_scores(bank, features[own_split], **settings)
    else:
        calibration = leave_one_out_scores(bank, **settings)
    return Scores(
        calibration_rows=own_split if len(own_split) else train,
        calibration=calibration,
        scheme="split" if len(own_split) else _left_out(params.method.standardize),
        test=knn_scores(bank, features[test], **settings),
        detector={"name": "knn", **settings, "bank": len(bank)},
        model={name: value for name, value in record.items() if name != "runtime"},
        runtime=record["runtime"],
    )


def _left_out(standardize: bool) -> Scheme:
    # a picture that is left out of the bank still moves the mean and deviation of standardised features
    return "jackknife" if standardize else "leave_one_out"
