"""Scores of a trial's pictures under given parameters; what a backbone sees of them is computed once for each way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from iad.data.image_size import ImageSize
from iad.detectors import HYBRID
from iad.detectors.embeddings import Embeddings, required
from iad.detectors.hybrid.evidence import TAIL_SHARE, fit_tail, fuse
from iad.detectors.patch.memory_bank import MemoryBank
from iad.detectors.patch.pictures import view_of
from iad.detectors.patch.scores import map_scores
from iad.progress import bar
from iad.tune.candidates import backbone_of, members_of
from iad.tune.separation import comparisons
from iad.tune.trial import Trial

if TYPE_CHECKING:
    from iad.compute import Runtime
    from iad.config import Params
    from iad.features import Backbone
    from iad.features.embeddings import Part

PATCHES: tuple[Part, ...] = ("patches",)
BLOCK = 32  # pictures embedded and compared together


class View(NamedTuple):
    """What a backbone sees of pictures: the stage that a method reads, the size, and the layers.

    Layers are those that the options name; a larger size may add one by itself.
    """

    reads: str
    size: ImageSize
    layers: tuple[int, ...]
    num_neighbors: int


class Views:
    """A trial, and the distances of its pictures to those compared with, as each backbone sees them.

    Args:
        trial: at the largest size that will be asked for.
        runtime: where to compute; None: on the CPU, in float32.

    Attributes:
        seconds: that each view took.
    """

    def __init__(self, trial: Trial, runtime: Runtime | None = None) -> None:
        self.trial, self.runtime = trial, runtime
        self.seconds: dict[View, float] = {}
        self._maps: dict[View, np.ndarray] = {}

    def compared(self, params: Params, method: str, size: ImageSize) -> np.ndarray:
        """Which painted pictures score above which good ones, `(M, M)`, as `iad.tune.separation.comparisons`."""
        kinds, apart = self.trial.painted.shape[:2]
        scores = self.scores(params, method, size)[: (1 + kinds) * apart].reshape(1 + kinds, apart)
        return comparisons(scores[0], scores[1:])

    def scores(self, params: Params, method: str, size: ImageSize) -> np.ndarray:
        """Scores of a patch method or of a hybrid of such, float64 `((1 + K) M,)`, higher = more anomalous.

        First come the good pictures apart, which set a hybrid's scale, then those of each kind of defect.
        """
        if params.methods[method].detector == HYBRID:
            chosen = params.hybrids[method]
            said = {member: self.scores(params, member, size) for member in chosen.members}
            evidence = [
                fit_tail(one[: len(self.trial.apart)], TAIL_SHARE, member).evidence(one) for member, one in said.items()
            ]
            return fuse(np.stack(evidence), how=chosen.how, weights=list(chosen.weights))
        backbone, options, view = _looked_at(params, method, size)
        return map_scores(self.maps(backbone, view), options)

    def lacking(self, params: Params, method: str, size: ImageSize) -> list[View]:
        """What would have to be computed first."""
        found = [_looked_at(params, member, size)[2] for member in members_of(params, method)]
        return [view for view in dict.fromkeys(found) if view not in self._maps]

    def forecast(self, views: Sequence[View]) -> float:
        """Seconds that these take about, by those that were computed; 0 of a backbone that nothing is known of.

        Embeddings take time as pixels do, comparisons as their square.
        """
        return sum(
            max((seconds * ((view.size.height * view.size.width) / (size.height * size.width)) ** 2
                 for (reads, size, *_), seconds in self.seconds.items() if reads == view.reads), default=0.0)
            for view in views
        )  # fmt: skip

    def maps(self, backbone: Backbone, view: View) -> np.ndarray:
        """Distances of the pictures apart and of the painted ones, float32 `((1 + K) M, h, w)`."""
        if view not in self._maps:
            began = time.perf_counter()
            self._maps[view] = self._distances(backbone, view)
            self.seconds[view] = time.perf_counter() - began
        return self._maps[view]

    def _asked(self, trial: Trial) -> np.ndarray:
        """The pictures that are scored, of this size, uint8 `((1 + K) M, H, W, 3)`."""
        return np.concatenate([trial.apart[None], trial.painted]).reshape(-1, *trial.apart.shape[1:])

    def _distances(self, options: Backbone, view: View) -> np.ndarray:
        from iad.features.embedder import Embedder

        trial = self.trial.at(view.size)
        asked = self._asked(trial)
        embedder = Embedder(options, view.size, parts=PATCHES, runtime=self.runtime, section=view.reads)
        good = Embeddings(**embedder.embed(trial.compared, augmented=True))
        bank = MemoryBank(view_of(good))
        found = np.empty((len(asked), *embedder.shapes["patches"][:2]), np.float32)
        with bar(f"{view.reads} at {view.size}", len(asked)) as shown:
            for start in range(0, len(asked), BLOCK):
                some = required(Embeddings(**embedder.embed(asked[start : start + BLOCK])).patches, "patch embeddings")
                found[start : start + len(some)] = bank.distance_maps(some, num_neighbors=view.num_neighbors)
                shown.update(len(some))
        return found


def _looked_at(params: Params, method: str, size: ImageSize) -> tuple[Backbone, Any, View]:
    """Options of the backbone and of the detector of a patch method, and what it sees."""
    spec = params.methods[method]
    options, backbone = params.options(spec.params), backbone_of(params, spec.reads)
    return backbone, options, View(spec.reads, size, backbone.patches.layers, options.k)
