"""Results as `evaluate` left them, in the working tree or at a Git revision: the one reader of all who compare them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from iad import paths
from iad.config import yaml_problem
from iad.errors import IadError
from iad.gate.git import Reader
from iad.metrics.confusion import Verdicts
from iad.metrics.image import auroc, rank
from iad.options import flat

if TYPE_CHECKING:
    import pandas as pd

METRICS_DIGITS = 6
COLUMNS = ("image_id", "label", "score", "rejected")
FLAGS = ("0", "1")


@dataclass(frozen=True, eq=False)
class MethodResults:
    """What one method left behind.

    Attributes:
        scores: test pictures by `image_id` (the index, unique), with the columns `label` (int64: 0 normal, 1
            anomalous), `score` (float64, higher = more anomalous) and `rejected` (bool).
        metrics: content of `metrics/<method>.json`.
        threshold: what the report holds of its threshold, see `iad.decision.promises.Threshold`.
    """

    scores: pd.DataFrame
    metrics: Mapping[str, Any]
    threshold: Mapping[str, Any]

    @cached_property
    def verdicts(self) -> Verdicts:
        """The scores as arrays, in the order of the table."""
        return Verdicts.of_table(self.scores)

    def contradiction(self) -> str | None:
        r"""Which metric is not that of the scores, or None; files of two runs side by side compare nothing.

        >>> scores = read_scores("image_id,label,score,rejected\na.png,0,0.25,0\nb.png,1,0.75,1\n", "vit.csv")
        >>> MethodResults(scores, {"auroc": 1.0, "misses": 1, "false_alarms": 0}, {}).contradiction()
        'misses is 1, but the scores give 0'
        """
        verdicts = self.verdicts
        counts, area = verdicts.confusion, auroc(verdicts.gt_label, verdicts.pred_score)
        found = {
            "auroc": None if area is None else round(area, METRICS_DIGITS),
            "misses": counts.false_negatives if counts.anomalous else None,
            "false_alarms": counts.false_positives if counts.normal else None,
        }
        for name, value in found.items():
            if self.metrics.get(name) != value:
                return f"{name} is {self.metrics.get(name)}, but the scores give {value}"
        return None


@dataclass(frozen=True, eq=False)
class Results:
    """The results of one run.

    Attributes:
        name: of the revision or experiment, or what the working tree is called.
        methods: what each method left, by its name.
        params: content of `params.yaml`.
        downloaded: what `dvc.lock` records of the stage that provides the pictures; empty where nothing is recorded.
    """

    name: str
    methods: Mapping[str, MethodResults]
    params: Mapping[str, Any]
    downloaded: Mapping[str, Any]

    @property
    def data_set(self) -> tuple[str, str]:
        """Source and category that `params.yaml` names.

        >>> Results("main", {}, {"data": {"source": "mvtec", "category": "screw"}}, {}).data_set
        ('mvtec', 'screw')
        """
        return data_set_of(self.params)

    @property
    def data_hash(self) -> str | None:
        """MD5 of the pictures and their splits, as DVC computes it; None where it is not recorded.

        >>> Results("main", {}, {}, {"outs": [{"path": paths.DOWNLOAD.as_posix(), "md5": "1f3a.dir"}]}).data_hash
        '1f3a.dir'
        """
        outs = {str(out.get("path")): out.get("md5") for out in self.downloaded.get("outs") or ()}
        found: str | None = outs.get(paths.DOWNLOAD.as_posix())
        return found

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Every value of `params.yaml` by its dotted key.

        >>> Results("main", {}, {"seed": 0, "method": {"k": 5}}, {}).settings
        {'seed': 0, 'method.k': 5}
        """
        return flat(self.params)

    def check_data_set(self) -> None:
        """Refuse results of another data set than the one that `params.yaml` names since.

        Raises:
            IadError: if `dvc.lock` records another one.

        >>> params = {"data": {"source": "mvtec", "category": "zipper"}}
        >>> ran = {"params": {"params.yaml": {"data": {"source": "mvtec", "category": "screw"}}}}
        >>> Results("here", {}, params, ran).check_data_set()
        Traceback (most recent call last):
        iad.errors.IadError: here: its results are of mvtec/screw, but params.yaml says mvtec/zipper; run `dvc repro`
        """
        recorded = (self.downloaded.get("params") or {}).get(str(paths.PARAMS)) or {}
        ran, named = "/".join(data_set_of(recorded)), "/".join(self.data_set)
        if recorded and ran != named:
            raise IadError(f"{self.name}: its results are of {ran}, but {paths.PARAMS} says {named}; run `dvc repro`")


