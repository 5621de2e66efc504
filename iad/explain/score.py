"""The anomaly score of a bundle as a function of pixels: with derivatives, or of any method without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import nn

from iad.bundles.fitted import Fitted
from iad.bundles.predictor import Predictor
from iad.errors import IadError
from iad.explain import PERTURBATIONS
from iad.explain.neighbours import Search
from iad.explain.taps import taps_of
from iad.export.graph import Whole
from iad.export.heads.patch import Patches
from iad.words import named

if TYPE_CHECKING:
    Scorer: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

STEPS = ("isolation_forest",)  # detectors whose score is the same all around a picture


class Score(nn.Module):
    """Pictures float32 `(B, 3, H, W)` from 0 to 255 to scores float32 `(B,)`, higher = more anomalous.

    Nearest patches are found by an exact search first; the distance to them is what is differentiated.

    Args:
        predictor: of the bundle.
        weights: as for `iad.bundles.predictor.Predictor`.

    Raises:
        IadError: if the method has no graph (`iad.export.graph.Whole`), or its score has no derivatives.
    """

    def __init__(self, predictor: Predictor, weights: str = "") -> None:
        super().__init__()
        self.whole = Whole(replace(predictor.bundle, maps=None), weights, predictor.fitted).eval().requires_grad_(False)
        self.steps = next((kind for kind in _kinds(predictor.fitted) if kind in STEPS), None)
        self.searches: list[Search] = []
        for head in [one for one in self.whole.modules() if isinstance(one, Patches)]:
            search = Search(head.nearest)
            setattr(head, "nearest", search)  # noqa: B010  # in the place of another class
            self.searches.append(search)
        self.taps = taps_of(self.whole)

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Score pictures one by one, as the graph does."""
        return torch.cat([self.whole(one[None])[0] for one in planes])

    @contextmanager
    def holding(self, planes: torch.Tensor) -> Iterator[None]:
        """Hold the neighbours of a picture, float32 `(1, 3, H, W)`, while its surroundings are looked at."""
        with torch.no_grad():
            self(planes)
        for search in self.searches:
            search.hold()
        try:
            yield
        finally:
            self._release()

    @contextmanager
    def shortlisting(self, pictures: Sequence[torch.Tensor]) -> Iterator[None]:
        """Compare with the good patches nearest to these pictures alone: mixtures of them have few others as near."""
        seen: list[list[torch.Tensor]] = [[] for _ in self.searches]
        try:
            for search in self.searches:
                search.widen()
            for one in pictures if self.searches else ():
                with torch.no_grad():
                    self(one)
                for found, search in zip(seen, self.searches, strict=True):
                    found.extend([] if search.last is None else [search.last])
            for found, search in zip(seen, self.searches, strict=True):
                search.release()
                search.shorten(found)
            yield
        finally:
            self._release()

    def _release(self) -> None:
        for search in self.searches:
            search.release()


def without_graph(predictor: Predictor) -> Scorer:
    """The score of any method by the predictor itself, of whole numbers from 0 to 255; it has no derivatives."""

    def score(planes: torch.Tensor) -> torch.Tensor:
        pixels = planes.detach().permute(0, 2, 3, 1).round().to(torch.uint8).numpy()
        found = predictor.fitted.detector.predict(predictor.embed(np.ascontiguousarray(pixels), maps=False))
        return torch.from_numpy(np.asarray(found.pred_score, dtype=np.float32))

    return score


def refused(method: str, way: str, reason: str, instead: Sequence[str] = PERTURBATIONS) -> IadError:
    """The refusal of a way that does not go with a method.

    >>> str(refused("forest", "gradcam", "its score has no derivatives"))
    'forest cannot be explained by gradcam: its score has no derivatives; ask for --method occlusion, lime, kernel_shap'
    """
    return IadError(f"{method} cannot be explained by {way}: {reason}; ask for --method {named(instead)}")


def planes_of(picture: np.ndarray) -> torch.Tensor:
    """A picture uint8 `(H, W, 3)` as float32 `(1, 3, H, W)`, its values unchanged."""
    return torch.from_numpy(np.array(picture, dtype=np.float32)).permute(2, 0, 1)[None].contiguous()


def _kinds(fitted: Fitted) -> list[str]:
    return [fitted.kind, *(kind for member in fitted.members for kind in _kinds(member))]
