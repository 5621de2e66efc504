"""What detectors look at: pictures as they are, or embeddings of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from iad.errors import IadError
from iad.neighbors.rows import Rows, take

Takes: TypeAlias = Literal["pixels", "pooled", "patches", "members"]
"""What a detector looks at: pictures as they are, one embedding per picture, one per patch, or what its members
take.
"""

PARTS = ("pixels", "pooled", "patches", "augmented", "contributions")
"""Parts of `Embeddings` that have a row per picture."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What detectors are given of N pictures; each part has a row per picture, and None where nobody asked for it.

    Attributes:
        pixels: uint8 `(N, H, W, 3)`, RGB.
        pooled: float32 `(N, D)`, one embedding per picture.
        patches: float16 or float32 `(N, h, w, D)`, one embedding per patch.
        augmented: float16 `(N, c, h, w, D)`, patches of c rotated or flipped copies of each picture.
        contributions: float16 `(N, h, w, D)`, what each patch adds to `pooled`; see `iad.features.contributions`.
        pooling: how `pooled` follows from `contributions`.
        members: by name, for a detector that is made of others.
        names: N names for refusals; None counts the pictures from 0.
        region: bool `(H, W)`, which pixels of each prepared picture count; None: all. What the others show is one grey
            already; a detector of places leaves theirs out when it is fitted.

    All parts may be memory-mapped or views, and are never written to.
    """

    pixels: Rows | None = None
    pooled: Rows | None = None
    patches: Rows | None = None
    augmented: Rows | None = None
    contributions: Rows | None = None
    pooling: str = ""
    members: Mapping[str, Embeddings] = field(default_factory=dict)
    names: Sequence[str] | np.ndarray | None = None
    region: np.ndarray | None = None

    @classmethod
    def of(cls, given: Embeddings | np.ndarray) -> Embeddings:
        """Take a bare array for what its shape and type say.

        Raises:
            IadError: if they say nothing.

        >>> Embeddings.of(np.zeros((2, 8), dtype=np.float32)).pooled.shape
        (2, 8)
        """
        if isinstance(given, Embeddings):
            return given
        if given.ndim == 2:
            return cls(pooled=given)
        if given.ndim == 4 and given.dtype == np.uint8 and given.shape[3] == 3:
            return cls(pixels=given)
        if given.ndim == 4 and given.dtype.kind == "f":
            return cls(patches=given)
        raise IadError(
            f"an array of {given.dtype} and the shape {given.shape}: give pictures, uint8 (N, H, W, 3), pooled "
            "embeddings (N, D), or patch embeddings (N, h, w, D)"
        )

    def __len__(self) -> int:
        parts = (self.pixels, self.pooled, self.patches, self.contributions)
        found = next((part for part in parts if part is not None), None)
        return len(found) if found is not None else len(next(iter(self.members.values()), ()))

    def take(self, rows: np.ndarray) -> Embeddings:
        """The pictures of these rows, int64 `(M,)` or bool `(N,)`; nothing is copied.

        >>> pictures = Embeddings(pooled=np.array([[1.0], [2.0], [3.0]]), names=["a.png", "b.png", "c.png"])
        >>> some = pictures.take(np.array([2, 0]))
        >>> np.asarray(some.pooled).tolist(), some.name(0)
        ([[3.0], [1.0]], 'c.png')
        """
        taken: dict[str, Any] = {name: take(part, rows) for name in PARTS if (part := getattr(self, name)) is not None}
        members = {name: member.take(rows) for name, member in self.members.items()}
        names = None if self.names is None else np.asarray(self.names)[rows]
        return replace(self, **taken, members=members, names=names)

    def name(self, picture: int) -> str:
        """What a refusal calls the picture of this number.

        >>> Embeddings(names=["a.png", "b.png"]).name(1), Embeddings().name(1)
        ('b.png', 'picture 1')
        """
        return f"picture {picture}" if self.names is None else str(self.names[picture])

    def listed(self, pictures: np.ndarray) -> str:
        """What a refusal calls the pictures of these numbers, int64 `(K,)`: the first three of them, and how many more.

        >>> Embeddings(names=["a.png", "b.png", "c.png", "d.png"]).listed(np.arange(4))
        'a.png, b.png, c.png and 1 more'
        """
        first, more = ", ".join(map(self.name, pictures[:3].tolist())), len(pictures) - 3
        return f"{first} and {more} more" if more > 0 else first


def required(part: Rows | None, what: str) -> Rows:
    """The part of the embeddings that a detector takes.

    Raises:
        IadError: naming it, if it was not given.

    >>> required(None, "pooled embeddings")
    Traceback (most recent call last):
    iad.errors.IadError: no pooled embeddings given, which this detector looks at; extract them, ...
    """
    if part is None:
        raise IadError(f"no {what} given, which this detector looks at; extract them, or choose another method")
    return part


def pooled_of(embeddings: Embeddings, section: str) -> np.ndarray:
    """The pooled embeddings `(N, D)`, all of them finite.

    Args:
        embeddings: of pictures.
        section: of the detector in `params.yaml`; a refusal begins with it.

    Raises:
        IadError: if there are none, or naming the pictures whose embeddings are not finite.

    >>> pooled_of(Embeddings(pooled=np.array([[1.0], [np.nan]]), names=["a.png", "b.png"]), "method")
    Traceback (most recent call last):
    iad.errors.IadError: method: the embedding of b.png is not finite; run `dvc repro --force` for the stage that ...
    """
    rows = np.asarray(required(embeddings.pooled, "pooled embeddings"))
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(broken):
        raise IadError(
            f"{section}: the embedding of {embeddings.listed(broken)} is not finite; run `dvc repro --force` for the "
            "stage that extracts it, or leave the picture out"
        )
    return rows
