"""The comments of `params.yaml`: each option's is the description that its model gives it.

`python -m tests.commented` writes them anew, as after an option was added or its description changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node

from iad.config import Params, load_params

COLUMN = 29


def descriptions(model: BaseModel, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """What each option below `model` means, by its key; names that users choose, such as methods, are no options."""
    for name, field in type(model).model_fields.items():
        value: Any = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from descriptions(value, (*above, name))
        elif field.description or not isinstance(value, dict):
            yield (*above, name), field.description or ""


def options(node: Node, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """The value of each key, with its place in the text."""
    for key, value in node.value if isinstance(node, MappingNode) else ():
        here = (*above, key.value)
        yield here, value
        yield from options(value, here)


def commented(text: str, params: Params) -> str:
    """Put the description of each option behind it, and nothing else.

    What was said above in the same section, of an option of the same name, is not said again.
    """
    lines, said = text.splitlines(), set()
    meaning = dict(descriptions(params))
    for key, value in options(YAML().compose(text)):
        if key not in meaning:
            continue
        end, column = value.end_mark.line, value.end_mark.column
        known = (key[0], key[-1], meaning[key])
        bare = lines[end][:column]
        lines[end] = bare if known in said or not meaning[key] else f"{_padded(bare)}# {meaning[key]}"
        said.add(known)
    return "\n".join(lines) + "\n"


def _padded(line: str) -> str:
    return line.ljust(max(COLUMN, len(line) + 1))


if __name__ == "__main__":
    file = Path("params.yaml")
    file.write_text(commented(file.read_text(encoding="utf-8"), load_params(file)), encoding="utf-8")
