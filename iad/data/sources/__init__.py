"""Where pictures come from. A source is one module with a function `load`, and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from iad.data.manifest import Picture
from iad.errors import unknown

SOURCES = {
    "elpv": "iad.data.sources.elpv",
    "folder": "iad.data.sources.folder",
    "mvtec": "iad.data.sources.mvtec",
    "synthetic": "iad.data.sources.synthetic",
}


def load_pictures(source: str, category: str, *, seed: int, options: Mapping[str, Any]) -> list[Picture]:
    """List the pictures of a category; their bytes are read later, one by one.

    Args:
        source: A key of `SOURCES`.
        category: What part of the source.
        seed: Of the split, or of the pictures where they are generated.
        options: Further keyword arguments of the source's `load`.

    Raises:
        IadError: if the source or the category is unknown, or as the source says.
    """
    if source not in SOURCES:
        raise unknown("source", source, SOURCES)
    pictures: list[Picture] = importlib.import_module(SOURCES[source]).load(category, seed=seed, **options)
    return pictures
