"""The one exception that a user is meant to see."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class IadError(Exception):
    """A refusal in one line: what is wrong, where, and what to do. The command line prints it and exits with 1."""


def unknown(what: str, name: str, known: Iterable[str]) -> IadError:
    """Build the refusal of a name that is not among the known ones.

    >>> print(unknown("source", "foldr", ["elpv", "folder"]))
    unknown source 'foldr'; did you mean 'folder'? Known: elpv, folder
    >>> print(unknown("method", "vit", []))
    unknown method 'vit'; there is none here
    """
    names = sorted(known)
    if not names:
        return IadError(f"unknown {what} '{name}'; there is none here")
    return IadError(f"unknown {what} '{name}'{close_to(name, names) or '.'} Known: {', '.join(names)}")


def rule_of(problem: Mapping[str, Any]) -> str:
    """The rule that a value breaks, of one of the problems that pydantic lists.

    >>> rule_of({"type": "value_error", "msg": "Value error, must be odd", "ctx": {"error": ValueError("must be odd")}})
    'must be odd'
    >>> rule_of({"type": "less_than", "msg": "Input should be less than 1"})
    'input should be less than 1'
    """
    own = problem.get("ctx", {}).get("error")  # what a check of ours has raised, without pydantic's words around it
    text = str(own) if problem["type"] == "value_error" else problem["msg"]
    return f"{text[:1].lower()}{text[1:]}"


def close_to(name: str, known: Iterable[str]) -> str:
    """The hint at the known name that resembles `name` most; empty where none does.

    >>> close_to("foldr", ["elpv", "folder"]), close_to("x", ["elpv"])
    ("; did you mean 'folder'?", '')
    """
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
