"""Finished runs: those that DVC keeps as experiments, any other revision, and the one in the working tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from iad.errors import IadError
from iad.gate.revisions import Reader, commit_of, experiments, read_here, revision_files
from iad.gate.scores_csv import read_scores
from iad.paths import LOCK, PARAMS, REPORT, SCORES_CSV
from iad.statistics.pictures import Pictures

WORKSPACE = "workspace"


@dataclass(frozen=True, eq=False)
class Run:
    """One finished run.

    Attributes:
        name: of the experiment or revision, or "workspace".
        params: content of its `params.yaml`.
        methods: what each of its methods said.
    """

    name: str
    params: Mapping[str, Any]
    methods: Mapping[str, Pictures]

    @property
    def category(self) -> tuple[str, str]:
        """Source and category of its pictures."""
        data = self.params["data"]
        return str(data["source"]), str(data["category"])


def finished_runs(names: Sequence[str]) -> tuple[list[Run], list[str]]:
    """Reader the runs of these names; without names that of the working tree, then all experiments, newest first.

    Returns:
        The runs, and a note for each one that holds no results.

    Raises:
        IadError: for an unknown name, or where this is no Git repository.
    """
    runs, notes = [], []
    with revision_files() as files:
        wanted = [(name, commit_of(name)) for name in names] or [(one.name, one.commit) for one in experiments()]
        readers = [(name, files.at(commit)) for name, commit in wanted]
        if not names:
            readers.insert(0, (WORKSPACE, read_here))
        for name, read in readers:
            try:
                runs.append(_run(name, read))
            except IadError as error:
                notes.append(f"left out: {error}")
    return runs, notes


def _run(name: str, read: Reader) -> Run:
    params, report = _yaml(name, PARAMS, read), _yaml(name, REPORT, read)
    if "data" not in params or "methods" not in report:
        raise IadError(f"{name}: no results; run `dvc repro` or `dvc exp run` there")
    if name == WORKSPACE and (ran := _category_ran(_yaml(name, LOCK, read))) != _chosen(params):
        raise IadError(f"{name}: its results are of {ran}, but {PARAMS} says {_chosen(params)}; run `dvc repro`")
    return Run(name, params, dict(_scores(name, report["methods"], read)))


def _scores(name: str, methods: Sequence[str], read: Reader) -> Iterator[tuple[str, Pictures]]:
    for method in methods:
        path = SCORES_CSV / f"{method}.csv"
        content = read(path)
        if content is None:
            raise IadError(f"{name}: no {path}; run `dvc repro` there")
        yield method, read_scores(content.decode("utf-8"), f"{name}: {path}")[1]


def _yaml(name: str, path: Path, read: Reader) -> dict[str, Any]:
    # JSON is YAML too
    content = read(path)
    if content is None:
        raise IadError(f"{name}: no {path}; run `dvc repro` there")
    values = YAML(typ="safe").load(content)
    return values if isinstance(values, dict) else {}


def _category_ran(lock: Mapping[str, Any]) -> str:
    params = lock.get("stages", {}).get("download", {}).get("params", {}).get(PARAMS.name, {})
    return _chosen(params)


def _chosen(params: Mapping[str, Any]) -> str:
    data = params.get("data", {})
    return f"{data.get('source')}/{data.get('category')}"
