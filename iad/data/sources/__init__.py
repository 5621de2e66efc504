"""Where pictures come from: one module per source, with its `Options` and `load`. A new file needs no line elsewhere.

`load(category, *, seed, <options>)` gives pictures whose bytes are read later. A source that reads from `data/` also takes
`root`, that folder.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iad.data.manifest import Picture
from iad.options import Section


def source_names() -> list[str]:
    """Names of all sources: the modules beside this file.

    >>> source_names()
    ['elpv', 'folder', 'mvtec', 'synthetic']
    """
    return sorted(found.name for found in pkgutil.iter_modules(__path__))


def source_options() -> dict[str, type[Section]]:
    """The model of each source's options."""
    return {name: importlib.import_module(f"{__name__}.{name}").Options for name in source_names()}


def load_pictures(source: str, category: str, *, seed: int, options: Mapping[str, Any], root: Path) -> list[Picture]:
    """List the pictures of a category; their bytes are read later, one by one.

    Args:
        source: name of a module beside this one.
        category: What part of the source.
        seed: Of the split, or of the pictures where they are generated.
        options: Further keyword arguments of the source's `load`.
        root: The folder of the user's own pictures.

    Raises:
        IadError: if the category is unknown, or as the source says.
    """
    load = importlib.import_module(f"iad.data.sources.{source}").load
    here = {"root": root} if "root" in inspect.signature(load).parameters else {}
    pictures: list[Picture] = load(category, seed=seed, **options, **here)
    return pictures
