"""A bundle: everything that a verdict needs, in one file that cannot be altered unseen.

It holds how pictures are prepared and embedded, the fitted detector, the threshold with its promise, the calibration
scores behind it, the scale of the maps, which pictures it was made of, and what made it; on request the backbone's
weights too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic.dataclasses import dataclass

from iad.bundles.parts import (
    EXACT,
    BackboneRecord,
    CalibrationSet,
    Maps,
    Origin,
    PackedValues,
    Preprocess,
    Rule,
)
from iad.bundles.pictures import PictureSet, picture_set
from iad.bundles.sealed import in_one_line, read_sealed, write_sealed
from iad.data.image_size import ImageSize
from iad.decision.promises import Threshold
from iad.decision.ranks import decides
from iad.errors import IadError
from iad.progress import say

__all__ = [
    "Bundle", "CalibrationSet", "Maps", "Origin", "PictureSet", "Preprocess", "Rule", "locked", "read_bundle",
    "write_bundle",
]  # fmt: skip

if TYPE_CHECKING:
    from iad.bundles.fitted import Fitted
    from iad.compute import Runtime

FORMAT, OLDEST = 5, 2  # what is written; what is read still
"""Format 3 added what a detector has decided itself, format 4 pictures that are no squares and `patch.top_share`, and
format 5 `stride`, `patches.grid` and `patches.deeper_from` of a backbone."""
BEFORE: Mapping[str, Mapping[str, float]] = {"patch": {"top_share": 0.0}}
"""By detector, options that came with format 4, with the values that give what older bundles gave."""
BACKBONE_BEFORE, PATCHES_BEFORE = {"stride": None}, {"grid": "coarsest", "deeper_from": 0}
"""Options of a backbone that came with format 5, with such values."""
SUFFIX = ".iad"
DETECTOR, CALIBRATION, WEIGHTS = "detector/", "calibration/", "weights/"  # before the names of arrays
GRIDS = "pictures/grids"
APART = "apart"  # behind CALIBRATION: the same of pictures that were set apart
KEPT = "kept."  # and, behind CALIBRATION, before the parts that are kept of calibration pictures
REMEDY = "make one with `iad bundle METHOD`"


@dataclass(frozen=True, eq=False, config=EXACT)
class Bundle:
    """A fitted method and everything that a verdict needs.

    Plain mappings in place of the smaller records are accepted, and checked.

    Attributes:
        packed: values and arrays of the method, as `Fitted.pack` gives them.
        pictures: the good pictures that it was fitted to.
        calibration: what set the threshold.
        threshold: the threshold and its promise.
        rule: how the threshold was set, to set it anew.
        preprocess: how pictures are prepared.
        embedders: record of each backbone, by the stage that used it; none of a method that looks at pixels.
        weights: tensors of each backbone, where they are inside.
        maps: the scale of the maps; None of a method without maps.
        origin: where all this comes from.

    Raises:
        ValueError: if a value is of another type, or out of range.
        IadError: if the calibration does not fit together, or is not finite.
    """

    packed: tuple[PackedValues, Mapping[str, np.ndarray]]
    pictures: PictureSet
    calibration: CalibrationSet
    threshold: Threshold
    rule: Rule
    preprocess: Preprocess
    embedders: Mapping[str, BackboneRecord]
    weights: Mapping[str, Mapping[str, np.ndarray]]
    maps: Maps | None
    origin: Origin

    def __post_init__(self) -> None:
        """Refuse what no method could have left."""
        if (most := int(self.calibration.rows.max())) >= len(self.pictures):
            raise IadError(f"a calibration picture with number {most}, of {len(self.pictures)} pictures")
        if not np.isfinite(self.threshold.value):
            raise IadError("the threshold is not finite")
        sizes = {ImageSize.of(record["image_size"]) for record in self.embedders.values()}
        if others := sizes - {self.preprocess.image_size}:
            raise IadError(f"backbones for pictures of {max(others)}, which are {self.preprocess.image_size} here")
        if unused := set(self.weights) - set(self.embedders):
            raise IadError(f"weights of '{min(unused)}', which is no backbone of it")

    @property
    def method(self) -> str:
        """Name of the method, as `params.yaml` had it."""
        return str(self.packed[0]["method"])

    @property
    def set_apart(self) -> bool:
        """Whether the pictures that calibrate are others than those fitted to."""
        return bool((self.calibration.rows < 0).all())

    def fitted(self, runtime: Runtime | None = None) -> Fitted:
        """The method; this imports what it computes with. See `iad.bundles.fitted.unpack`."""
        from iad.bundles.fitted import unpack

        return unpack(*self.packed, runtime)


def write_bundle(path: Path, bundle: Bundle) -> str:
    """Write a bundle beside its place, then rename it. Returns its SHA-256, which `read_bundle` checks."""
    values, arrays = bundle.packed
    found = bundle.calibration
    content = {
        "format": FORMAT, "origin": asdict(bundle.origin), "fitted": values, "pictures": bundle.pictures.rows(),
        "calibration": {
            "apart": found.pictures.rows() if bundle.set_apart else None,
            "scheme": found.scheme, "map_scheme": found.map_scheme,
        },
        "threshold": asdict(bundle.threshold), "rule": asdict(bundle.rule),
        "preprocess": asdict(bundle.preprocess) | {"image_size": bundle.preprocess.image_size.plain},

        "embedders": dict(bundle.embedders), "maps": None if bundle.maps is None else asdict(bundle.maps),
    }  # fmt: skip
    kept = {"rows": found.rows, "scores": found.scores} | {f"{KEPT}{part}": array for part, array in found.kept.items()}
    kept |= {APART: found.pictures.grid_array()} if bundle.set_apart else {}
    return write_sealed(
        path, content,
        {GRIDS: bundle.pictures.grid_array()}
        | {f"{DETECTOR}{name}": array for name, array in arrays.items()}
        | {f"{CALIBRATION}{name}": array for name, array in kept.items()}
        | {f"{WEIGHTS}{reads}/{name}": one for reads, state in bundle.weights.items() for name, one in state.items()},
    )  # fmt: skip


def read_bundle(path: Path) -> tuple[Bundle, str]:
    """Read a bundle and check its hash, which is given too, and that its parts fit together.

    Raises:
        IadError: if the file is missing, no bundle, of another format, cut short or altered, or put together wrongly.
    """
    content, arrays, digest = read_sealed(path, what="bundle", remedy=REMEDY)
    if "format" not in content:
        raise IadError(f"{path}: a fitted detector of a stage, but no bundle; {REMEDY}")
    if (found := content["format"]) not in range(OLDEST, FORMAT + 1):
        older = isinstance(found, int) and found < OLDEST
        then = f"an older iad wrote it, so {REMEDY}" if older else "update iad"
        raise IadError(
            f"{path}: a bundle of format {found}, and this version reads formats {OLDEST} to {FORMAT}; {then}"
        )
    with in_one_line(str(path)):
        return _bundle(content, arrays), digest


def require_verdicts(bundle: Bundle, origin: str) -> None:
    """Refuse a bundle of too few good pictures to decide.

    Raises:
        IadError: saying how many it takes.
    """
    if not decides(bundle.threshold):
        raise IadError(
            f"{origin}: {bundle.threshold.guarantee}; add good pictures with `iad bundle add`, or fit it again with a "
            "higher alpha"
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the only right to change a bundle in place, so that of two changes at once none is lost: the second waits.

    The lock is the operating system's, on a hidden file beside the bundle. So it ends with the process, holds for all
    users, and for all computers where a shared folder passes locks on. The hidden file stays.

    Raises:
        IadError: if there is no such file, or none can be made beside it.
    """
    if not path.is_file():
        raise IadError(f"{path}: no such file; {REMEDY}")
    from filelock import FileLock, Timeout

    real = path.resolve()
    lock = FileLock(real.with_name(f".{real.name}.lock"), mode=0o666)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        say(f"{path}: another command is changing it; waiting")
        lock.acquire()
    except OSError as error:
        raise IadError(f"{path}: cannot be changed here ({error.strerror}); name another file with --out") from None
    try:
        yield
    finally:
        lock.release()


