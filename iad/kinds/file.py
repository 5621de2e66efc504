"""Kinds of defects as a file, and the same file put to work beside the bundle that it was made with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iad.bundles.sealed import in_one_line, read_sealed, write_sealed
from iad.data.given import read_pictures
from iad.data.pictures import find
from iad.errors import IadError
from iad.kinds.descriptors import descriptors
from iad.kinds.prototypes import Prototypes, confusion
from iad.progress import track
from iad.words import as_text, counted

if TYPE_CHECKING:
    from iad.bundles.predictor import Predictor

FORMAT = 1
LOOKS = ("name", "weights_sha256", "image_size", "patches", "stride")
"""What a backbone's record and a file of kinds must agree in."""


@dataclass(frozen=True, eq=False)
class Kinds:
    """Prototypes, and what they are prototypes of.

    Attributes:
        prototypes: of each kind.
        method: of the bundle that they were made with.
        looks: what its backbones see, by stage.
    """

    prototypes: Prototypes
    method: str
    looks: Mapping[str, Mapping[str, Any]]

    def require(self, predictor: Predictor, origin: str) -> None:
        """Refuse a predictor whose patches are others.

        Raises:
            IadError: naming both.
        """
        if self.method != predictor.method or self.looks != _looks(predictor):
            raise IadError(
                f"{origin}: made with another bundle ({self.method}) than {predictor.origin} ({predictor.method}), or "
                "with other weights, layers or sizes; make it again with `iad kinds`"
            )

    def namer(self, predictor: Predictor, origin: str = "kinds") -> Callable[[np.ndarray], list[str]]:
        """What names the kinds of prepared pictures, uint8 `(N, H, W, 3)`, whose parts this predictor rejected.

        Raises:
            IadError: as `require`.
        """
        self.require(predictor, origin)
        return lambda pixels: [one.kind for one in self.prototypes.name(descriptors(predictor, pixels))]


@dataclass(frozen=True, eq=False)
class Learnt:
    """Kinds, and how well their own examples can be told apart.

    Attributes:
        kinds: what was learnt.
        counts: of examples that each kind was taken for, as `iad.kinds.prototypes.confusion`.
        unread: why an example could not be read, a line each.
    """

    kinds: Kinds
    counts: np.ndarray
    unread: Sequence[str]


def learn(predictor: Predictor, folder: Path) -> Learnt:
    """Learn kinds from a folder that has a folder of examples for each.

    Raises:
        IadError: if there is no such folder, the examples are too few, or the method does not look at patches.
    """
    limits = predictor.bundle.preprocess.reading | {"errors": "return"}
    found, names, unread = [], list[str](), list[str]()
    files = [(kind, one) for kind in _folders(folder) for one in find(kind)]
    for kind, file in track(files, "defects seen"):
        one = next(iter(read_pictures(file, predictor.bundle.preprocess.image_size, **limits)))
        if one.pixels is None:
            unread.append(one.error)
            continue
        found.append(descriptors(predictor, one.pixels[None])[0])
        names.append(kind.name)
    stacked = np.stack(found) if found else np.empty((0, 1), np.float32)
    prototypes = Prototypes.fit(stacked, names)
    said = prototypes.name_examples(stacked, names)
    kinds = Kinds(prototypes, predictor.method, _looks(predictor))
    return Learnt(kinds, confusion(prototypes.names, names, said), unread)


def write_kinds(path: Path, kinds: Kinds) -> None:
    """Write kinds to a file, which is replaced if it is there."""
    values, arrays = kinds.prototypes.state()
    write_sealed(path, {"format": FORMAT, "method": kinds.method, "looks": kinds.looks, "prototypes": values}, arrays)


def read_kinds(path: Path) -> Kinds:
    """Read a file of `write_kinds`.

    Raises:
        IadError: if it is missing, something else, altered, or of another format.
    """
    values, arrays, _ = read_sealed(path, what="file of kinds", remedy="make it with `iad kinds`")
    with in_one_line(str(path)):
        if values["format"] != FORMAT:
            raise IadError(f"format {values['format']}, and {FORMAT} is read here; make it again with `iad kinds`")
        return Kinds(Prototypes.of_state(values["prototypes"], arrays), values["method"], values["looks"])


def learnt_lines(learnt: Learnt) -> Iterator[str]:
    """How well the examples can be told apart, line by line."""
    names, counts = learnt.kinds.prototypes.names, learnt.counts
    right = int(np.trace(counts[:, :-1]))
    yield from (f"not read: {one}" for one in learnt.unread)
    yield (
        f"{counted(int(counts.sum()), 'example')} of {len(names)} kinds; {right} are named right by the others, "
        f"{int(counts[:, -1].sum())} are like no kind"
    )
    rows = [[name, *map(str, row)] for name, row in zip(names, counts.tolist(), strict=True)]
    yield from as_text(["is, taken for", *names, "unknown"], rows).splitlines()


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise IadError(f"{folder}: no such folder; give one that has a folder of examples for each kind of defect")
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _looks(predictor: Predictor) -> dict[str, dict[str, Any]]:
    return {reads: {key: record[key] for key in LOOKS} for reads, record in _records(predictor).items()}


def _records(predictor: Predictor) -> dict[str, dict[str, Any]]:
    found = {reads: one.record() for reads, one in predictor.embedders.items()}
    plain: dict[str, dict[str, Any]] = json.loads(json.dumps(found))  # tuples as a file gives them back
    return plain
