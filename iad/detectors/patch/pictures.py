"""Patches of pictures as a memory bank takes them, and what pictures of one bank have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np

from iad.detectors.embeddings import Embeddings, required
from iad.detectors.patch.budget import Counts
from iad.detectors.places import Counting, Line, kept_places, places_of
from iad.errors import IadError
from iad.neighbors.patch_view import PatchView
from iad.neighbors.rows import RowView
from iad.words import counted

Kind: TypeAlias = tuple[int, int, int, int]
"""What pictures of one bank have in common: h and w of their patches, versions of each, and features D."""


def kind_of(pictures: Embeddings) -> Kind:
    """What a bank of these pictures is made of.

    >>> patches, augmented = np.zeros((2, 4, 5, 8), np.float16), np.zeros((2, 3, 4, 5, 8), np.float16)
    >>> kind_of(Embeddings(patches=patches)), kind_of(Embeddings(patches=patches, augmented=augmented))
    ((4, 5, 1, 8), (4, 5, 4, 8))
    """
    _, height, width, length = required(pictures.patches, "patch embeddings").shape
    return height, width, 1 if pictures.augmented is None else 1 + pictures.augmented.shape[1], length


def counted_good(good: Embeddings, *, masks: bool) -> tuple[Embeddings, Counting]:
    """Good pictures with the patches that their region of interest keeps, and which places that are.

    Args:
        good: the pictures.
        masks: whether a foreground is asked for, too.

    Raises:
        IadError: if so, where there is a region.
    """
    places = places_of(good)
    if places and masks:
        raise IadError("patch.foreground = pca beside a region of interest, which says what counts; set it to none")
    return kept_places(good, places, "patch"), places


def require_features(features: int, own: int) -> None:
    """Refuse patches of so many features where those of the good pictures have others.

    Raises:
        IadError: naming both.
    """
    if features != own:
        raise IadError(
            f"patch: patches of {features} features, but those of the good pictures have {own}; embed all by the same "
            "backbone and layers"
        )


def require_like(kind: Kind, bank: Kind) -> None:
    """Refuse pictures of one kind to a bank of another.

    Raises:
        IadError: naming both.

    >>> require_like((4, 4, 1, 8), (4, 4, 1, 16))
    Traceback (most recent call last):
    iad.errors.IadError: patch: pictures of 4 x 4 patches of 8 features in 1 version do not join a memory bank of ...
    """
    if kind != bank:
        new, own = (f"{h} x {w} patches of {d} features in {counted(v, 'version')}" for h, w, v, d in (kind, bank))
        raise IadError(
            f"patch: pictures of {new} do not join a memory bank of {own}; extract all of them with the same options "
            "of `patches`, by the same backbone"
        )


def counts_of(kind: Kind, pictures: int) -> Counts:
    """What a bank of so many pictures of a kind is made of, in numbers.

    >>> counts_of((4, 5, 2, 8), 3).rows
    120
    """
    height, width, versions, features = kind
    return Counts(pictures, height * width, versions, features)


def too_few(k: int, left: int, counts: Counts, ratio: float, *, leave_out: bool) -> IadError:
    """The refusal of `left` patches to compare with, fewer than k, of a bank that keeps this ratio of `counts`.

    >>> print(too_few(5, 4, Counts(1, 4, 1, 8), 1.0, leave_out=False))
    patch.k = 5, but only 4 patches of good pictures are there to compare with; set patch.k to 4 or less, or add ...
    """
    per_picture = counts.patches * counts.versions
    ways = [f"set patch.k to {left} or less"] if left else []
    if ratio < 1 and (counts.pictures - leave_out) * per_picture >= k:
        ways.append("raise patch.coreset_sampling_ratio to 1")
    share = ratio * per_picture  # of a coreset, the one left out may have all
    enough = math.ceil((k + leave_out * per_picture) / share)
    return IadError(
        f"patch.k = {k}, but only {left} patches of {'other ' if leave_out else ''}good pictures are there to compare "
        f"with; {', or '.join([*ways, f'add good pictures: {enough} are enough'])}"
    )


def view_of(pictures: Embeddings) -> PatchView:
    """Patches, and those of each picture's copies, as they lie on disk: a bank may be larger than the memory."""
    patches, augmented = required(pictures.patches, "patch embeddings"), pictures.augmented
    rows = patches.rows if isinstance(patches, RowView) else None
    array = np.asarray(patches.array if isinstance(patches, RowView) else patches)
    if isinstance(augmented, RowView):  # those of all pictures in their order, as a rule: they stay on disk
        whole = np.array_equal(augmented.rows, np.arange(len(augmented.array)))
        augmented = np.asarray(augmented.array if whole else RowView(augmented.array, augmented.rows))
    counting = patches.numbers if isinstance(patches, Line) else None
    return PatchView(array, rows, copies=None if augmented is None else np.asarray(augmented), counting=counting)


@contextmanager
def naming_pictures(pictures: Embeddings) -> Iterator[None]:
    """Say which pictures are not finite, where a search refuses a value without knowing whose it is.

    >>> broken = Embeddings(patches=np.float32([[[[0]]], [[[np.nan]]]]), names=["a.png", "b.png"])
    >>> with naming_pictures(broken):
    ...     raise IadError("bank: a value is not finite")
    Traceback (most recent call last):
    iad.errors.IadError: patch: patches of b.png are not finite; ...
    """
    try:
        yield
    except IadError:
        patches = required(pictures.patches, "patch embeddings")
        broken = np.array([number for number in range(len(patches)) if not np.isfinite(patches[number]).all()])
        if not len(broken):
            raise
        raise IadError(
            f"patch: patches of {pictures.listed(broken)} are not finite; run `dvc repro --force` for the stage that "
            "extracts them, or leave these pictures out"
        ) from None
