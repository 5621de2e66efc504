"""A method with six test pictures, whose every number can be counted by hand."""

from __future__ import annotations

import numpy as np

from iad.decision.thresholds import is_anomalous
from iad.report.inputs import Outcome
from iad.report.summary import Summary, summarize


def outcome(labels=(0, 0, 0, 1, 1, 1), scores=(0.1, 0.2, 0.7, 0.3, 0.8, 0.9), threshold=0.65, **changes) -> Outcome:
    labels, scores = np.array(labels), np.array(scores, dtype=float)
    kinds = np.array(["hole", "cut", "hole"] * len(labels), dtype=object)[: len(labels)]
    return Outcome(
        **{
            "method": "vit",
            "image_id": np.array([f"{row}.png" for row in range(len(labels))], dtype=object),
            "gt_label": labels,
            "defect": np.where(labels == 1, kinds, "good"),
            "pred_score": scores,
            "rejected": is_anomalous(scores, threshold),
            "calibration": np.array([0.1, 0.6, 0.7]),
            "threshold": {"strategy": "percentile", "value": threshold, "n_calibration": 3},
            "provenance": {"method": "vit", "model": {"name": "dino", "history": [{"epoch": 1}]}},
        }
        | changes
    )


def summary(**changes) -> Summary:
    return summarize(outcome(**changes), draws=100, confidence=0.95, seed=0)
