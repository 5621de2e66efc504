"""Why a picture got its score: which parts of it raised the score, and which good pictures it was compared with.

docs/explain.md says what each way of explaining shows, how far it agrees with the masks of defects, and what it costs.
"""

from __future__ import annotations

GRADIENTS = ("gradcam", "integrated_gradients")
PERTURBATIONS = ("occlusion", "lime", "kernel_shap")
WAYS = GRADIENTS + PERTURBATIONS
"""Ways to explain a score: by its derivatives, or by scoring the picture with parts of it replaced."""
