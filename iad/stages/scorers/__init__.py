"""How each kind of method gets from artefacts to scores: one module per section of params.yaml that tunes one.

A module holds `compute(params, manifest, source) -> Scores`, where `source` is the folder of the stage that the method
reads. It is imported only when its method runs, so that kNN does not wait for PyTorch. A module that serves several
sub-sections, as `classical.lof`, takes the name of the one as the keyword `name`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from iad.detectors.classical import DETECTORS
from iad.errors import unknown
from iad.io import Table
from iad.config import Params

SCORERS = {"method": "knn", "reconstruction": "reconstruction", "patch": "patch"}
SCORERS |= {f"classical.{name}": "classical" for name in DETECTORS}
SCORERS |= {"hybrids.*": "hybrid"}  # users name the sub-sections

Scheme: TypeAlias = Literal["split", "held_out", "leave_one_out", "jackknife", "k_fold"]
"""How calibration scores came to be out of sample, which decides what a threshold may promise; all names and their
promises are in `iad.decision.promises`. `leave_one_out` is for scores that can only fall when a picture joins the bank,
such as a distance to its nearest pictures; leaving one out of anything else is `jackknife`."""


@dataclass(frozen=True, eq=False)
class AnomalyMaps:
    """Where the anomaly is: float32 `(K, h, w)` and `(test pictures, h, w)`, rows as in `Scores`; higher = worse.

    A map covers the whole picture evenly; it is not smoothed, and coarser than the picture.
    """

    calibration: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Scores:
    """Scores of one method, float64, higher = more anomalous, and how they were made.

    `calibration` belongs to the manifest's rows `calibration_rows` and is out of sample, by `scheme`; `test` belongs to
    its test rows. The three mappings hold plain values for a JSON file. A method that cannot say where has no maps.
    """

    calibration_rows: np.ndarray
    calibration: np.ndarray
    scheme: Scheme
    test: np.ndarray
    detector: dict[str, Any]
    model: dict[str, Any]
    runtime: dict[str, Any]
    maps: AnomalyMaps | None = None


Scorer: TypeAlias = Callable[[Params, Table, Path], Scores]


def load_scorer(section: str) -> Scorer:
    """The `compute` function for methods tuned by this section of params.yaml.

    Raises:
        IadError: if no method is tuned by it.
    """
    group, _, name = section.partition(".")
    module = SCORERS.get(section) or SCORERS.get(f"{group}.*")
    if module is None:
        raise unknown("section to tune a method", section, SCORERS)
    compute: Any = importlib.import_module(f"iad.stages.scorers.{module}").compute
    scorer: Scorer = partial(compute, name=name) if name else compute
    return scorer
