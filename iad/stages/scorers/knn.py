"""Pooled features and their nearest good neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from iad import paths
from iad.data.manifest import rows_of
from iad.detectors.knn.attribution import Places, attribution_maps
from iad.detectors.knn.search import Nearest, Neighbors
from iad.io import Table, open_array, read_json
from iad.config import Params
from iad.stages.scorers import AnomalyMaps, Scheme, Scores


def compute(params: Params, manifest: Table, source: Path) -> Scores:
    """Score by distance to the training pictures; these are scored leaving themselves out."""
    method = params.method
    search: dict[str, Any] = {
        "metric": method.metric, "standardize": method.standardize, "pca": method.pca, "index": method.index,
    }  # fmt: skip
    features = open_array(source / paths.FEATURES)
    record = read_json(source / paths.BACKBONE_RECORD)
    train, test = rows_of(manifest, "train"), rows_of(manifest, "test")
    bank, own_split = features[train], rows_of(manifest, "calibration")
    calibration = own_split if len(own_split) else train
    neighbors = Neighbors(bank, **search)
    known = neighbors.nearest(features[calibration], k=method.k, leave_out=not len(own_split))
    new = neighbors.nearest(features[test], k=method.k)

    def maps(nearest: Nearest, pictures: np.ndarray) -> np.ndarray:
        places = Places(features, open_array(source / paths.PLACES), record["pooling"])
        return attribution_maps(neighbors, nearest, places, pictures, train, aggregate=method.aggregate)

    return Scores(
        calibration_rows=calibration,
        calibration=known.scores(method.aggregate),
        scheme="split" if len(own_split) else _left_out(**search),
        test=new.scores(method.aggregate),
        detector={
            "name": "knn", "k": method.k, "aggregate": method.aggregate, **search, **neighbors.reduced(),
            "bank": len(bank),
        },
        model={name: value for name, value in record.items() if name != "runtime"},
        runtime=record["runtime"],
        maps=AnomalyMaps(maps(known, calibration), maps(new, test)) if record.get("attribution") else None,
    )  # fmt: skip


def _left_out(metric: str, standardize: bool, pca: float, index: str) -> Scheme:  # noqa: ARG001  # takes all settings
    # a picture that is left out of the bank still moves the mean and deviation of standardised features, the principal
    # components, and what an approximate index finds
    return "jackknife" if standardize or pca or index != "exact" else "leave_one_out"