def _bundle(content: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Bundle:
    given = dict(content)
    if given.pop("format") < FORMAT:
        given["fitted"] = _brought_up(given["fitted"])
        given["embedders"] = {reads: _brought_up_record(record) for reads, record in given["embedders"].items()}
    calibration, own = given.pop("calibration"), _below(arrays, CALIBRATION)
    pictures, rows, apart = picture_set(given.pop("pictures"), arrays[GRIDS]), own["rows"], calibration["apart"]
    weights: dict[str, dict[str, np.ndarray]] = {}
    for name, array in _below(arrays, WEIGHTS).items():
        reads, _, tensor = name.rpartition("/")
        weights.setdefault(reads, {})[tensor] = array
    return Bundle(
        packed=(given.pop("fitted"), _below(arrays, DETECTOR)), pictures=pictures,
        calibration=CalibrationSet(
            _calibrating(pictures, rows) if apart is None else picture_set(apart, own[APART]), rows, own["scores"],
            calibration["scheme"], calibration["map_scheme"], _below(own, KEPT),
        ),
        weights=weights, **given,
    )  # fmt: skip


def _brought_up(fitted: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a method in an older file, with the options that it had without saying so."""
    members = {name: _brought_up(member) for name, member in fitted["members"].items()}
    options = {**BEFORE.get(fitted["detector"], {}), **fitted["options"]}
    return {**fitted, "members": members, "options": options}


def _brought_up_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a backbone."""
    return {**BACKBONE_BEFORE, **record, "patches": {**PATCHES_BEFORE, **record["patches"]}}


def _calibrating(pictures: PictureSet, rows: np.ndarray) -> PictureSet:
    if rows.dtype != np.int64 or rows.ndim != 1 or not ((rows >= 0) & (rows < len(pictures))).all():
        raise IadError(f"numbers of calibration pictures that are no numbers of {len(pictures)} pictures")
    return pictures.take(rows)


def _below(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
