"""Asking a fitted method about pictures on the nodes of a cluster.

What was fitted travels as arrays and plain values, as a bundle holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from iad.bundles.fitted import Fitted, unpack
from iad.compute import Runtime, start
from iad.detectors.base import Prediction
from iad.detectors.embeddings import PARTS, Embeddings
from iad.engine import Block, Engine
from iad.engine.columns import Columns
from iad.neighbors.rows import Rows, RowView

LOOKED_AT = {"pixels": ("pixels",), "pooled": ("pooled", "contributions"), "patches": ("patches",)}
"""Parts of `Embeddings` that a detector looks at when it is asked, by what it takes."""

NAMES, LEAVE_OUT, SCORE, MAP = "names", "leave_out", "pred_score", "anomaly_map"


def predict_there(
    engine: Engine, fitted: Fitted, pictures: Embeddings, *, leave_out: np.ndarray | None = None
) -> Prediction:
    """Ask a fitted method as its detector's `predict` does.

    Args:
        engine: the cluster.
        fitted: the method.
        pictures: of the kind that its detector takes.
        leave_out: as in `iad.detectors.base.Detector.predict`.
    """
    detector = fitted.detector
    runtime = detector.runtime if detector.uses_torch else None
    source = _asked(pictures, detector.takes, leave_out)
    make = partial(Ask, *fitted.pack(), runtime, pictures.pooling, engine.threads)
    parts = [
        Prediction(found[SCORE], found.get(MAP))
        for _, found in engine.map(
            make, source, title=f"scores of {fitted.method}", each=source.row_bytes, threads=engine.threads,
            cards=int(runtime is not None and runtime.device == "cuda"),
        )
    ]  # fmt: skip
    maps = [part.anomaly_map for part in parts if part.anomaly_map is not None]
    return Prediction(np.concatenate([part.pred_score for part in parts]), np.concatenate(maps) if maps else None)


class Ask:
    """The work of `predict_there` on a block of pictures, columns as the parts of `Embeddings`.

    Args:
        values: of the fitted method, as `Fitted.pack` gives them.
        arrays: of the same.
        runtime: where detectors that use PyTorch compute; None of others.
        pooling: of the embeddings.
        threads: CPU threads.
    """

    def __init__(
        self, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], runtime: Runtime | None, pooling: str,
        threads: int,
    ) -> None:  # fmt: skip
        if runtime is not None:
            start(device=runtime.device, precision=runtime.precision, threads=threads)
        self.detector = unpack(values, arrays, runtime).detector
        self.pooling = pooling

    def __call__(self, block: Block) -> Block:
        """Scores, and maps where the detector has some."""
        parts: dict[str, Any] = {part: block[part] for part in PARTS if part in block}
        pictures = Embeddings(**parts, pooling=self.pooling, names=block.get(NAMES))
        said = self.detector.predict(pictures, leave_out=block.get(LEAVE_OUT))
        maps = {} if said.anomaly_map is None else {MAP: said.anomaly_map}
        return {SCORE: said.pred_score, **maps}


def _asked(pictures: Embeddings, takes: str, leave_out: np.ndarray | None) -> Columns:
    found = {part: getattr(pictures, part) for part in LOOKED_AT[takes]}
    columns = {part: _chosen(rows) for part, rows in found.items() if rows is not None}
    if pictures.names is not None:
        columns[NAMES] = _chosen(np.asarray(pictures.names, dtype=object))
    if leave_out is not None:
        columns[LEAVE_OUT] = _chosen(leave_out)
    return Columns(columns)


def _chosen(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(rows, RowView):
        return np.asarray(rows.array), rows.rows
    return rows, np.arange(len(rows))
