"""Image anomaly detection from pictures of good parts only.

>>> import iad
>>> inspector = iad.load("bolts.iad")  # doctest: +SKIP
>>> [verdict.rejected for verdict in inspector.predict("new/")]  # doctest: +SKIP
[False, True]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iad.bundles.predictor import Predictor, load
    from iad.bundles.verdict import Verdict
    from iad.errors import IadError
    from iad.fitting import fit

__all__ = ["IadError", "Predictor", "Verdict", "fit", "load"]

_PLACES = {
    "IadError": "iad.errors", "Predictor": "iad.bundles.predictor", "Verdict": "iad.bundles.verdict",
    "fit": "iad.fitting", "load": "iad.bundles.predictor",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that `import iad` itself costs nothing."""
    if name not in _PLACES:
        raise AttributeError(f"module 'iad' has no attribute '{name}'")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
