"""Pictures under the colours of their maps, as the galleries show them, at their own size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from iad.data.decode import decode_to_show
from iad.detectors.maps import enlargement
from iad.errors import IadError
from iad.io import replacing
from iad.report.figures.galleries import MapScale, overlay
from iad.serving.bank_file import Bank
from iad.serving.colours import full_maps
from iad.serving.pictures import Found

LONGEST = 2000  # pixels on the longer side of what is shown


def overlay_names(found: Sequence[Found]) -> list[str]:
    """The file of each picture's overlay, below the folder of all.

    Raises:
        IadError: if two pictures would share one.
    """
    names = [str(PurePosixPath(one.name).with_suffix(".png")) for one in found]
    seen: dict[str, Found] = {}
    for name, one in zip(names, found, strict=True):
        if name in seen:
            raise IadError(f"{seen[name].path} and {one.path} would share the overlay {name}; score them one by one")
        seen[name] = one
    return names


def write_overlays(folder: Path, found: Sequence[Found], maps: np.ndarray, bank: Bank) -> None:
    """Write pictures in grey under their maps: blue below the bank's pixel threshold, red from there on.

    Args:
        folder: for the files.
        found: the pictures.
        maps: float32 `(N, h, w)`, theirs; higher = more anomalous.
        bank: that made the maps.
    """
    scale = MapScale(bank.colours["usual"], bank.colours["red"])
    for one, name, full in zip(found, overlay_names(found), full_maps(maps, bank.settings), strict=True):
        picture = decode_to_show(one.read(), str(one.path), LONGEST, **bank.settings["preprocess"])
        drawn = overlay(picture, stretched(full, picture.shape[0], picture.shape[1]), scale)
        with replacing(folder / name) as part:
            Image.fromarray(drawn).save(part, format="PNG")


def stretched(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map float32 `(S, S)` at another size, bilinear; no value is larger than the largest before."""
    size = len(values)
    found = enlargement(size, height, 0) @ values @ enlargement(size, width, 0).T
    return np.asarray(np.minimum(found, values.max()))
