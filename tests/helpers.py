"""What tests share: the pipeline as DVC resolves it, a recorder of parameter reads, and the modules a stage imports."""

from __future__ import annotations

import ast
import importlib
import runpy
import signal
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from iad.config import Params

ROOT = Path(__file__).parents[1]

# these parse, refuse, write, show and hand work out, and compute nothing: a change in them need run no stage again
PLUMBING = frozenset(
    f"iad/{name}.py"
    for name in (
        "__main__", "cli", "config",
        "engine/__init__", "errors", "explain/__init__", "io", "options", "paths", "processes",
        "progress", "serve/drift/__init__", "words",
    )
)  # fmt: skip


def with_ctrl_c() -> None:
    """For `preexec_fn`: Ctrl-C works in the child, also where a script runs the tests in its background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the shell makes background jobs ignore it, and children inherit that


@dataclass(frozen=True)
class Stage:
    """One stage of `dvc.yaml`; an item of a `foreach` group is a stage of its own, named `group@item`."""

    name: str
    command: tuple[str, ...]
    deps: frozenset[str]
    outs: frozenset[str]
    params: frozenset[str]  # leaves: a declared section stands for all its leaves

    @property
    def group(self) -> str:
        return self.name.partition("@")[0]

    @property
    def arguments(self) -> tuple[str, ...]:
        """What follows `python -m iad <stage>`."""
        return self.command[4:]


def load_pipeline(root: Path = ROOT) -> dict[str, Stage]:
    """The stages of a repository's `dvc.yaml`, with `foreach` and `${...}` resolved by DVC itself.

    Each stands after the stages whose output it reads.
    """
    from dvc.dependency import ParamsDependency
    from dvc.repo import Repo

    values = read_yaml(root / "params.yaml")
    stages = {}
    with Repo(str(root)) as repo:
        graph = repo.index.graph  # edges lead to dependencies
        for stage in TopologicalSorter({node: set(graph.successors(node)) for node in graph}).static_order():
            files = {dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)}
            keys = [key for dep in stage.deps if isinstance(dep, ParamsDependency) for key in dep.params]
            outs = frozenset(out.def_path for out in stage.outs)
            command = tuple(stage.cmd.split())
            stages[stage.name] = Stage(stage.name, command, frozenset(files), outs, frozenset(expand(keys, values)))
    return stages


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def leaf_keys(values: Any, key: str = "") -> set[str]:
    """The dotted names of all leaves under `values`, a mapping or a model, which stands at `key`."""
    if isinstance(values, BaseModel):
        values = dict(values)
    if not isinstance(values, Mapping):
        return {key}
    return {leaf for name, value in values.items() for leaf in leaf_keys(value, f"{key}.{name}" if key else name)}


def expand(keys: Collection[str], values: Mapping[str, Any]) -> set[str]:
    """The leaves for which the keys of a `params:` list stand; a key that is not in `values` is a KeyError."""
    found = set()
    for key in keys:
        value: Any = values
        for part in key.split("."):
            value = value[part]
        found |= leaf_keys(value, key)
    return found


class Recorder:
    """A stand-in for `Params`, or a part of it, that adds to `found` the dotted name of each leaf that is read.

    Going through a mapping such as `methods` depends on every entry, so it counts as reading all of them; asking
    whether it holds a key does not.
    """

    def __init__(self, value: Any, found: set[str], key: str = "") -> None:
        self._value, self._found, self._key = value, found, key

    @property
    def __class__(self) -> type:  # so that `isinstance` takes it for what it stands in for
        return type(self._value)

    def options(self, section: str) -> Any:
        """Those of one section, as `Params.options` gives them."""
        found: Any = self
        for part in section.split("."):
            found = found[part] if isinstance(found._value, Mapping) else getattr(found, part)
        return found

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._value, name)
        if isinstance(self._value, BaseModel) and name in type(self._value).model_fields:
            return self._part(name, value)
        self._find_all()  # a method, such as model_dump or items
        return value

    def __getitem__(self, name: str) -> Any:
        return self._part(name, self._value[name])

    def __contains__(self, name: str) -> bool:
        return name in self._value

    def __iter__(self) -> Iterator[Any]:
        self._find_all()
        return iter(self._value)

    def __bool__(self) -> bool:
        return isinstance(self._value, BaseModel) or len(self) > 0

    def __len__(self) -> int:
        self._find_all()
        return len(self._value)

    def _part(self, name: str, value: Any) -> Any:
        key = f"{self._key}.{name}" if self._key else name
        if isinstance(value, BaseModel | Mapping):
            return Recorder(value, self._found, key)
        self._found.add(key)
        return value

    def _find_all(self) -> None:
        self._found |= leaf_keys(self._value, self._key)


def record_reads(params: Params, monkeypatch: Any) -> set[str]:
    """Give a stage these parameters through a recorder, and return the set that fills as it runs."""
    found: set[str] = set()
    monkeypatch.setattr("iad.config.load_params", lambda: Recorder(params, found))
    return found


def run_here(stage: Stage) -> None:
    """Run a stage's function in this process and the current folder."""
    module = importlib.import_module(f"iad.stages.{stage.group}")
    getattr(module, stage.group)(*stage.arguments)


