"""Pooled features and their nearest good neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iad import paths
from iad.data.manifest import rows_of
from iad.detectors.knn import Neighbors
from iad.io import Table, open_array, read_json
from iad.params import Params
from iad.stages.scorers import Scheme, Scores


def compute(params: Params, manifest: Table, source: Path) -> Scores:
    """Score by distance to the training pictures; these are scored leaving themselves out."""
    method = params.method
    query: dict[str, Any] = {"k": method.k, "aggregate": method.aggregate}
    search: dict[str, Any] = {
        "metric": method.metric, "standardize": method.standardize, "pca": method.pca, "index": method.index,
    }  # fmt: skip
    features = open_array(source / paths.FEATURES)
    record = read_json(source / paths.BACKBONE_RECORD)
    train, test = rows_of(manifest, "train"), rows_of(manifest, "test")
    bank, own_split = features[train], rows_of(manifest, "calibration")
    neighbors = Neighbors(bank, **search)
    if len(own_split):
        calibration = neighbors.scores(features[own_split], **query)
    else:
        calibration = neighbors.leave_one_out(bank, **query)
    return Scores(
        calibration_rows=own_split if len(own_split) else train,
        calibration=calibration,
        scheme="split" if len(own_split) else _left_out(**search),
        test=neighbors.scores(features[test], **query),
        detector={"name": "knn", **query, **search, **neighbors.reduced(), "bank": len(bank)},
        model={name: value for name, value in record.items() if name != "runtime"},
        runtime=record["runtime"],
    )


def _left_out(metric: str, standardize: bool, pca: float, index: str) -> Scheme:  # noqa: ARG001  # takes all settings
    # a picture that is left out of the bank still moves the mean and deviation of standardised features, the principal
    # components, and what an approximate index finds
    return "jackknife" if standardize or pca or index != "exact" else "leave_one_out"
