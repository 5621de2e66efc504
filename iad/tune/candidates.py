"""Which settings are tried, in steps: size, method and weights first, then layers, then which places make the score."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iad.config import parse_params
from iad.data.image_size import SHORTS
from iad.detectors import HYBRID

if TYPE_CHECKING:
    from iad.config import Params

WEIGHTS = ((3, 1), (1, 3))  # of the two members of a hybrid, beside those it has
TOP_SHARES = (0.003, 0.03)
LAYERS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "vit_small_patch14_dinov2": ((3, 5), (7, 9), (5, 7, 9)),
    "tf_efficientnet_lite0": ((1, 2), (3,), (2, 3, 4)),
}
"""Sets of layers beside the default, of the backbones whose weights come from the package index."""


@dataclass(frozen=True)
class Candidate:
    """A patch method or hybrid, the short side of the pictures, and what differs from `params.yaml`.

    Attributes:
        method: a key of `methods`.
        short: side in pixels.
        changes: value by dotted key.
    """

    method: str
    short: int
    changes: Mapping[str, Any] = field(default_factory=dict)

    def params(self, given: Params) -> Params:
        """The parameters with the changes.

        Raises:
            IadError: if they do not fit.
        """
        values = given.model_dump(mode="json")
        for key, value in self.changes.items():
            *above, last = key.split(".")
            section = values
            for name in above:
                section = section[name]
            section[last] = value
        return parse_params(values, "tune")

    def also(self, key: str, value: Any) -> Candidate:
        """The same with one more change."""
        return Candidate(self.method, self.short, {**self.changes, key: value})

    def words(self) -> str:
        """What it is, for a table.

        >>> Candidate("hybrid", 336, {"patch.top_share": 0.03}).words()
        'hybrid, 336 px, patch.top_share = 0.03'
        """
        return ", ".join(
            [self.method, f"{self.short} px", *(f"{key} = {_plain(value)}" for key, value in self.changes.items())]
        )


def methods_of(params: Params) -> list[str]:
    """The methods that can be tried: patch methods, and hybrids of such."""
    patch = [name for name, spec in params.methods.items() if spec.detector == "patch"]
    hybrids = [
        name for name, spec in params.methods.items()
        if spec.detector == HYBRID and set(params.hybrids[name].members) <= set(patch)
    ]  # fmt: skip
    return patch + hybrids


def sizes_first(params: Params, now: Candidate, largest: int) -> Iterator[Candidate]:
    """Every method at every size up to the largest, and hybrids with other weights."""
    for short in sorted({now.short, *(side for side in SHORTS if side <= largest)}):
        for method in methods_of(params):
            yield Candidate(method, short)
            if params.methods[method].detector == HYBRID and len(params.hybrids[method].members) == 2:
                for weights in WEIGHTS:
                    yield Candidate(method, short, {f"hybrids.{method}.weights": list(weights)})


def layers_then(params: Params, now: Candidate, _: int) -> Iterator[Candidate]:
    """Other layers of each backbone that the method looks at, but those without the layer whose grid is asked for."""
    for reads in backbones_of(params, now.method):
        section = section_of(reads)
        backbone = backbone_of(params, reads)
        deepest, grid = backbone.depth or math.inf, backbone.patches.grid
        for layers in LAYERS.get(backbone.model, ()):
            if layers[-1] >= deepest or (isinstance(grid, int) and grid not in layers):
                continue
            yield now.also(f"{section}.patches.layers", list(layers))


def places_last(params: Params, now: Candidate, _: int) -> Iterator[Candidate]:
    """How many of the worst places make the score, and whether the picture's median counts."""
    for section in {params.methods[name].params for name in members_of(params, now.method)}:
        yield now.also(f"{section}.subtract_median", 0.0)
        for share in TOP_SHARES:
            yield now.also(f"{section}.top_share", share)


def members_of(params: Params, method: str) -> list[str]:
    """The patch methods that make a method: itself, or a hybrid's members."""
    return list(params.hybrids[method].members) if params.methods[method].detector == HYBRID else [method]


def backbones_of(params: Params, method: str) -> list[str]:
    """The stages that a method's patches come from."""
    return list(dict.fromkeys(params.methods[member].reads for member in members_of(params, method)))


def section_of(reads: str) -> str:
    """Where the options of the backbone of a stage stand in `params.yaml`.

    >>> section_of("extract_vit"), section_of("extract/wide")
    ('vit', 'backbones.wide')
    """
    return f"backbones.{reads.partition('/')[2]}" if "/" in reads else reads.removeprefix("extract_")


def backbone_of(params: Params, reads: str) -> Any:
    """The options of the backbone of a stage, without the attribution that patch methods do not look at."""
    return params.options(section_of(reads)).model_copy(update={"attribution": False})


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else f"{value:g}"
