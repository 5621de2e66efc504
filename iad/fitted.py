"""A method as it was fitted: its detector, what that looks at, and its members. As values and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from iad import paths
from iad.detectors import HYBRID, detector_class, options_of
from iad.detectors.base import Detector, Embeddings, State
from iad.sealed import read_sealed, write_sealed

if TYPE_CHECKING:
    from iad.compute import Runtime


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
        """What has to be embedded, by the stage that does so: which parts of `Embeddings` are looked at."""
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
        inner = {f"{name}/{key}": array for name, (_, arrays) in packed.items() for key, array in arrays.items()}
        return values, {**state.arrays, **inner}


def unpack(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray], runtime: Runtime | None = None) -> Fitted:
    """Make the method whose `pack` this is.

    Args:
        values: as `pack` gave them.
        arrays: as `pack` gave them.
        runtime: where detectors that use PyTorch compute; None: on the CPU, in float32.

    Raises:
        IadError: if there is no such detector here.
    """
    members = tuple(
        unpack(
            inner, {key.removeprefix(f"{name}/"): a for key, a in arrays.items() if key.startswith(f"{name}/")}, runtime
        )
        for name, inner in values["members"].items()
    )
    options = options_of(values["detector"]).model_validate(values["options"])
    own = State({key: array for key, array in arrays.items() if "/" not in key}, values["state"])
    given = {"members": {member.method: member.detector for member in members}} if members else {}
    detector = detector_class(values["detector"]).load(options, own, seed=values["seed"], runtime=runtime, **given)
    return Fitted(values["method"], values["detector"], values["reads"], detector, members)


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
    if values["detector"] == HYBRID:
        for member in values["options"]["members"]:
            inner, more = read_fitted(member, runtime).pack()
            values["members"][member] = inner
            arrays |= {f"{member}/{key}": array for key, array in more.items()}
    return unpack(values, arrays, runtime)
