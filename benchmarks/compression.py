"""AUROC, memory and query time of kNN with each kind of feature compression.

Run it after `make repro`, with the extra iad[faiss], from the repository's top folder:
python benchmarks/compression.py [rows] [folder of stages]. The first table is of the pictures' own features, the second
of a generated bank of 200,000 x 384 in 1,000 clusters; there the AUROC is that of telling new pictures of the clusters
from such with a little noise added. One query at a time, as on a line. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from iad import paths
from iad.data.manifest import read_manifest, rows_of
from iad.detectors.knn.search import Neighbors
from iad.io import open_array

K, QUERIES = 5, 30
SETTINGS: dict[str, dict[str, Any]] = {
    "exact": {},
    "PCA 0.95": {"pca": 0.95},
    "PCA 64": {"pca": 64},
    "HNSW": {"index": "hnsw"},
    "IVF-PQ": {"index": "ivfpq"},
    "PCA 64, IVF-PQ": {"pca": 64, "index": "ivfpq"},
}


def megabytes(neighbors: Neighbors) -> float:
    """What has to be kept to answer queries, in MB."""
    projection = 0 if neighbors.projection is None else neighbors.projection.axes.nbytes
    index = getattr(neighbors._search, "__self__", None)  # the approximate ones are methods of an index
    if index is None:
        return (neighbors._bank.nbytes + projection) / 1e6
    import faiss

    return (len(faiss.serialize_index(index.index)) + projection) / 1e6


def measure(bank: np.ndarray, queries: np.ndarray, setting: dict[str, Any]) -> dict[str, Any]:
    """Build, search all queries at once, then time some of them one by one."""
    start = time.perf_counter()
    neighbors = Neighbors(bank, metric="euclidean", standardize=False, **setting)
    built = time.perf_counter()
    scores = neighbors.scores(queries, k=K, aggregate="mean")
    times = []
    for query in queries[: min(QUERIES, len(queries)), None]:
        begin = time.perf_counter()
        neighbors.scores(query, k=K, aggregate="mean")
        times.append(time.perf_counter() - begin)
    return {
        "scores": scores, "MB": megabytes(neighbors), "fit s": built - start,
        "query ms": 1000 * float(np.median(times)), **neighbors.reduced(),
    }  # fmt: skip


def clusters(rows: int, queries: int, dimensions: int = 384) -> tuple[np.ndarray, np.ndarray]:
    """A bank and queries of the same 1,000 clusters, each with 32 directions of its own, float32."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1000, dimensions), dtype=np.float32)
    spread = rng.standard_normal((1000, 32, dimensions), dtype=np.float32) / 8
    parts = []
    for _ in range(0, rows + queries, 1000):
        own = rng.standard_normal((1000, 1, 32), dtype=np.float32)
        parts.append(centres + (own @ spread)[:, 0] + rng.standard_normal(centres.shape, dtype=np.float32) / 20)
    drawn = np.concatenate(parts)
    return drawn[:rows], drawn[rows : rows + queries]


def main(rows: int, stages: Path) -> None:
    """Print the table."""
    manifest = read_manifest(stages / paths.MANIFEST.relative_to(paths.STAGES))
    train, test = rows_of(manifest, "train"), rows_of(manifest, "test")
    cases = []
    for folder in (paths.EXTRACT_RESNET, paths.EXTRACT_VIT):
        features = open_array(stages / folder.name / paths.FEATURES)
        cases.append((folder.name, features[train], features[test], manifest["label"].to_numpy()[test]))
    bank, good = clusters(rows, 500)
    noise = np.random.default_rng(1).standard_normal(good.shape, dtype=np.float32) / 4
    cases.append(("generated", bank, np.concatenate([good, good + noise]), np.repeat([0, 1], len(good))))
    print("| features | search | AUROC | kept, MB | fit, s | one query, ms |\n|---|---|---|---|---|---|")
    kept = []
    for case, bank, queries, labels in cases:
        for name, setting in SETTINGS.items():
            found = measure(bank, queries, setting)
            found["auroc"] = float(roc_auc_score(labels, found.pop("scores")))
            line = f"{found['auroc']:.4f} | {found['MB']:.2f} | {found['fit s']:.2f} | {found['query ms']:.2f}"
            print(f"| {case}, {len(bank):,} x {bank.shape[1]} | {name} | {line} |", flush=True)
            kept.append({"features": case, "search": name} | found)
    print(json.dumps(kept))


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["200000"])[0]), Path((sys.argv[2:] or [paths.STAGES])[0]))
