"""The one exception that a user is meant to see."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


def close_to(name: str, known: Iterable[str]) -> str:
    """The hint at the known name that resembles `name` most; empty where none does.

    >>> close_to("foldr", ["elpv", "folder"]), close_to("x", ["elpv"])
    ("; did you mean 'folder'?", '')
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