class Imported(NamedTuple):
    """Files of `iad` that hold code: those that a stage computes with, and all that were imported when it ran."""

    computing: set[str]
    all: set[str]


def imported_files(stage: Stage, root: Path) -> Imported:
    """Run a stage's command in `root`, with the code of `root`, and see what it imports.

    What declares parameters comes with `iad.config`, plumbing and the modules of other stages and commands come with
    the command line: no stage computes with these. It is this process that runs, with the modules of `iad` imported
    anew, since a process of its own would import PyTorch anew too.
    """
    with chdir(root), fresh_package(root), patch.object(sys, "argv", ["iad", *stage.command[3:]]):
        importlib.import_module("iad.config")
        declaring = _package_files(root)
        with pytest.raises(SystemExit) as end:
            runpy.run_module("iad", run_name="__main__")
        assert not end.value.code, f"{stage.name} ended with {end.value.code}"
        files = _package_files(root)
    others = {file for file in files if file.startswith(("iad/commands/", "iad/stages/"))}
    own = {f"iad/stages/{stage.group}.py"}
    return Imported(files - declaring - PLUMBING - (others - own), files)


def _package_files(root: Path) -> set[str]:
    files = {Path(module.__file__).resolve() for module in package_modules().values() if module.__file__}
    return {file.relative_to(root.resolve()).as_posix() for file in files if _holds_code(file)}


@contextmanager
def fresh_package(root: Path) -> Iterator[None]:
    """Inside the block `iad` is the copy in `root` and nothing of it is imported yet; afterwards all is as before."""
    former = package_modules()
    try:
        _forget(former)
        with patch.object(sys, "path", [str(root), *sys.path]):
            yield
    finally:
        _forget(package_modules())
        sys.modules.update(former)


def package_modules() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name == "iad" or name.startswith("iad.")}


def _forget(names: Collection[str]) -> None:
    for name in names:
        del sys.modules[name]


def _holds_code(file: Path) -> bool:
    return len(ast.parse(file.read_text(encoding="utf-8")).body) > 1


def covers(dep: str, file: str) -> bool:
    """Whether a dependency is this file or a folder above it."""
    return file == dep or file.startswith(f"{dep.rstrip('/')}/")


def undeclared(files: Collection[str], deps: Collection[str]) -> set[str]:
    """The imported files that no dependency covers."""
    return {file for file in files if not any(covers(dep, file) for dep in deps)}


def unused(files: Collection[str], deps: Collection[str]) -> set[str]:
    """The dependencies in `iad/` that cover no imported file."""
    return {dep for dep in deps if dep.startswith("iad/") and not any(covers(dep, file) for file in files)}


def int8_products_are_exact():
    """Whether `torch._int_mm` is there and sums without saturation: some processors saturate at 16 bits."""
    import torch

    left = torch.full((32, 64), 127, dtype=torch.int8)
    try:
        return all(bool((torch._int_mm(left, s * left.T) == s * 64 * 127 * 127).all()) for s in (-1, 1))
    except (AttributeError, RuntimeError):
        return False


def mean_of_worst(maps, share):
    """The oracle of scores: the mean of the worst places of each map, by sorting; one place counts at least."""
    scores = []
    for anomaly_map in maps:
        worst = sorted(anomaly_map.ravel().tolist(), reverse=True)[: max(1, round(share * anomaly_map.size))]
        scores.append(sum(worst) / len(worst))
    return np.array(scores)


def hidden_from_all(first: int, last: int, queries: int, device: str = "cpu") -> Any:
    """Rows that none of so many queries may find."""
    import torch

    from iad.neighbors.hidden import Hidden

    return Hidden(torch.tensor([[first, last]], dtype=torch.int64, device=device).expand(queries, 2))
