"""The method that `iad.fit` fits: its detector, its members, and the backbones that they look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import ValidationError

from iad.bundles.fitted import Fitted
from iad.config import first_problem
from iad.data.image_size import ImageSize
from iad.detectors import HYBRID, detector_class, detector_names, options_of
from iad.detectors.autoencoder import Training
from iad.detectors.base import Detector
from iad.detectors.embeddings import Embeddings
from iad.errors import IadError, unknown
from iad.features import CnnBackbone, VitBackbone
from iad.options import Section

if TYPE_CHECKING:
    from iad.compute import Runtime
    from iad.features.embedder import Embedder

METHODS = {
    "ae": ("autoencoder", ""), "resnet": ("knn", "resnet"), "vit": ("knn", "vit"), "patch_resnet": ("patch", "resnet"),
    "patch_vit": ("patch", "vit"), "hybrid": ("hybrid", ""), "padim_resnet": ("padim", "resnet"),
    "subspace_resnet": ("subspace", "resnet"),
}  # fmt: skip
"""Detector and backbone of a method by its name; any other is that of a detector, which looks at the transformer."""

BACKBONES = {"resnet": CnnBackbone, "vit": VitBackbone}
MEMBERS = ("patch_resnet", "patch_vit")  # of a hybrid that names none
SectionT = TypeVar("SectionT", bound=Section)


def unfitted(
    method: str, options: dict[str, Any], training: Mapping[str, Any] | None = None, *, seed: int, runtime: Runtime
) -> Fitted:
    """A method of this name that has learnt nothing yet.

    Raises:
        IadError: if there is no such method or option.
    """
    kind, reads = METHODS.get(method, (method, "vit"))
    if kind not in detector_names():
        raise unknown("method", method, {*METHODS, *detector_names()})
    default = {"members": MEMBERS} if kind == HYBRID else {}
    chosen = validated(options_of(kind), default | options, f"options of {kind}")
    members: tuple[Fitted, ...] = ()
    given: dict[str, Any] = {}
    if kind == HYBRID:
        members = tuple(unfitted(member, {}, seed=seed, runtime=runtime) for member in _members(chosen))
        given["members"] = {member.method: member.detector for member in members}
    if kind == "autoencoder":
        given["training"] = validated(Training, training or {}, "training")
    elif training is not None:
        raise IadError(f"training: {method} has no network to train; leave it out")
    made = detector_class(kind)
    detector: Detector[Any] = made(chosen, seed=seed, runtime=runtime if made.uses_torch else None, **given)
    return Fitted(method, kind, reads, detector, members)


def _members(options: Any) -> tuple[str, ...]:
    members: tuple[str, ...] = options.members
    if HYBRID in members:
        raise IadError(f"options of {HYBRID}: a hybrid is no member of another; name its members")
    return members


def backbones(fitted: Fitted, given: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Options of each backbone that the method looks at."""
    used = [reads for reads in fitted.sources() if reads]
    if not fitted.members and used:
        return {used[0]: given}
    if strange := [name for name in given if name not in used]:
        raise IadError(
            f"backbone: {fitted.method} looks at {' and '.join(used) or 'no backbone'}, and not at '{strange[0]}'; "
            f"{'give options of each by its name' if used else 'leave it out'}"
        )
    return {reads: given.get(reads, {}) for reads in used}


def make_embedder(
    reads: str, options: Mapping[str, Any], size: ImageSize, batch_size: int, runtime: Runtime
) -> Embedder:
    """What embeds pictures for the methods that read a backbone; this imports PyTorch."""
    from iad.features.embedder import Embedder

    chosen = validated(BACKBONES[reads], options, f"backbone {reads}")
    return Embedder(chosen, size, batch_size=batch_size, runtime=runtime, section=reads)


def embed(embedders: Mapping[str, Embedder], pixels: np.ndarray, *, augmented: bool) -> dict[str, Embeddings]:
    """Pixels uint8 `(N, H, W, 3)`, and what each backbone makes of them."""
    found = {reads: Embeddings(**one.embed(pixels, augmented=augmented)) for reads, one in embedders.items()}
    return {"": Embeddings(pixels=pixels), **found}


def validated(model: type[SectionT], values: Mapping[str, Any], origin: str) -> SectionT:
    """Options as their model has them.

    Raises:
        IadError: naming the first that is wrong.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise IadError(f"{origin}: {first_problem(error)}") from None
