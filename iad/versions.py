"""What is installed here: for the record of what made a bundle."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

LIBRARIES = ("numpy", "pillow", "scikit-learn", "scipy", "timm", "torch")


def installed() -> dict[str, Any]:
    """`iad`, the version of this package, and `versions`, those of the libraries that compute, by name."""
    return {"iad": _version("iad"), "versions": {name: _version(name) for name in LIBRARIES if _version(name)}}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
