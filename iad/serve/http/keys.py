"""The key that a server asks for."""

from __future__ import annotations

import os

from iad.errors import IadError
from iad.serve.http import KEY


def key_in_use() -> str:
    """The key in `IAD_API_KEY`; empty if there is none.

    Raises:
        IadError: if it cannot stand in a header of HTTP.
    """
    key = os.environ.get(KEY, "")
    if not key.isprintable() or key != key.strip():
        raise IadError(f"{KEY}: holds a line end, a blank at an edge or the like; use letters, digits and signs alone")
    return key
