"""The results of one revision, or of the working tree: parameters, metrics, thresholds, and scores by picture."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from iad import paths
from iad.config import yaml_problem
from iad.errors import IadError
from iad.gate.revisions import Reader
from iad.gate.scores_csv import read_scores
from iad.metrics.image import auroc, confusion
from iad.statistics.pictures import Pictures

METRICS_DIGITS = 6


@dataclass(frozen=True, eq=False)
class MethodResults:
    """What one method said: ids, str `(N,)`, of its test pictures, the pictures, and the content of its files."""

    image_ids: np.ndarray
    pictures: Pictures
    metrics: Mapping[str, Any]
    threshold: Mapping[str, Any]

    def contradiction(self) -> str | None:
        """Which metric is not that of the scores, or None; files of two runs side by side compare nothing."""
        counted = confusion(self.pictures.labels, self.pictures.rejected)
        area = auroc(self.pictures.labels, self.pictures.scores)
        found = {
            "auroc": None if area is None else round(area, METRICS_DIGITS),
            "misses": counted.false_negatives if counted.anomalous else None,
            "false_alarms": counted.false_positives if counted.normal else None,
        }
        for name, value in found.items():
            if self.metrics.get(name) != value:
                return f"{name} is {self.metrics.get(name)}, but the scores give {value}"
        return None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Results by method, the values of `params.yaml`, and the hash of the pictures that `dvc.lock` records."""

    name: str
    methods: Mapping[str, MethodResults]
    params: Mapping[str, Any]
    data_hash: str | None


def read_snapshot(name: str, read: Reader) -> Snapshot:
    """Read the results that `evaluate` wrote.

    Args:
        name: of the revision, for refusals.
        read: gives the files.

    Raises:
        IadError: if there are no results, or a file is broken.
    """
    report = _json(name, read, paths.REPORT)
    if not isinstance(report, dict) or not isinstance(report.get("methods"), dict) or not report["methods"]:
        raise IadError(f"{paths.REPORT} of {name}: holds no method; name a revision with results of `dvc repro`")
    methods = {method: _method(name, read, method, details) for method, details in report["methods"].items()}
    return Snapshot(name, methods, _yaml(name, read), _data_hash(read))


def _method(name: str, read: Reader, method: str, details: Mapping[str, Any]) -> MethodResults:
    path = paths.SCORES_CSV / f"{method}.csv"
    image_ids, pictures = read_scores(_text(name, read, path), f"{path} of {name}")
    metrics = _json(name, read, paths.METRICS / f"{method}.json")
    return MethodResults(image_ids, pictures, metrics, details.get("threshold", {}))


def _text(name: str, read: Reader, path: Path) -> str:
    content = read(path)
    if content is None:
        raise IadError(f"{path} of {name}: missing; run `dvc repro` there, or name a revision with results")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise IadError(f"{path} of {name}: not UTF-8 text; run `dvc repro` there") from None


def _json(name: str, read: Reader, path: Path) -> Any:
    try:
        return json.loads(_text(name, read, path))
    except ValueError as error:
        raise IadError(f"{path} of {name}: not valid JSON ({error}); run `dvc repro` there") from None


def _yaml(name: str, read: Reader) -> Mapping[str, Any]:
    try:
        values = YAML(typ="safe").load(_text(name, read, paths.PARAMS))
    except YAMLError as error:
        raise IadError(f"{paths.PARAMS} of {name}: not valid YAML ({yaml_problem(error)})") from None
    return values if isinstance(values, dict) else {}


def _data_hash(read: Reader) -> str | None:
    # a search, since parsing the whole file takes longer than all the rest of the gate
    lock = (read(paths.LOCK) or b"").decode("utf-8", "replace")
    found = re.search(rf"path: {paths.DOWNLOAD.as_posix()}\n\s+hash: md5\n\s+md5: (\S+)", lock)
    return found[1] if found else None
