"""A bundle: everything that a verdict needs, in one file that cannot be altered unseen.

It holds how pictures are prepared and embedded, the fitted detector, the threshold with its promise, the calibration
scores behind it, the scale of the maps, which pictures it was made of, and what made it; on request the backbone's
weights too.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iad.errors import IadError
from iad.sealed import read_sealed, write_sealed

if TYPE_CHECKING:
    from iad.compute import Runtime
    from iad.fitted import Fitted

FORMAT = 1
SUFFIX = ".iad"
DETECTOR, CALIBRATION, WEIGHTS = "detector/", "calibration/", "weights/"  # before the names of arrays
ORIGIN = ("iad", "versions", "revision", "source", "category", "precision")
REMEDY = "make one with `iad bundle METHOD`"


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

    def fingerprint(self) -> str:
        """Hex SHA-256 over the hashes of all pictures, whatever their order and names."""
        return hashlib.sha256("\n".join(sorted(self.sha256)).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class CalibrationSet:
    """Good pictures that set the threshold, and their scores out of sample.

    Attributes:
        pictures: K of them.
        rows: int64 `(K,)`, the number of each among the pictures fitted to, or -1 for one that was set apart.
        scores: float64 `(K,)`, higher = more anomalous.
        scheme: how the scores came to be out of sample.
        map_scheme: the same of the maps.
        kept: what the detector takes of these pictures, by the name of the part, for those of which it has kept too
            little itself; only in a bundle that is to be extended.
    """

    pictures: PictureSet
    rows: np.ndarray
    scores: np.ndarray
    scheme: str
    map_scheme: str
    kept: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Bundle:
    """A fitted method and everything that a verdict needs.

    Attributes:
        packed: values and arrays of the method, as `Fitted.pack` gives them.
        pictures: the good pictures that it was fitted to.
        calibration: what set the threshold.
        threshold: the threshold, as `iad.decision.promises.Threshold` holds it.
        rule: `strategy` and `options` that set it, to set it anew.
        preprocess: `image_size`, `white_16bit` and `max_megapixels`.
        embedders: record of each backbone, by the stage that used it; none of a method that looks at pixels.
        weights: tensors of each backbone, where they are inside.
        maps: `sigma`, `rate`, `usual`, `red` and `promise` of the maps' colours; None of a method without maps.
        origin: `iad` (version), `versions` of libraries, `revision`, `source` and `category` of the pictures, and the
            `precision` of a network that is no backbone.
    """

    packed: tuple[Mapping[str, Any], Mapping[str, np.ndarray]]
    pictures: PictureSet
    calibration: CalibrationSet
    threshold: Mapping[str, Any]
    rule: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    embedders: Mapping[str, Mapping[str, Any]]
    weights: Mapping[str, Mapping[str, np.ndarray]]
    maps: Mapping[str, Any] | None
    origin: Mapping[str, Any]

    @property
    def method(self) -> str:
        """Name of the method, as `params.yaml` had it."""
        return str(self.packed[0]["method"])

    @property
    def set_apart(self) -> bool:
        """Whether the pictures that calibrate are others than those fitted to."""
        return bool((self.calibration.rows < 0).all())

    def fitted(self, runtime: Runtime | None = None) -> Fitted:
        """The method; this imports what it computes with."""
        from iad.fitted import unpack

        return unpack(*self.packed, runtime)


def write_bundle(path: Path, bundle: Bundle) -> str:
    """Write a bundle beside its place, then rename it. Returns its SHA-256, which `read_bundle` checks."""
    values, arrays = bundle.packed
    found = bundle.calibration
    content = {
        "format": FORMAT, **bundle.origin, "fitted": values, "pictures": _listed(bundle.pictures),
        "calibration": {
            "pictures": _listed(found.pictures), "scheme": found.scheme, "map_scheme": found.map_scheme,
        },
        "threshold": bundle.threshold, "rule": bundle.rule, "preprocess": bundle.preprocess,
        "embedders": bundle.embedders, "maps": bundle.maps,
    }  # fmt: skip
    kept = {"rows": found.rows, "scores": found.scores} | {f"kept.{part}": array for part, array in found.kept.items()}
    return write_sealed(
        path, content,
        {f"{DETECTOR}{name}": array for name, array in arrays.items()}
        | {f"{CALIBRATION}{name}": array for name, array in kept.items()}
        | {f"{WEIGHTS}{reads}/{name}": one for reads, state in bundle.weights.items() for name, one in state.items()},
    )  # fmt: skip


def read_bundle(path: Path) -> tuple[Bundle, str]:
    """Read a bundle and check its hash, which is given too.

    Raises:
        IadError: if the file is missing, no bundle, of another format, cut short or altered.
    """
    content, arrays, digest = read_sealed(path, what="bundle", remedy=REMEDY)
    if "format" not in content:
        raise IadError(f"{path}: a fitted detector of a stage, but no bundle; {REMEDY}")
    if content["format"] != FORMAT:
        found = content["format"]
        raise IadError(f"{path}: a bundle of format {found}, and this version reads format {FORMAT}; update iad")
    own = _below(arrays, CALIBRATION)
    weights: dict[str, dict[str, np.ndarray]] = {}
    for name, array in _below(arrays, WEIGHTS).items():
        reads, _, tensor = name.rpartition("/")
        weights.setdefault(reads, {})[tensor] = array
    found = content["calibration"]
    return Bundle(
        packed=(content["fitted"], _below(arrays, DETECTOR)),
        pictures=_pictures(content["pictures"]),
        calibration=CalibrationSet(
            _pictures(found["pictures"]), own["rows"], own["scores"], found["scheme"], found["map_scheme"],
            _below(own, "kept."),
        ),
        threshold=content["threshold"], rule=content["rule"], preprocess=content["preprocess"],
        embedders=content["embedders"], weights=weights, maps=content["maps"],
        origin={name: content[name] for name in ORIGIN},
    ), digest  # fmt: skip


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the only right to change a bundle in place, so that of two changes at once none is lost: the second waits.

    The lock is the operating system's, on a file in its folder for temporary ones, and ends with the process.
    """
    from filelock import FileLock

    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
    with FileLock(Path(tempfile.gettempdir()) / f"iad-{name}.lock"):
        yield


def _below(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _listed(pictures: PictureSet) -> list[list[str]]:
    return [list(pair) for pair in zip(pictures.ids, pictures.sha256, strict=True)]


def _pictures(listed: Sequence[Sequence[str]]) -> PictureSet:
    return PictureSet(tuple(one[0] for one in listed), tuple(one[1] for one in listed))
