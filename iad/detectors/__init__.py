"""Detectors: what turns numbers into anomaly scores. One folder per method; a new folder needs no line elsewhere.

A folder holds `Options` in its `__init__.py`, which is light, since `iad.config` reads all of them; the class
`Detector` in its `detector.py`; and a README.md that says what it is, where it comes from, and when to use it. The
protocol is `iad.detectors.base.Detector`. Higher scores mean more anomalous.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from iad.errors import unknown
from iad.options import DetectorOptions

if TYPE_CHECKING:
    from iad.detectors.base import Detector


HYBRID = "hybrid"
"""The detector that is made of others, and so looks at what they look at."""


def detector_names() -> list[str]:
    """Names of all detectors: the folders beside this file, sorted.

    >>> "knn" in detector_names(), "base" in detector_names()
    (True, False)
    """
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)


def options_of(name: str) -> type[DetectorOptions]:
    """The model of a detector's options.

    Raises:
        IadError: if there is no such detector.

    >>> options_of("knn")().k
    5
    """
    if name not in detector_names():
        raise unknown("detector", name, detector_names())
    options: type[DetectorOptions] = importlib.import_module(f"iad.detectors.{name}").Options
    return options


def section_of(name: str) -> str:
    """Where a detector's options stand in `params.yaml`; `*` is a name that the user chooses.

    Raises:
        IadError: if there is no such detector.

    >>> section_of("knn"), section_of("lof"), section_of("hybrid")
    ('method', 'classical.lof', 'hybrids.*')
    """
    return options_of(name).section or name


def detector_class(name: str) -> type[Detector[Any]]:
    """The class of a detector; this imports what it computes with.

    Raises:
        IadError: if there is no such detector.
    """
    options_of(name)
    found: type[Detector[Any]] = importlib.import_module(f"iad.detectors.{name}.detector").Detector
    return found
