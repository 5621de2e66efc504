"""The table of scores that `evaluate` leaves in git for every method, read at any revision."""

from __future__ import annotations

import csv
import io

import numpy as np

from iad.errors import IadError
from iad.metrics.image import rank
from iad.statistics.pictures import Pictures

COLUMNS = ("image_id", "label", "score", "rejected")
FLAGS = {"0", "1"}


def read_scores(text: str, origin: str) -> tuple[np.ndarray, Pictures]:
    """Ids, str `(N,)`, of the test pictures, and what the method said about them.

    Args:
        text: content of the file.
        origin: which file of which revision; a refusal begins with it.

    Raises:
        IadError: if a column is missing, a picture is there twice, or a value cannot be.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or any(row.get(column) is None for row in rows for column in COLUMNS):
        raise IadError(f"{origin}: needs rows with {', '.join(COLUMNS)}; run `dvc repro` there")
    image_ids = np.array([row["image_id"] for row in rows], dtype=object)
    if len(set(image_ids)) < len(image_ids):
        raise IadError(f"{origin}: the same image_id twice; run `dvc repro` there")
    if not {row["rejected"] for row in rows} | {row["label"] for row in rows} <= FLAGS:
        raise IadError(f"{origin}: label and rejected must be 0 or 1; run `dvc repro` there")
    try:
        scores = np.array([float(row["score"]) for row in rows])
    except ValueError as error:
        raise IadError(f"{origin}: {error}; run `dvc repro` there") from None
    labels, rejected = (np.array([int(row[column]) for row in rows]) for column in ("label", "rejected"))
    rank(labels, scores, origin=origin)  # refuses scores that are not finite
    return image_ids, Pictures(labels, scores, rejected == 1)
