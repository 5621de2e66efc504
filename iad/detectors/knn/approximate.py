"""Approximate nearest neighbours by FAISS, an optional extra: less time or less memory, and now and then a miss.

- `hnsw`: Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable
  Small World Graphs" (2018). All features are kept in float32, with a graph; distances are those of the features.
- `ivfpq`: Jegou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search" (2011). One byte per eight
  features is kept; distances are those to the quantised features.

FAISS gives squared Euclidean distances, and so does this module.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from iad.errors import IadError, unknown

LINKS, BUILD_WIDTH, SEARCH_WIDTH = 32, 100, 64  # of HNSW: M, efConstruction, efSearch
CODE_FEATURES = 8  # features per byte of a product quantiser's code
POINTS_PER_CELL = 39  # fewer than these and FAISS calls an inverted file badly trained


@dataclass(frozen=True)
class ApproximateIndex:
    """A FAISS index of `size` rows of `width` features, and how to make its search exhaustive.

    Attributes:
        name: key of `INDEXES`.
        index: the FAISS index, of at least as many features; the others are zeros.
        exhaust: search parameters that reach every row.
    """

    name: str
    index: Any
    exhaust: Any

    def bytes(self) -> np.ndarray:
        """The index in FAISS' own format, uint8."""
        return np.asarray(_faiss(self.name).serialize_index(self.index))

    def nearest_squared(self, queries: np.ndarray, k: int, own: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Find the nearest rows that the index finds.

        Args:
            queries: `(M, D)` of any float type.
            k: number of neighbours, at most the number of rows other than `own`.
            own: int64 `(M,)`, the row to leave out for each query; None leaves out none.

        Returns:
            Squared Euclidean distances, float64 `(M, k)`, ascending, and the rows, int64 `(M, k)`.

        Raises:
            IadError: if the index reaches fewer than k rows, as a graph of many equal rows may.
        """
        wide = _padded(queries, self.index.d)
        wanted = k + (own is not None)
        squared, ids = self.index.search(wide, wanted)
        if (lost := (ids < 0).any(axis=1)).any():
            squared[lost], ids[lost] = self.index.search(wide[lost], wanted, params=self.exhaust)
        if (ids < 0).any():
            raise IadError(
                f"method.index = {self.name}: the index reaches fewer than {wanted} neighbours of some pictures, as "
                "where many are the same; set method.index to exact"
            )
        squared, rows = np.maximum(squared.astype(np.float64), 0), ids.astype(np.int64)
        return (squared, rows) if own is None else without_own(squared, rows, own)


def without_own(squared: np.ndarray, rows: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave each query's own row out of its neighbours, or the last one where it is not among them.

    Args:
        squared: `(M, k + 1)`, ascending.
        rows: int64 `(M, k + 1)`.
        own: int64 `(M,)`.

    Returns:
        The same, `(M, k)`.

    >>> squared, rows = np.array([[0.0, 1.0], [1.0, 2.0]]), np.array([[5, 7], [3, 4]])
    >>> squared, rows = without_own(squared, rows, np.array([5, 9]))  # picture 9 was not found
    >>> squared.tolist(), rows.tolist()
    ([[1.0], [1.0]], [[7], [3]])
    """
    mine = rows == own[:, None]
    drop = np.where(mine.any(axis=1), mine.argmax(axis=1), rows.shape[1] - 1)
    kept, shape = np.arange(rows.shape[1]) != drop[:, None], (len(rows), rows.shape[1] - 1)
    return squared[kept].reshape(shape), rows[kept].reshape(shape)


def build_index(name: str, rows: np.ndarray) -> ApproximateIndex:
    """Index rows `(N, D)` of any float type; they are kept in float32.

    Args:
        name: key of `INDEXES`.
        rows: features, placed where Euclidean distances mean what they should.

    Raises:
        IadError: if the index is unknown, or FAISS is not installed.

    >>> build_index("hnws", np.zeros((2, 8)))
    Traceback (most recent call last):
    iad.errors.IadError: unknown method.index 'hnws'; did you mean 'hnsw'? Known: exact, hnsw, ivfpq
    """
    if name not in INDEXES:
        raise unknown("method.index", name, ["exact", *INDEXES])
    return INDEXES[name](_faiss(name), rows)


def load_index(name: str, stored: np.ndarray, size: int) -> ApproximateIndex:
    """The index of `size` rows whose `bytes` these are.

    Raises:
        IadError: if the index is unknown, FAISS is not installed, or these are not an index's bytes.
    """
    if name not in INDEXES:
        raise unknown("method.index", name, ["exact", *INDEXES])
    faiss = _faiss(name)
    try:
        index = faiss.deserialize_index(np.array(stored))
    except RuntimeError as error:
        raise IadError(
            f"method.index = {name}: not an index of FAISS ({str(error).splitlines()[0]}); fit it again"
        ) from None
    exhaust = (
        faiss.SearchParametersHNSW(efSearch=size) if name == "hnsw" else faiss.SearchParametersIVF(nprobe=index.nlist)
    )
    return ApproximateIndex(name, index, exhaust)


def _hnsw(faiss: Any, rows: np.ndarray) -> ApproximateIndex:
    index = faiss.IndexHNSWFlat(rows.shape[1], LINKS)
    index.hnsw.efConstruction, index.hnsw.efSearch = BUILD_WIDTH, SEARCH_WIDTH
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # the graph depends on the order of insertion
    try:
        index.add(_padded(rows, rows.shape[1]))
    finally:
        faiss.omp_set_num_threads(threads)
    return ApproximateIndex("hnsw", index, faiss.SearchParametersHNSW(efSearch=len(rows)))


def _ivfpq(faiss: Any, rows: np.ndarray) -> ApproximateIndex:
    n, dimensions = rows.shape
    codes = math.ceil(dimensions / CODE_FEATURES)
    width = codes * CODE_FEATURES
    cells = max(1, min(round(4 * math.sqrt(n)), n // POINTS_PER_CELL))
    bits = min(8, max(1, n.bit_length() - 1))  # a quantiser's 2^bits centres are learnt from n rows
    index = faiss.IndexIVFPQ(faiss.IndexFlatL2(width), width, cells, codes, bits)
    for learning in (index.cp, index.pq.cp):
        learning.min_points_per_centroid = 1  # else FAISS prints advice about few pictures
    wide = _padded(rows, width)
    index.train(wide)
    index.add(wide)
    index.nprobe = max(min(cells, 8), cells // 16)
    return ApproximateIndex("ivfpq", index, faiss.SearchParametersIVF(nprobe=cells))


INDEXES: dict[str, Callable[[Any, np.ndarray], ApproximateIndex]] = {"hnsw": _hnsw, "ivfpq": _ivfpq}


def _padded(rows: np.ndarray, width: int) -> np.ndarray:
    wide = np.zeros((len(rows), width), dtype=np.float32)
    wide[:, : rows.shape[1]] = rows
    return wide


def _faiss(name: str) -> Any:
    try:
        import faiss
    except ImportError:
        raise IadError(
            f"method.index = {name}: needs FAISS; install the extra iad[faiss] (pip install 'iad[faiss]', or here "
            "pip install faiss-cpu), or set method.index to exact"
        ) from None
    return faiss