def read_results(name: str, read: Reader) -> Results:
    """Read what `evaluate` wrote.

    Args:
        name: of the revision; refusals hold it.
        read: gives the files of that revision, or of the working tree.

    Raises:
        IadError: if there are no results, or a file is missing or broken.

    >>> read_results("main", {paths.REPORT: b'{"methods": {}}'}.get)
    Traceback (most recent call last):
    iad.errors.IadError: plots/report.json of main: holds no method; name a revision with results of `dvc repro`
    """
    report = _json(name, read, paths.REPORT)
    if not isinstance(report, dict) or not isinstance(report.get("methods"), dict) or not report["methods"]:
        raise IadError(f"{paths.REPORT} of {name}: holds no method; name a revision with results of `dvc repro`")
    methods = {method: _method(name, read, method, details or {}) for method, details in report["methods"].items()}
    params = _yaml(_text(name, read, paths.PARAMS), f"{paths.PARAMS} of {name}")
    return Results(name, methods, params, _downloaded(name, read))


def read_scores(text: str, origin: str) -> pd.DataFrame:
    r"""Read the table of scores that `evaluate` leaves in git for every method.

    Args:
        text: content of the CSV file.
        origin: which file of which revision; a refusal begins with it.

    Returns:
        The table that `MethodResults.scores` describes, rows in the order of the file; scores are exact.

    Raises:
        IadError: if a column is missing, a picture is there twice, or a value cannot be.

    >>> table = read_scores("image_id,label,score,rejected\na.png,0,0.25,0\nb.png,1,0.75,1\n", "vit.csv")
    >>> float(table.loc["b.png", "score"]), table["rejected"].tolist()
    (0.75, [False, True])
    """
    import pandas as pd

    if not set(COLUMNS) <= set(text.partition("\n")[0].strip().split(",")):
        raise IadError(f"{origin}: needs rows with {', '.join(COLUMNS)}; run `dvc repro` there")
    try:
        table = pd.read_csv(
            io.StringIO(text), usecols=list(COLUMNS), dtype=str, keep_default_na=False, index_col="image_id"
        )
        table["score"] = table["score"].map(float)  # exact, as not every pandas reads numbers
    except ValueError as error:  # a ParserError too
        raise IadError(f"{origin}: {' '.join(str(error).split())}; run `dvc repro` there") from None
    if not table.index.is_unique:
        raise IadError(f"{origin}: the same image_id twice; run `dvc repro` there")
    if not table[["label", "rejected"]].isin(FLAGS).all(axis=None):
        raise IadError(f"{origin}: label and rejected must be 0 or 1; run `dvc repro` there")
    table = table.astype({"label": "int64"}).assign(rejected=table["rejected"] == "1")
    rank(table["label"].to_numpy(), table["score"].to_numpy(), origin=origin)  # refuses scores that are not finite
    return table


def _method(name: str, read: Reader, method: str, details: Mapping[str, Any]) -> MethodResults:
    path = paths.SCORES_CSV / f"{method}.csv"
    scores = read_scores(_text(name, read, path), f"{path} of {name}")
    return MethodResults(scores, _json(name, read, paths.METRICS / f"{method}.json"), details.get("threshold") or {})


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


def _yaml(text: str, origin: str) -> Mapping[str, Any]:
    try:
        values = _parsed(text)
    except YAMLError as error:
        raise IadError(f"{origin}: not valid YAML ({yaml_problem(error)})") from None
    return values if isinstance(values, dict) else {}


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    # parsing YAML takes most of a reader's time, and two revisions often hold the same text
    return YAML(typ="safe", pure=True).load(text)  # as `load_params` words its refusals


def _downloaded(name: str, read: Reader) -> Mapping[str, Any]:
    # only the part of this one stage is parsed: the whole file takes longer than all the rest of the gate
    lock = (read(paths.LOCK) or b"").decode("utf-8", "replace")
    stage = paths.DOWNLOAD.name
    found = re.search(rf"^  {stage}:\n(?:    .*\n|\n)+", lock, re.MULTILINE)
    return _yaml(found[0], f"{paths.LOCK} of {name}").get(stage) or {} if found else {}


def data_set_of(params: Mapping[str, Any]) -> tuple[str, str]:
    """Source and category that parameters name.

    >>> data_set_of({"data": {"source": "mvtec", "category": "screw"}})
    ('mvtec', 'screw')
    """
    data = params.get("data") or {}
    return str(data.get("source")), str(data.get("category"))
