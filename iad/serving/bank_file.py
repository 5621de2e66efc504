"""A memory bank as one file: safetensors, whose header says all that is needed to score a picture.

The header holds one JSON text. Its `sha256` covers the rest of that text and every tensor, so that an altered byte is
found; it holds no time, so that the same bank is the same file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from iad.errors import IadError
from iad.io import replacing

FORMAT = 1
HEADER = "iad_bank"
APART = (  # values of the header that are no settings
    "format", "iad", "grid", "versions", "foreground", "verdict", "colours", "pictures", "calibration_pictures",
)  # fmt: skip
HOW_TO_MAKE_ONE = "make one with `iad bank fit`"


@dataclass(frozen=True)
class PictureSet:
    """Pictures by name and by content: file names, and the SHA-256 of the files' bytes."""

    ids: tuple[str, ...]
    sha256: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def pick(self, places: np.ndarray) -> PictureSet:
        """Those at these places, int64 `(K,)` or bool `(N,)`, in that order."""
        found = np.arange(len(self))[places].tolist()
        return PictureSet(tuple(self.ids[place] for place in found), tuple(self.sha256[place] for place in found))

    def __add__(self, other: PictureSet) -> PictureSet:
        return PictureSet(self.ids + other.ids, self.sha256 + other.sha256)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Good pictures that set the threshold, and their scores out of sample.

    Attributes:
        pictures: K of them.
        members: int64 `(K,)`, the number of each among the bank's pictures, or -1 for one set apart.
        patches: float16 `(K, h, w, D)`; `(0, h, w, D)` where the bank itself holds all of them.
        scores: float64 `(K,)`, higher = more anomalous.
    """

    pictures: PictureSet
    members: np.ndarray
    patches: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True, eq=False)
class Bank:
    """A memory bank and everything that a verdict needs.

    Attributes:
        settings: plain values: `method`, `backbone` (how patches are extracted), `preprocess`, `patch` (how they become
            a score), `threshold` (how scores become a threshold), `maps`, `seed`.
        pictures: the good pictures it was made of.
        patches: float16 `(rows kept, D)`.
        rows: int64 `(rows kept,)`, ascending: where each was among the `pictures * versions * h * w` patches.
        grid: h and w.
        versions: how often the bank holds each picture: 1, or more with turned copies, which follow the picture's own.
        foreground: `direction` (float32 `(D,)`), `threshold`, `reason` of what shows the object; empty: every place.
        calibration: what set the threshold.
        verdict: the threshold, as `Threshold` holds it.
        colours: of maps: `usual` and `red`, values of pixels, and `promise`.
    """

    settings: dict[str, Any]
    pictures: PictureSet
    patches: np.ndarray
    rows: np.ndarray
    grid: tuple[int, int]
    versions: int
    foreground: dict[str, Any]
    calibration: Calibration
    verdict: dict[str, Any]
    colours: dict[str, Any]

    @property
    def per_picture(self) -> int:
        """Patches of one picture, those of its copies among them."""
        return self.versions * self.grid[0] * self.grid[1]


def write_bank(path: Path, bank: Bank, *, version: str) -> str:
    """Write a bank beside its place, then rename it. Returns its SHA-256, which `read_bank` checks.

    Args:
        path: the file; one that is there already is replaced when the new one is complete.
        bank: what to write.
        version: of this package.
    """
    tensors = {
        "patches": bank.patches,
        "rows": bank.rows,
        "calibration.members": bank.calibration.members,
        "calibration.patches": bank.calibration.patches,
        "calibration.scores": bank.calibration.scores,
        **({"foreground.direction": bank.foreground["direction"]} if bank.foreground else {}),
    }
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    content = {
        "format": FORMAT, "iad": version, **bank.settings, "grid": list(bank.grid), "versions": bank.versions,
        "foreground": {name: value for name, value in bank.foreground.items() if name != "direction"},
        "verdict": bank.verdict, "colours": bank.colours, "pictures": _listed(bank.pictures),
        "calibration_pictures": _listed(bank.calibration.pictures),
    }  # fmt: skip
    digest = content_sha256(content, tensors)
    with replacing(path) as part:
        # not save_file, which makes the file unreadable for other users
        part.write_bytes(save(tensors, metadata={HEADER: _text(content | {"sha256": digest}, ordered=False)}))
    return digest


def read_bank(path: Path) -> tuple[Bank, str]:
    """Read a bank and check its hash, which is given too.

    Raises:
        IadError: if the file is missing, no bank, of a newer format, cut short or altered.
    """
    if not path.is_file():
        raise IadError(f"{path}: no such file; {HOW_TO_MAKE_ONE}")
    try:
        with safe_open(path, framework="numpy") as file:
            content = _content(path, file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except SafetensorError as error:
        raise _unreadable(path, error) from None
    digest = content.pop("sha256", None)
    if digest != content_sha256(content, tensors):
        raise IadError(f"{path}: altered since it was written (its SHA-256 differs); copy it again or make it again")
    return _bank(content, tensors), str(digest)


def content_sha256(content: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    """Hex SHA-256 over the header's values and over name, type, shape and bytes of every tensor."""
    digest = hashlib.sha256(_text(content).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        digest.update(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _bank(content: dict[str, Any], tensors: Mapping[str, np.ndarray]) -> Bank:
    foreground = content["foreground"]
    if foreground:
        foreground = foreground | {"direction": tensors["foreground.direction"]}
    calibration = Calibration(
        _pictures(content["calibration_pictures"]), tensors["calibration.members"], tensors["calibration.patches"],
        tensors["calibration.scores"],
    )  # fmt: skip
    return Bank(
        settings={name: value for name, value in content.items() if name not in APART},
        pictures=_pictures(content["pictures"]),
        patches=tensors["patches"],
        rows=tensors["rows"],
        grid=(content["grid"][0], content["grid"][1]),
        versions=content["versions"],
        foreground=foreground,
        calibration=calibration,
        verdict=content["verdict"],
        colours=content["colours"],
    )


def _content(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if HEADER not in metadata:
        raise IadError(f"{path}: a safetensors file, but no memory bank; {HOW_TO_MAKE_ONE}")
    try:
        content = json.loads(metadata[HEADER])
        found = int(content["format"])
    except (ValueError, KeyError, TypeError):
        raise IadError(f"{path}: its header was altered; copy the bank again or make it again") from None
    if found != FORMAT:
        raise IadError(f"{path}: a bank of format {found}, and this version reads format {FORMAT}; update iad")
    return dict(content)


def _unreadable(path: Path, error: SafetensorError) -> IadError:
    with path.open("rb") as file:
        start = file.read(64 + len(HEADER))
    # a bank's header begins with its own text
    if HEADER.encode() in start:
        return IadError(f"{path}: a bank cut short or altered ({error}); copy it again or make it again")
    return IadError(f"{path}: no memory bank ({error}); {HOW_TO_MAKE_ONE}")


def _listed(pictures: PictureSet) -> list[list[str]]:
    return [list(pair) for pair in zip(pictures.ids, pictures.sha256, strict=True)]


def _pictures(listed: list[list[str]]) -> PictureSet:
    return PictureSet(tuple(one[0] for one in listed), tuple(one[1] for one in listed))


def _text(content: Mapping[str, Any], *, ordered: bool = True) -> str:
    return json.dumps(content, sort_keys=ordered, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
