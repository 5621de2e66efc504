"""`iad preset`: write a named overlay from `presets/` into `params.yaml`, changing its values and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode

from iad.config import load_params, parse_params, yaml_problem
from iad.errors import IadError, unknown
from iad.io import replacing
from iad.paths import PARAMS, PRESETS
from iad.progress import say

Key: TypeAlias = tuple[str, ...]
"""The place of a value in a YAML file: `("method", "k")` is `method.k`."""

WHOLE: frozenset[Key] = frozenset({("methods",), ("hybrids",)})
"""Mappings that count as one value: a preset replaces them, since their keys are a choice and not settings."""


def preset(
    name: Annotated[str, typer.Argument(help="The preset to write; without it, all are listed.")] = "",
) -> None:
    """Write a named set of values into params.yaml and keep its comments; without a name, list the sets."""
    known = {path.stem: path for path in sorted(PRESETS.glob("*.yaml"))}
    if not known:
        raise IadError(f"{PRESETS}: none here ({Path.cwd()}); run this from the repository's top folder")
    if not name:
        say("\n".join(f"{title:<10} {_summary(path)}" for title, path in known.items()))
    elif name in known:
        _apply(name, known[name])
    else:
        raise unknown("preset", name, known)


def overlay(text: str, values: dict[Key, str]) -> tuple[str, list[str]]:
    r"""Replace values in the YAML `text`; every other character, and the column of each comment, stays.

    Args:
        text: a YAML document.
        values: each value as YAML text, by its key.

    Returns:
        The new text, and one line `key: old -> new` per value that differs, in the order of `text`.

    Raises:
        IadError: if `text` lacks a key.

    >>> overlay("a: 5    # why\nb: {c: x}\n", {("a",): "10", ("b", "c"): "y"})
    ('a: 10   # why\nb: {c: y}\n', ['a: 5 -> 10', 'b.c: x -> y'])
    """
    places = _places(text)
    if absent := [".".join(key) for key in values if key not in places]:
        raise IadError(f"{PARAMS}: '{absent[0]}' is missing, which the preset sets; add it")
    changes = []
    for key in sorted(values, key=places.__getitem__, reverse=True):  # from the end: places stay valid
        start, end = places[key]
        old, new = text[start:end], values[key]
        if "\r\n" in text:
            new = new.replace("\n", "\r\n")
        if old != new:
            gap = " " if start == end else ""  # an empty value has no blank before it
            text = text[:start] + gap + new + _realigned(text[end:], len(old) - len(gap + new))
            changes.append(f"{'.'.join(key)}: {_brief(key, old) or 'null'} -> {_brief(key, new)}")
    return text, changes[::-1]


def leaves(text: str, origin: str) -> dict[Key, str]:
    r"""Give the values of a YAML document as they are written, by key; `origin` names it in a refusal.

    Raises:
        IadError: if it is not YAML.

    >>> leaves("a: {b: 1}\nc: x", "here")
    {('a', 'b'): '1', ('c',): 'x'}
    """
    try:
        return {key: text[start:end] for key, (start, end) in _places(text).items()}
    except YAMLError as error:
        raise IadError(f"{origin}: not valid YAML ({yaml_problem(error)})") from None


def _apply(name: str, path: Path) -> None:
    load_params(PARAMS)
    before = PARAMS.read_bytes().decode("utf-8")  # not read_text, which would change the line ends
    after, changes = overlay(before, leaves(path.read_text(encoding="utf-8"), str(path)))
    parse_params(YAML(typ="safe").load(after), f"{PARAMS} with preset '{name}'")
    if not changes:
        say(f"{PARAMS} already equals preset '{name}'")
        return
    with replacing(PARAMS) as part:
        part.write_bytes(after.encode("utf-8"))
    say("\n  ".join([f"{PARAMS} now equals preset '{name}':", *changes]))


def _places(text: str) -> dict[Key, tuple[int, int]]:
    """Start and end of every value in `text`; an empty one lies behind the colon of its key."""
    places: dict[Key, tuple[int, int]] = {}

    def walk(mapping: MappingNode, above: Key) -> None:
        for name, value in mapping.value:
            key = (*above, name.value)
            start, end = value.start_mark.index, value.end_mark.index
            if key in WHOLE:
                places[key] = _whole(text, text.index(":", name.end_mark.index) + 1, end)
            elif isinstance(value, MappingNode):
                walk(value, key)
            elif start == end:
                places[key] = (text.index(":", name.end_mark.index) + 1,) * 2
            else:
                places[key] = (start, end)

    root = YAML().compose(text)
    if isinstance(root, MappingNode):
        walk(root, ())
    return places


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    # a block ends where the next key begins: blank lines and comments before that are no part of it
    lines = text[start:end].splitlines(keepends=True)
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    return start, start + len("".join(lines).rstrip())


def _brief(key: Key, value: str) -> str:
    return ", ".join(YAML(typ="safe").load(value)) or "none" if key in WHOLE else value


def _realigned(rest: str, gap: int) -> str:
    # the comment after a value keeps its column, or stands one blank away where the new value reaches it
    after = rest.lstrip(" ")
    blanks = len(rest) - len(after)
    return " " * max(1, blanks + gap) + after if blanks and after.startswith("#") else rest


def _summary(path: Path) -> str:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip()
