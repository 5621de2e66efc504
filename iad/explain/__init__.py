"""Why a picture got its score: which parts of it raised the score, and which good pictures it was compared with.

docs/explain.md says what each way of explaining shows, how far it agrees with the masks of defects, and what it costs.
"""

from __future__ import annotations

GRADIENTS = ("gradcam", "integrated_gradients")
PERTURBATIONS = ("occlusion", "lime", "kernel_shap")
WAYS = GRADIENTS + PERTURBATIONS
"""Ways to explain a score: by its derivatives, or by scoring the picture with parts of it replaced."""

ALSO = {"shap": "kernel_shap", "kernelshap": "kernel_shap", "grad_cam": "gradcam", "ig": "integrated_gradients"}


def way_of(word: str) -> str:
    """A way as people write it.

    >>> way_of("SHAP"), way_of("Grad-CAM"), way_of("occlusion"), way_of("rise")
    ('kernel_shap', 'gradcam', 'occlusion', 'rise')
    """
    plain = word.lower().replace("-", "_").replace(" ", "_")
    return ALSO.get(plain, plain)
