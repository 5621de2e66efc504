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
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else "."
    return IadError(f"unknown {what} '{name}'{hint} Known: {', '.join(names)}")
