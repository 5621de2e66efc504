"""Pictures explained with a bundle: the numbers, before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from iad.bundles.predictor import Predictor
from iad.bundles.verdict import Verdict
from iad.data.given import read_pictures
from iad.data.pictures import PictureFile
from iad.detectors.base import Prediction
from iad.errors import IadError
from iad.explain import GRADIENTS, PERTURBATIONS, ways
from iad.explain.baseline import Baseline, GoodPictures, baseline_of
from iad.explain.score import Score, planes_of, refused, without_graph
from iad.explain.unlike import Unlike, unlike

GRID = 16  # cells a side of the numbers that are told of a map
DIGITS = 6

HARDLY = 0.05  # of the score: what replaces parts has to score lower by more


@dataclass(frozen=True, eq=False)
class Explained:
    """A picture, its verdict, and why.

    Attributes:
        verdict: of the picture, with its map where the method has one.
        pixels: prepared, uint8 `(H, W, 3)`.
        baseline: what parts of it were replaced with.
        baseline_score: of that, by the same method.
        maps: by way, float32 `(H, W)`: what is positive raised the score.
        unlike: what it was compared with, by method.
    """

    verdict: Verdict
    pixels: np.ndarray
    baseline: Baseline
    baseline_score: float
    maps: Mapping[str, np.ndarray]
    unlike: Mapping[str, Unlike]

    @property
    def replaced_by_worse(self) -> bool:
        """Whether parts were replaced by what scores no or hardly lower, which cannot show what raised the score."""
        score = self.verdict.pred_score
        return any(way in PERTURBATIONS for way in self.maps) and self.baseline_score >= score - HARDLY * abs(score)


class Explainer:
    """Explains pictures with a bundle.

    Args:
        predictor: of the bundle, on the CPU.
        asked: ways, of `iad.explain.WAYS`.
        good: a folder with good pictures that the bundle was made of; None: parts are replaced by blurred ones.
        weights: as for `iad.bundles.predictor.Predictor`.

    Raises:
        IadError: if the method cannot be explained in one of these ways, Captum is missing, or the folder holds none of
            the bundle's pictures.
    """

    def __init__(self, predictor: Predictor, asked: Sequence[str], good: Path | None = None, weights: str = "") -> None:
        ways.require_known(tuple(asked))
        self.predictor, self.asked = predictor, tuple(asked)
        self.good = GoodPictures(predictor.bundle.pictures, good)
        self.score = self._graph(weights)
        self.plain = without_graph(predictor)

    def explain(self, file: PictureFile) -> Explained | Verdict:
        """Explain a picture; of one that cannot be read, the verdict that says why.

        Raises:
            IadError: if the score has no derivative at this very picture.
        """
        (verdict,) = self.predictor.predict([file], errors="return")
        how = self.predictor.bundle.preprocess
        (given,) = read_pictures([file], how.image_size, errors="return", **how.limits)
        if verdict.error or given.pixels is None:
            return verdict
        baseline = baseline_of(given.pixels, self.good, how.image_size, how.limits)
        maps = self.maps(given.pixels, baseline.pixels)
        nearest = unlike(self.predictor.fitted, self.predictor.embed(given.pixels[None], maps=False))
        return Explained(verdict, given.pixels, baseline, self._plain_score(baseline.pixels), maps, nearest)

    def maps(self, pixels: np.ndarray, baseline: np.ndarray) -> dict[str, np.ndarray]:
        """The map of each way, float32 `(H, W)`, of prepared pictures uint8 `(H, W, 3)`."""
        return {way: self.map_of(way, pixels, baseline) for way in self.asked}

    def map_of(self, way: str, pixels: np.ndarray, baseline: np.ndarray) -> np.ndarray:
        """The map of one way, as in `maps`."""
        score, method = self.score, self.predictor.method
        if way in GRADIENTS and score is None:
            raise refused(method, way, "its score has no derivatives")
        if score is None:
            return PERTURBED[way](self.plain, pixels, baseline)
        if way == "gradcam":
            return ways.gradcam(score, pixels, method)
        if way == "integrated_gradients":
            return ways.integrated_gradients(score, pixels, method)
        with score.shortlisting([planes_of(pixels), planes_of(baseline)]):
            return PERTURBED[way](score, pixels, baseline)

    def _graph(self, weights: str) -> Score | None:
        """The score with derivatives; None of a method without, if no way that was asked for needs them."""
        try:
            score = Score(self.predictor, weights)
        except IadError as refusal:
            if first := next((way for way in self.asked if way in GRADIENTS), None):
                raise refused(self.predictor.method, first, f"its score has no derivatives ({refusal})") from None
            return None
        for way in self.asked:
            ways.require_possible(score, self.predictor.method, way)
        return score

    def _plain_score(self, pixels: np.ndarray) -> float:
        found: Prediction = self.predictor.fitted.detector.predict(self.predictor.embed(pixels[None], maps=False))
        return float(found.pred_score[0])


PERTURBED = {"occlusion": ways.occlusion, "lime": ways.lime, "kernel_shap": ways.kernel_shap}


def numbers(found: Explained, predictor: Predictor) -> dict[str, Any]:
    """What is told of an explained picture, as plain values for a JSON text; docs/explain.md lists it."""
    verdict, pictures = found.verdict, predictor.bundle.pictures
    return {
        "picture": verdict.name, "sha256": verdict.sha256, "method": predictor.method,
        "score": verdict.pred_score, "threshold": predictor.threshold if predictor.decides else None,
        "p_value": verdict.p_value, "rejected": verdict.rejected, "known": verdict.known,
        "baseline": {"kind": found.baseline.kind, "name": found.baseline.name, "score": found.baseline_score},
        "explanations": {way: _of_map(values) for way, values in found.maps.items()},
        "unlike": {method: _of_unlike(one, pictures) for method, one in found.unlike.items()},
    }  # fmt: skip


def _of_map(values: np.ndarray) -> dict[str, Any]:
    top, left = np.unravel_index(int(values.argmax()), values.shape)
    height, width = values.shape
    return {
        "highest": float(values.max()), "lowest": float(values.min()), "sum": float(values.sum(dtype=np.float64)),
        "peak": [round((int(top) + 0.5) / height, 4), round((int(left) + 0.5) / width, 4)],
        "grid": [[float(f"{one:.{DIGITS}g}") for one in row] for row in cells(values).tolist()],
    }  # fmt: skip


def cells(values: np.ndarray) -> np.ndarray:
    """Means over the cells of a grid, `(GRID, GRID)`, or as many as there are pixels.

    >>> cells(np.arange(4.0).reshape(2, 2)).tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    found = values.astype(np.float64)
    for axis in (0, 1):
        starts = np.arange(min(GRID, found.shape[axis])) * values.shape[axis] // min(GRID, values.shape[axis])
        sums = np.add.reduceat(found, starts, axis=axis)
        counts = np.diff([*starts, values.shape[axis]])
        found = sums / (counts[:, None] if axis == 0 else counts)
    return found


def _of_unlike(one: Unlike, pictures: Any) -> dict[str, Any]:
    return {
        name: [
            {"name": pictures.ids[each.row], "sha256": pictures.sha256[each.row]}
            | {key: value for key, value in asdict(each).items() if key != "row"}
            for each in getattr(one, name)
        ]
        for name in ("pictures", "patches")
    }  # fmt: skip
