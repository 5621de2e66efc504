"""Whether results are of the parameters and files that are here now, as DVC's lock tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iad import paths
from iad.config import Params, yaml_problem
from iad.errors import IadError
from iad.options import flat


def require_fresh(params: Params) -> None:
    """Refuse if the last run was of other parameters than are here now, in a stage of a method that is switched on.

    Raises:
        IadError: as `require_ran`.
    """
    stages = dict.fromkeys(["download", "preprocess"])
    for method, spec in params.methods.items():
        stages |= dict.fromkeys([stage_of(spec.reads), f"score@{method}", f"threshold@{method}"])
    require_ran((*stages, "evaluate"))


def require_ran(stages: tuple[str, ...]) -> None:
    """Refuse if DVC ran one of these stages with other parameters than are here now, or on files written again since.

    Raises:
        IadError: naming the key and both values, or the stage and what it read.
    """
    if not paths.LOCK.is_file():
        return
    now, ran = _values(paths.PARAMS), _values(paths.LOCK).get("stages", {})
    for stage in stages:
        then = ran.get(stage, {}).get("params", {}).get(paths.PARAMS.name, {})
        for key, value in flat(then).items():
            if (here := _at(now, key)) != value:
                raise older(key, here, stage, value)
    written = {out["path"]: out.get("md5") for one in ran.values() for out in one.get("outs", ())}
    for stage in stages:
        for dep in ran.get(stage, {}).get("deps", ()):
            if written.get(path := dep["path"], dep.get("md5")) != dep.get("md5"):
                raise IadError(f"{path}: was written again after {stage} had read it; run `dvc repro`")


def older(key: str, here: Any, stage: str, then: Any) -> IadError:
    """The refusal of results of another value of a parameter than is here."""
    return IadError(f"{paths.PARAMS}: {key} is {here}, but the results of {stage} are of {then}; run `dvc repro`")


def stage_of(reads: str) -> str:
    """The stage that writes what a method reads.

    >>> stage_of("extract_vit"), stage_of("align/hybrid")
    ('extract_vit', 'align@hybrid')
    """
    return reads.replace("/", "@")


def _values(file: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(file) or {}
    except YAMLError as error:  # as of a merge that is not finished
        raise IadError(f"{file}: not valid YAML ({yaml_problem(error)}); mend it, or run `dvc repro`") from None


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
