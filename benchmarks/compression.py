"""AUROC, memory and query time of kNN with each kind of compression of the embeddings.

Run it after `make repro`, with the extra iad[faiss], from the repository's top folder:
python benchmarks/compression.py [rows] [folder of stages]. The first table is of the pictures' embeddings, the second
of a generated bank of 200,000 x 384 in 1,000 clusters; there the AUROC is that of telling new pictures of the clusters
from such with a little noise added. One query at a time, as on a line. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import BACKBONES, Run, command, machine

from iad import paths
from iad.detectors.knn.search import Neighbors
from iad.metrics.image import auroc

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
    projection = neighbors.projection
    axes = 0 if projection is None else projection.axes.nbytes
    index = neighbors.state().arrays.get("index")
    width = neighbors.bank.shape[1] if projection is None else len(projection.axes)
    rows = neighbors.size * width * np.dtype(np.float32).itemsize if index is None else index.nbytes
    return (rows + axes) / 1e6


def measure(bank: np.ndarray, queries: np.ndarray, setting: dict[str, Any]) -> dict[str, Any]:
    """Build, search all queries at once, then time some of them one by one."""
    start = time.perf_counter()
    neighbors = Neighbors(bank, metric="euclidean", standardize=False, **setting)
    built = time.perf_counter()
    scores = neighbors.nearest(queries, k=K).scores("mean")
    times = []
    for query in queries[: min(QUERIES, len(queries)), None]:
        begin = time.perf_counter()
        neighbors.nearest(query, k=K).scores("mean")
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


def cases(rows: int, stages: Path) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, bank, queries, and labels of the queries."""
    run = Run(stages)
    found = []
    for folder in BACKBONES.values():
        pooled = run.array(folder / paths.FEATURES)
        found.append((folder.name, pooled[run.train], pooled[run.test], run.labels))
    bank, good = clusters(rows, 500)
    noise = np.random.default_rng(1).standard_normal(good.shape, dtype=np.float32) / 4
    return [*found, ("generated", bank, np.concatenate([good, good + noise]), np.repeat([0, 1], len(good)))]


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("rows", nargs="?", type=int, default=200_000, help="of the generated bank (default: 200,000)")
    parser.add_argument("folder", nargs="?", type=Path, default=paths.STAGES, help="of stages (default: stages)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    asked = options().parse_args(arguments)
    print(f"{machine('numpy', 'faiss-cpu')}\n")
    print("| features | search | AUROC | kept, MB | fit, s | one query, ms |\n|---|---|---|---|---|---|")
    kept = []
    for case, bank, queries, labels in cases(asked.rows, asked.folder):
        for name, setting in SETTINGS.items():
            if (setting.get("pca") or 0) > min(bank.shape):
                continue  # fewer components than that
            found = measure(bank, queries, setting)
            found["auroc"] = auroc(labels, found.pop("scores")) or 0.0
            line = f"{found['auroc']:.4f} | {found['MB']:.2f} | {found['fit s']:.2f} | {found['query ms']:.2f}"
            print(f"| {case}, {len(bank):,} x {bank.shape[1]} | {name} | {line} |", flush=True)
            kept.append({"features": case, "search": name} | found)
    print(json.dumps(kept))


if __name__ == "__main__":
    main()
