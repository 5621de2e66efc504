"""A method as it was fitted: its detector, what that looks at, and its members. As values and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from iad import paths
from iad.bundles.sealed import in_one_line, read_sealed, write_sealed
from iad.detectors import HYBRID, detector_class, options_of
from iad.detectors.base import Detector, State
from iad.detectors.embeddings import Embeddings
from iad.errors import IadError
from iad.options import Name, Section

if TYPE_CHECKING:
    from iad.compute import Runtime


class Packed(Section):
    """The values of a fitted method in a file, as `Fitted.pack` gives them; the arrays stand beside them.

    Attributes:
        method: its name.
        detector: name of its detector.
        reads: the stage whose output it looks at.
        options: of the detector.
        seed: of whatever the detector draws.
        state: values of the detector's state.
        members: of a hybrid, by name.
    """

    method: Name
    detector: Name
    reads: str
    options: dict[str, Any]
    seed: int
    state: dict[str, Any]
    members: dict[str, Packed]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted method.

    Attributes:
        method: its name, a key of `methods` in `params.yaml`.
        kind: name of its detector, as in `iad.detectors.detector_names`.
        reads: the stage whose output the detector looks at, as "extract_vit"; of a hybrid, nothing of its own.
        detector: fitted.
        members: of a hybrid, in the order of its options.
    """

    method: str
    kind: str
    reads: str
    detector: Detector[Any]
    members: tuple[Fitted, ...] = ()

    def sources(self) -> dict[str, set[str]]:
        """What has to be embedded, by the stage that does so: which parts of `Embeddings` are looked at.

        >>> fitted = detector_class("knn")(options_of("knn")())
        >>> Fitted("resnet_knn", "knn", "extract_resnet", fitted).sources()
        {'extract_resnet': {'pooled'}}
        """
        if not self.members:
            return {self.reads: {self.detector.takes}}
        found: dict[str, set[str]] = {}
        for member in self.members:
            for reads, parts in member.sources().items():
                found.setdefault(reads, set()).update(parts)
        return found

    def inputs(self, embeddings: Mapping[str, Embeddings]) -> Embeddings:
        """What the detector takes, from the embeddings of the same pictures by the stage that makes them."""
        if not self.members:
            return embeddings[self.reads]
        return Embeddings(members={member.method: member.inputs(embeddings) for member in self.members})

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Values, as JSON holds them, and arrays, from which `unpack` makes the same again."""
        state = self.detector.state()
        packed = {member.method: member.pack() for member in self.members}
        values = {
            "method": self.method, "detector": self.kind, "reads": self.reads,
            "options": self.detector.options.model_dump(mode="json"), "seed": self.detector.seed,
            "state": dict(state.values), "members": {name: inner for name, (inner, _) in packed.items()},
        }  # fmt: skip
        arrays = dict(state.arrays)
        for name, (_, inner) in packed.items():
            arrays |= _inside(name, inner)
        return values, arrays


def unpack(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], runtime: Runtime | None = None) -> Fitted:
    """Make the method whose `pack` this is.

    Args:
        values: as `pack` gave them.
        arrays: as `pack` gave them.
        runtime: where detectors that use PyTorch compute; None: on the CPU, in float32.

    Raises:
        IadError: if there is no such detector here, or a number among the arrays is not finite.
        ValueError: if values are of another type, or do not fit the arrays, as far as the detector sees it now; other
            errors of `iad.bundles.sealed.MISFITS` too.

    >>> detector = detector_class("knn")(options_of("knn")(k=1)).fit(np.zeros((1, 2)))
    >>> again = unpack(*Fitted("near", "knn", "extract_vit", detector).pack())
    >>> again.method, again.detector.predict(np.array([[3.0, 4.0]])).pred_score.item()
    ('near', 5.0)
    """
    packed = Packed.model_validate(values)
    if bad := next((name for name, array in arrays.items() if not _finite(array)), None):
        raise IadError(f"'{bad}' holds a number that is not finite; fit the method again")
    return _unpacked(packed, arrays, runtime)


def write_fitted(fitted: Fitted) -> str:
    """Write a method into the folder of its stage `score`; returns the SHA-256 of the file's content."""
    return write_sealed(paths.SCORE / fitted.method / paths.DETECTOR, *fitted.pack())


def read_fitted(method: str, runtime: Runtime | None = None) -> Fitted:
    """The method as its stage `score` left it; of a hybrid, with its members.

    Raises:
        IadError: if a file is missing, cut short or altered.
    """
    path = paths.SCORE / method / paths.DETECTOR
    values, arrays, _ = read_sealed(path, what="fitted detector", remedy="run `dvc repro` to write it again")
    with in_one_line(str(path)):
        if values["detector"] == HYBRID:
            for member in values["options"]["members"]:
                inner, more = read_fitted(member, runtime).pack()
                values["members"][member] = inner
                arrays |= _inside(member, more)
        return unpack(values, arrays, runtime)


def _unpacked(packed: Packed, arrays: Mapping[str, np.ndarray], runtime: Runtime | None) -> Fitted:
    members = tuple(_unpacked(inner, _of(name, arrays), runtime) for name, inner in packed.members.items())
    options = options_of(packed.detector).model_validate(packed.options)
    if (wanted := getattr(options, "members", ())) != tuple(packed.members):
        held, named = (", ".join(names) or "none" for names in (packed.members, wanted))
        raise IadError(f"members of {packed.method}: it holds {held}, and its options name {named}")
    own = State({name: array for name, array in arrays.items() if "/" not in name}, packed.state)
    inner = {"members": {member.method: member.detector for member in members}} if members else {}
    detector = detector_class(packed.detector).load(options, own, seed=packed.seed, runtime=runtime, **inner)
    return Fitted(packed.method, packed.detector, packed.reads, detector, members)


def _inside(member: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A member's arrays under the names that the whole has for them."""
    return {f"{member}/{name}": array for name, array in arrays.items()}


def _of(member: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A member's arrays under its own names."""
    start = f"{member}/"
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _finite(array: np.ndarray) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())
