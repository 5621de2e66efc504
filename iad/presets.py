"""Named sets of values for `params.yaml`, one file each in `presets/`.

ruamel.yaml reads and writes the file, which keeps comments, quotes, blank lines and the order of keys. It writes all of
the file anew, so this is what may change beside the values: a comment behind a value keeps its column, or stands one
blank behind a value that reaches it; an empty value is written as `null`; items of a list in block style are set as
deep as their key; and lines broken inside a value in flow style are joined.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.tokens import CommentToken

from iad.config import load_params, parse_params, yaml_problem
from iad.errors import IadError, unknown
from iad.io import replacing
from iad.paths import PARAMS, PRESETS

WHOLE = ("methods", "hybrids")
"""Sections that count as one value: a preset replaces them, since their keys are a choice and not settings."""


def preset_titles() -> dict[str, str]:
    """The first line of each preset, which says what it is, by name.

    Raises:
        IadError: if there is none.
    """
    titles = {path.stem: path.read_text(encoding="utf-8").partition("\n")[0] for path in sorted(PRESETS.glob("*.yaml"))}
    if not titles:
        raise IadError(f"{PRESETS}: none here ({Path.cwd()}); run this from the repository's top folder")
    return {name: title.removeprefix("#").strip() for name, title in titles.items()}


def write_preset(name: str) -> list[str]:
    """Write the values of a preset into `params.yaml`; a line `key: old -> new` for each that differed.

    Raises:
        IadError: if there is no such preset, or `params.yaml`, the preset or both together are no valid parameters.
    """
    if name not in (known := preset_titles()):
        raise unknown("preset", name, known)
    path = PRESETS / f"{name}.yaml"
    return _write(path.read_text(encoding="utf-8"), str(path), f"{PARAMS} with preset '{name}'")


def write_values(values: Mapping[str, Any], origin: str) -> list[str]:
    """Write some values, nested as `params.yaml` is, into it; a line `key: old -> new` for each that differed.

    Raises:
        IadError: as `write_preset`; it begins with `origin`.
    """
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(dict(values), text)
    return _write(text.getvalue(), origin, f"{PARAMS} with what {origin} found")


def _write(preset: str, origin: str, together: str) -> list[str]:
    load_params(PARAMS)
    before = PARAMS.read_bytes().decode("utf-8")  # not read_text, which would change the line ends
    after, changes = overlay(before, preset, origin)
    parse_params(YAML(typ="safe").load(after), together)
    if changes:
        with replacing(PARAMS) as part:
            part.write_bytes(after.encode("utf-8"))
    return changes


def overlay(text: str, preset: str, origin: str) -> tuple[str, list[str]]:
    r"""Replace values in a YAML document by those of another.

    Args:
        text: the document.
        preset: the other; each of its keys must be in the first.
        origin: what a refusal calls it.

    Returns:
        The new document, and a line `key: old -> new` for each value that differed, in the order of `preset`.

    Raises:
        IadError: if `preset` is not YAML, or `text` lacks one of its keys.

    >>> overlay("a: 5    # why\nb: {c: x}\n", "a: 10\nb: {c: y}", "here")
    ('a: 10   # why\nb: {c: y}\n', ['a: 5 -> 10', 'b.c: x -> y'])
    """
    line_end = "\r\n" if "\r\n" in text else "\n"
    values = _round_trip().load(text.replace("\r\n", "\n"))
    try:
        wanted = _round_trip().load(preset)
    except YAMLError as error:
        raise IadError(f"{origin}: not valid YAML ({yaml_problem(error)})") from None
    changes = [f"{key}: {_brief(old)} -> {_brief(new)}" for key, old, new in _merge(values, wanted or {})]
    written = io.StringIO()
    _round_trip().dump(values, written)
    return written.getvalue().replace("\n", line_end), changes


def _round_trip() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes, yaml.width = True, 1 << 16  # no line is ever broken
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _merge(values: Any, wanted: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Put the wanted values in; each key, with dots, whose value changed, the old value and the new one."""
    for name, new in wanted.items():
        key = f"{above}.{name}" if above else name
        if not isinstance(values, CommentedMap) or name not in values:
            raise IadError(f"{PARAMS}: '{key}' is missing, which the preset sets; add it")
        old = values[name]
        if isinstance(new, CommentedMap) and key not in WHOLE:
            yield from _merge(old, new, key)
        elif old != new or (key in WHOLE and list(old) != list(new)):
            _replace(values, name, new, whole=key in WHOLE)
            yield key, old, new


def _replace(values: CommentedMap, name: str, new: Any, *, whole: bool) -> None:
    """Put a new value in, and keep the comment behind its key and the lines below it."""
    old = values[name]
    in_lines = isinstance(old, CommentedMap | CommentedSeq) and not old.fa.flow_style()
    below = _take_lines_below(values, name) if whole or in_lines else ""
    values[name] = new
    if in_lines and isinstance(new, CommentedSeq):  # DVC writes a list in lines, below the comment of its key
        comments = values.ca.items.setdefault(name, [None] * 4)
        comments[3] = None
        comments[2] = comments[2] or (CommentToken("\n", CommentMark(0), None) if below else None)
    _give_lines_below(values, name, below)


def _take_lines_below(values: Any, name: str) -> str:
    """The comment below a section, which is taken off: ruamel keeps it with the last value inside the section."""
    tokens, place = _behind_last(values, name)
    token = tokens[place]
    if token is None:
        return ""
    behind, _, below = token.value.partition("\n")
    token.value = behind + "\n"
    return str(below)


def _give_lines_below(values: Any, name: str, below: str) -> None:
    tokens, place = _behind_last(values, name)
    if below and tokens[place] is None:
        tokens[place] = CommentToken("\n" + below, CommentMark(0), None)
    elif below:
        tokens[place].value += below


def _behind_last(holder: Any, key: Any) -> tuple[list[Any], int]:
    """Where ruamel keeps the comment behind the last value that stands, in block style, inside the value of a key."""
    value = holder[key]
    if isinstance(value, CommentedMap | CommentedSeq) and value and not value.fa.flow_style():
        return _behind_last(value, list(value)[-1] if isinstance(value, CommentedMap) else len(value) - 1)
    return holder.ca.items.setdefault(key, [None] * 4), 0 if isinstance(holder, CommentedSeq) else 2


def _brief(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(value) or "none"
    return value if isinstance(value, str) else json.dumps(value)
