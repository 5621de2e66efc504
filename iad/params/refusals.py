"""What is wrong with a `params.yaml`, in one line."""

from __future__ import annotations

import difflib

from pydantic import BaseModel, ValidationError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from iad.params.whole import MethodSpec, Params


def yaml_problem(error: YAMLError) -> str:
    """What is wrong with a YAML text, and in which line, without the lines around it."""
    if isinstance(error, MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


def first_problem(error: ValidationError) -> str:
    """Which key is wrong, what it holds, and the rule it breaks."""
    # an unknown key is the likelier cause of a missing one, so it is told first
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    first, others = problems[0], len(problems) - 1
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        text = f"unknown parameter '{key}'{_suggestion(first['loc'])}"
    elif first["type"] == "missing":
        text = f"'{key}' is missing; add it (every parameter must be given)"
    elif first["type"] == "unknown_member":
        text = first["msg"]
    elif first["type"] in {"model_type", "dict_type"}:
        held = "nothing" if first["input"] is None else repr(first["input"])
        text = f"{key or 'the file'} must hold parameters; it holds {held}"
    else:
        rule = first["msg"][0].lower() + first["msg"][1:]
        text = f"{key} = {first['input']!r}: {rule}"
    return text + (f" (and {others} more)" if others else "")


def _suggestion(location: tuple[int | str, ...]) -> str:
    known = _known_keys(location[:-1])
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known here: {', '.join(known)}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Params
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type):
            return list(MethodSpec.model_fields)  # inside the mapping `methods`
        model = field.annotation
    return list(model.model_fields)
