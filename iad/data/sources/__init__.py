"""Where pictures come from: one file per source, with its `Options` and `load`. A new file needs no line elsewhere.

`Options` is the source's section of `params.yaml`; `load(category, *, seed, <options>)` lists pictures whose bytes are
read later. A source that reads from the folder of the user's own pictures also takes `root`, that folder.

`iad.config` imports every source for its options, so a source imports what only `load` needs inside of it: no command
waits for it, and an edit of it concerns the stage `download` alone.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iad.errors import unknown
from iad.options import SourceOptions

if TYPE_CHECKING:
    from iad.data.manifest import Picture


def source_names() -> list[str]:
    """Names of all sources: the modules beside this file.

    >>> source_names()
    ['btad', 'elpv', 'folder', 'mvtec', 'mvtec_ad2', 'mvtec_loco', 'synthetic', 'visa']
    """
    return sorted(found.name for found in pkgutil.iter_modules(__path__))


def source_options() -> dict[str, type[SourceOptions]]:
    """The model of each source's options.

    >>> source_options()["mvtec"]()
    Options(path=None)
    """
    return {name: importlib.import_module(f"{__name__}.{name}").Options for name in source_names()}


def load_pictures(source: str, category: str, *, seed: int, options: Mapping[str, Any], root: Path) -> list[Picture]:
    """List the pictures of a category; their bytes are read later, one by one.

    Args:
        source: Name of a module beside this one.
        category: What part of the source.
        seed: Of the split, or of the pictures where they are generated.
        options: The fields of the source's `Options`, by name.
        root: The folder of the user's own pictures.

    Raises:
        IadError: if the source or the category is unknown, or as the source says.

    Example:
        >>> options = {"train": 2, "good": 1, "defective": 1, "size": 64}
        >>> len(load_pictures("synthetic", "carpet", seed=0, options=options, root=Path("data")))
        8
    """
    if source not in source_names():
        raise unknown("source", source, source_names())
    load = importlib.import_module(f"{__name__}.{source}").load
    here = {"root": root} if "root" in inspect.signature(load).parameters else {}
    pictures: list[Picture] = load(category, seed=seed, **options, **here)
    return pictures
