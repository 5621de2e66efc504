"""AUROC of the classical detectors beside kNN, on the features of both backbones, with intervals.

Run it after `make repro`, from the repository's top folder: python benchmarks/classical.py [folder of stages ...]
Options are those of params.yaml, features as they are and standardised. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from iad.detectors.classical import DETECTORS, fit_detector
from sklearn.metrics import roc_auc_score

from iad import paths
from iad.config import Params, load_params
from iad.data.manifest import read_manifest, rows_of
from iad.detectors.knn.search import knn_scores
from iad.io import open_array
from iad.statistics.bootstrap import bootstrap_intervals


def auroc(labels: np.ndarray, scores: np.ndarray, params: Params) -> str:
    """AUROC with its interval, as a cell of a Markdown table."""
    draws, confidence = params.evaluate.bootstrap, params.evaluate.confidence
    rejected = scores >= np.median(scores)  # no verdict is asked for here
    intervals = bootstrap_intervals(labels, scores, rejected, draws=draws, confidence=confidence, seed=params.seed)
    return f"{roc_auc_score(labels, scores):.3f} [{intervals['auroc'].low:.3f}, {intervals['auroc'].high:.3f}]"


def row(name: str, train: np.ndarray, test: np.ndarray, *, standardize: bool, params: Params) -> np.ndarray:
    """Scores of the test pictures by one detector."""
    if name == "kNN":
        query = {"k": params.method.k, "metric": params.method.metric, "aggregate": params.method.aggregate}
        return knn_scores(train, test, standardize=standardize, **query)
    options = getattr(params.classical, name).model_dump(exclude={"folds", "standardize"})
    return fit_detector(name, train, standardize=standardize, seed=params.seed, options=options)(test)


def table(stages: Path, params: Params) -> dict[str, list[str]]:
    """Print the table of one data set."""
    manifest = read_manifest(stages / paths.MANIFEST.relative_to(paths.STAGES))
    train, test = rows_of(manifest, "train"), rows_of(manifest, "test")
    labels, cells = manifest["label"].to_numpy()[test], {}
    print(f"\n{len(train)} good pictures train, {len(test)} test\n")
    print("| detector | CNN | CNN, standardised | ViT | ViT, standardised |\n|---|---|---|---|---|")
    for name in ["kNN", *DETECTORS]:
        cells[name] = []
        for folder in (paths.EXTRACT_RESNET, paths.EXTRACT_VIT):
            features = open_array(stages / folder.name / paths.FEATURES)
            for standardize in (False, True):
                if name == "zscore" and standardize:
                    cells[name].append("the same")
                    continue
                scores = row(name, features[train], features[test], standardize=standardize, params=params)
                cells[name].append(auroc(labels, scores, params))
        print(f"| `{name}` | {' | '.join(cells[name])} |", flush=True)
    return cells


if __name__ == "__main__":
    chosen = load_params()
    print(json.dumps([table(Path(folder), chosen) for folder in sys.argv[1:] or [paths.STAGES]]))
