"""Kinds of defects as prototypes: the mean of what a few examples look like, and how near a new one must lie.

Prototypical networks (Snell et al., NeurIPS 2017, equation 1) with a frozen network, and cosine in place of the squared
distance (equal to it for vectors of length 1). Whether a defect is of a kind at all is a conformal p-value for each
kind (Vovk et al. 2005, section 2.2): the share of its examples that lie as far from the other examples' prototype. An
example is compared with a prototype of one example less than a new defect is, so that the promise is that of the
jackknife: no proof, and about the rate that is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from iad.errors import IadError
from iad.words import counted

FEWEST = 3  # examples of a kind: with fewer no spread can be seen
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Naming:
    """What is said of one defect.

    Attributes:
        kind: the likeliest; `UNKNOWN` where the defect is less like each kind than all examples of that are.
        similarity: cosine to its prototype, -1 to 1; to the nearest one where it is unknown.
        p_values: of each kind, by its name: small means that few examples of that kind are so unlike the others.
    """

    kind: str
    similarity: float
    p_values: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Prototypes:
    """What kinds of defects look like.

    Attributes:
        names: of K kinds.
        vectors: float32 `(K, D)`, of length 1.
        similarities: of each kind, by its name, float64: of every example to the prototype of the others.
    """

    names: tuple[str, ...]
    vectors: np.ndarray
    similarities: Mapping[str, np.ndarray]

    @classmethod
    def fit(cls, descriptors: np.ndarray, kinds: Sequence[str]) -> Self:
        """Prototypes of examples, float32 `(N, D)` of length 1, and the kind of each.

        Raises:
            IadError: if there is one kind alone, a kind has too few examples, or one is called `UNKNOWN`.

        >>> examples = np.float32([[1, 0], [1, 0], [0.8, 0.6], [0, 1], [0, 1], [0.6, 0.8]])
        >>> Prototypes.fit(examples, ["cut"] * 3 + ["hole"] * 3).name(np.float32([[0.96, 0.28]]))[0].kind
        'cut'
        """
        given = np.asarray(kinds)
        names = tuple(sorted({*kinds}))
        _require_kinds({name: int((given == name).sum()) for name in names})
        own = {name: descriptors[given == name].astype(np.float64) for name in names}
        vectors = np.stack([_unit(some.sum(axis=0)) for some in own.values()])
        similarities = {
            name: np.array([some[row] @ _unit(np.delete(some, row, axis=0).sum(axis=0)) for row in range(len(some))])
            for name, some in own.items()
        }
        return cls(names, vectors.astype(np.float32), similarities)

    def name(self, descriptors: np.ndarray) -> list[Naming]:
        """The likely kind of each defect, float32 `(M, D)` of length 1."""
        near = descriptors.astype(np.float64) @ self.vectors.T.astype(np.float64)
        return [self._naming(row) for row in near]

    def name_examples(self, descriptors: np.ndarray, kinds: Sequence[str]) -> list[Naming]:
        """What the examples themselves are taken for, each compared with its own kind's prototype without it."""
        near = descriptors.astype(np.float64) @ self.vectors.T.astype(np.float64)
        said, seen = [], dict.fromkeys(self.names, 0)
        for row, kind in zip(near, kinds, strict=True):
            number, own = seen[kind], self.similarities[kind]
            row[self.names.index(kind)] = own[number]
            said.append(self._naming(row, {**self.similarities, kind: np.delete(own, number)}))
            seen[kind] += 1
        return said

    def _naming(self, near: np.ndarray, similarities: Mapping[str, np.ndarray] | None = None) -> Naming:
        examples = similarities or self.similarities
        each = list(zip(self.names, near.tolist(), strict=True))
        p_values = {name: (1 + int((examples[name] <= one).sum())) / (1 + len(examples[name])) for name, one in each}
        best = int(near.argmax())
        like_any = any(one >= examples[name].min() for name, one in each)
        return Naming(self.names[best] if like_any else UNKNOWN, float(near[best]), p_values)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Plain values and arrays, from which `of_state` makes the same again."""
        similarities = {name: found.tolist() for name, found in self.similarities.items()}
        return {"names": list(self.names), "similarities": similarities}, {"vectors": self.vectors}

    @classmethod
    def of_state(cls, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The prototypes whose `state` this is.

        Raises:
            IadError: if the parts do not fit together.
        """
        names, vectors = tuple(map(str, values["names"])), arrays["vectors"]
        similarities = {name: np.array(values["similarities"][name], dtype=np.float64) for name in names}
        if vectors.ndim != 2 or len(vectors) != len(names) or vectors.dtype != np.float32:
            raise IadError(f"{len(names)} kinds, and prototypes of the shape {vectors.shape}; make the file again")
        return cls(names, vectors, similarities)


def confusion(names: Sequence[str], kinds: Sequence[str], said: Sequence[Naming]) -> np.ndarray:
    """How often each kind was taken for which: int64 `(K, K + 1)`, rows the true ones, the last column `UNKNOWN`.

    >>> confusion(["cut", "hole"], ["cut", "cut"], [Naming("cut", 1.0, {}), Naming(UNKNOWN, 0.0, {})]).tolist()
    [[1, 0, 1], [0, 0, 0]]
    """
    columns = {name: place for place, name in enumerate([*names, UNKNOWN])}
    found = np.zeros((len(names), len(names) + 1), dtype=np.int64)
    for kind, one in zip(kinds, said, strict=True):
        found[columns[kind], columns[one.kind]] += 1
    return found


def _require_kinds(counts: Mapping[str, int]) -> None:
    if UNKNOWN in counts:
        raise IadError(f"kinds: one is called '{UNKNOWN}', which is said of defects of no kind; call it otherwise")
    if len(counts) < 2:
        raise IadError(f"kinds: {counted(len(counts), 'kind')} of defects; give two at least, a folder for each")
    if few := next((name for name, count in counts.items() if count < FEWEST), None):
        raise IadError(f"kinds: {counted(counts[few], 'example')} of '{few}'; give {FEWEST} at least, or leave it out")


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12))
