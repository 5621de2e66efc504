"""Every knob of the project: `params.yaml` as frozen models that refuse unknown keys and values out of range.

One module per group of sections; `whole.py` puts them together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from iad.errors import IadError
from iad.params.refusals import first_problem, yaml_problem
from iad.params.whole import Params
from iad.paths import PARAMS

__all__ = ["Params", "load_params", "parse_params", "yaml_problem"]


def load_params(path: Path = PARAMS) -> Params:
    """Read and check `params.yaml`.

    Raises:
        IadError: naming the key, the value and the rule, if the file is missing, not YAML, or out of range.
    """
    try:
        values = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise IadError(f"{path}: missing here ({Path.cwd()}); run this from the repository's top folder") from None
    except UnicodeDecodeError:
        raise IadError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except YAMLError as error:
        raise IadError(f"{path}: not valid YAML ({yaml_problem(error)})") from None
    return parse_params(values, str(path))


def parse_params(values: Any, origin: str) -> Params:
    """Check a mapping of parameters that came from `origin`.

    Raises:
        IadError: naming the key, the value and the rule.
    """
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise IadError(f"{origin}: {first_problem(error)}") from None
