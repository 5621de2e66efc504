"""The ways of explaining a score, each by Captum (Kokhlikyan et al. 2020, arXiv 2009.07896).

All attribute the anomaly score itself: what is positive raised it. Perturbations replace parts of the picture with a
baseline, which stands for "nothing to see here"; `iad.explain.baseline` makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from iad.detectors.maps import enlargement, resized
from iad.errors import IadError, close_to
from iad.explain import GRADIENTS, PERTURBATIONS, WAYS
from iad.explain.baseline import blurred
from iad.explain.mixtures import closeness, coalitions, halves, segments
from iad.explain.score import Score, planes_of, refused
from iad.progress import bar

if TYPE_CHECKING:
    from iad.explain.score import Scorer

STEPS = 5  # of the integral
WINDOWS = 8  # cells a side of which an occluding window covers two by two
SAMPLES = 48  # mixtures that LIME and SHAP score
SEED = 0
SMOOTHED = 0.012  # Gaussian over integrated gradients, as a share of the short side: as maps are smoothed


def gradcam(score: Score, picture: np.ndarray, method: str) -> np.ndarray:
    """Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) at the deepest layer; the sum over the method's networks.

    Args:
        score: of the method.
        picture: prepared, uint8 `(H, W, 3)`.
        method: its name, for refusals.

    Returns:
        float32 `(H, W)`, at least 0.

    Raises:
        IadError: if the score has no derivative, or a network no layer whose places are those of the picture.
    """
    from captum.attr import LayerGradCam

    planes, (height, width) = planes_of(picture), picture.shape[:2]
    total = np.zeros((height, width), dtype=np.float32)
    require_possible(score, method, "gradcam")
    for tap in score.taps:
        coarse = LayerGradCam(score, tap).attribute(planes, relu_attributions=True)
        total += resized(_finite(coarse, method, "gradcam")[0, 0], height, width)
    return total


def integrated_gradients(score: Score, picture: np.ndarray, method: str) -> np.ndarray:
    """Integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365), summed over colours and smoothed.

    The way begins at the blurred picture, and the neighbours of the picture are held along it.

    Args:
        score: of the method.
        picture: prepared, uint8 `(H, W, 3)`.
        method: its name, for refusals.

    Returns:
        float32 `(H, W)`; before smoothing its sum is about the difference of both scores.

    Raises:
        IadError: if the score has no derivative.
    """
    from captum.attr import IntegratedGradients

    require_possible(score, method, "integrated_gradients")
    planes, start = planes_of(picture), planes_of(blurred(picture))
    with score.holding(planes):
        found = IntegratedGradients(score).attribute(planes, start, n_steps=STEPS, internal_batch_size=1)
    return _smoothed(_finite(found, method, "integrated_gradients")[0].sum(0))


def occlusion(score: Scorer, picture: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Occlusion (Zeiler and Fergus 2014, arXiv 1311.2901): how far the score falls where a window is replaced.

    Args:
        score: of pictures float32 `(B, 3, H, W)`.
        picture: prepared, uint8 `(H, W, 3)`.
        baseline: what replaces it, of the same shape.

    Returns:
        float32 `(H, W)`, the mean over the windows that cover a pixel.
    """
    from captum.attr import Occlusion

    stride = tuple(max(1, side // WINDOWS) for side in picture.shape[:2])
    window = tuple(min(side, 2 * step) for side, step in zip(picture.shape[:2], stride, strict=True))
    passes = 1 + int(np.prod([
        -(-(side - cell) // step) + 1 for side, cell, step in zip(picture.shape[:2], window, stride, strict=True)
    ]))  # fmt: skip
    with counting(score, "occlusion", passes) as counted:
        found = Occlusion(counted).attribute(
            planes_of(picture), (3, *window), (3, *stride), planes_of(baseline), perturbations_per_eval=8
        )
    return np.asarray(found[0, 0].numpy(), dtype=np.float32)


def lime(score: Scorer, picture: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """LIME (Ribeiro et al. 2016, arXiv 1602.04938) on square segments: ridge regression weighted by closeness.

    Args:
        score: as for `occlusion`.
        picture: as for `occlusion`.
        baseline: as for `occlusion`.

    Returns:
        float32 `(H, W)`: the coefficient of each segment.
    """
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime

    def make(forward: Scorer) -> Any:
        return Lime(forward, SkLearnRidge(alpha=1.0), similarity_func=closeness, perturb_func=halves(SEED))

    return _of_segments(make, score, "lime", picture, baseline)


def kernel_shap(score: Scorer, picture: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """KernelSHAP (Lundberg and Lee 2017, arXiv 1705.07874) on the same segments; coefficients are Shapley values.

    Mixtures are drawn in pairs, each with its complement (Covert and Lee 2021, arXiv 2012.01536).

    Args:
        score: as for `occlusion`.
        picture: as for `occlusion`.
        baseline: as for `occlusion`.

    Returns:
        float32 `(H, W)`: the value of each segment; together they are the difference of both scores.
    """
    from captum.attr import KernelShap

    def make(forward: Scorer) -> Any:
        shap = KernelShap(forward)
        shap.perturb_func = coalitions(SEED)
        return shap

    return _of_segments(make, score, "kernel_shap", picture, baseline)


class counting:  # noqa: N801  # it reads as a function
    """A scorer under a bar that says how many pictures it has scored."""

    def __init__(self, score: Scorer, title: str, total: int) -> None:
        self.score, self.shown = score, bar(title, total, unit=" passes")

    def __enter__(self) -> Scorer:
        advance = self.shown.__enter__()

        def scored(planes: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                found = self.score(planes)
            advance.update(len(planes))
            return found

        return scored

    def __exit__(self, *raised: object) -> None:
        self.shown.__exit__(*raised)  # type: ignore[arg-type]


def _of_segments(
    make: Callable[[Scorer], Any], score: Scorer, title: str, picture: np.ndarray, baseline: np.ndarray
) -> np.ndarray:
    """Coefficients of square segments, by a way that switches them between picture and baseline."""
    mask = segments(*picture.shape[:2])
    with counting(score, title, SAMPLES) as counted:
        found = make(counted).attribute(
            planes_of(picture), baselines=planes_of(baseline), feature_mask=torch.from_numpy(mask)[None, None],
            n_samples=SAMPLES, perturbations_per_eval=8, return_input_shape=False,
        )  # fmt: skip
    return np.asarray(found.numpy().ravel()[mask], dtype=np.float32)


def _smoothed(values: np.ndarray) -> np.ndarray:
    sigma = SMOOTHED * min(values.shape)
    rows, columns = (enlargement(side, side, sigma) for side in values.shape)
    return np.asarray(rows @ values @ columns.T, dtype=np.float32)


def _finite(found: torch.Tensor, method: str, way: str) -> np.ndarray:
    values = found.detach().numpy().astype(np.float32)
    if not np.isfinite(values).all():
        raise refused(method, way, "the score has no derivative at this picture, one that the bundle was made of")
    return values


def require_possible(score: Score, method: str, way: str) -> None:
    """Refuse a way that needs what a score does not have.

    Raises:
        IadError: naming the method, the way, and those that go with it.
    """
    if way in GRADIENTS and score.steps is not None:
        raise refused(method, way, f"the score of {score.steps} moves in steps, so that its derivative is 0")
    if way == "gradcam" and None in score.taps:
        others = ("integrated_gradients", *PERTURBATIONS)
        raise refused(method, way, "its network shows no layer of the whole picture", others)


def require_known(ways: tuple[str, ...]) -> None:
    """Refuse a way that does not exist.

    Raises:
        IadError: naming those that do.

    >>> require_known(("gradcan",))
    Traceback (most recent call last):
    iad.errors.IadError: --method gradcan; did you mean 'gradcam'? Use some of gradcam, integrated_gradients, \
occlusion, lime, kernel_shap
    """
    if unknown := [way for way in ways if way not in WAYS]:
        hint = close_to(unknown[0], WAYS) or ": no way of explaining."
        raise IadError(f"--method {unknown[0]}{hint} Use some of {', '.join(WAYS)}")
