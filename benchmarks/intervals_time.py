"""Time of the intervals of all metrics: 2,000 bootstrap draws over 500 pictures, against the 2 s they may take.

Run it from the repository's top folder: python benchmarks/intervals_time.py [pictures] [draws]
For comparison, 20 draws are measured one by one with scikit-learn and scaled up. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import numpy as np
from measuring import command, machine
from sklearn import metrics

from iad.statistics.bootstrap import bootstrap_intervals, draw_weights

REPEATS, SLOW_DRAWS = 5, 20


def measured_slowly(labels: np.ndarray, scores: np.ndarray, rejected: np.ndarray) -> list[float]:
    """The seven metrics of one test set, by scikit-learn."""
    recall = metrics.recall_score(labels, rejected)
    return [
        metrics.roc_auc_score(labels, scores),
        metrics.average_precision_score(labels, scores),
        metrics.f1_score(labels, rejected),
        metrics.precision_score(labels, rejected, zero_division=0),
        recall,
        1 - metrics.recall_score(labels, rejected, pos_label=0),
        metrics.balanced_accuracy_score(labels, rejected),
    ]


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("pictures", nargs="?", type=int, default=500, help="default: 500")
    parser.add_argument("draws", nargs="?", type=int, default=2000, help="default: 2000")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both ways and print a line for each."""
    asked = options().parse_args(arguments)
    pictures, draws = asked.pictures, asked.draws
    print(machine("numpy", "scikit-learn"))
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.arange(pictures) % 5 > 1).astype(np.int64)  # 3 in 5 are defective
    scores = generator.normal(size=pictures) + 1.5 * labels
    rejected = scores >= 1.5
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = bootstrap_intervals(labels, scores, rejected, draws=draws, confidence=0.95, seed=0)
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    for weights in next(draw_weights(labels, draws=SLOW_DRAWS, seed=0)):
        measured_slowly(*(np.repeat(column, weights) for column in (labels, scores, rejected)))
    slow = (time.perf_counter() - start) * draws / SLOW_DRAWS
    print(f"{len(found)} metrics, {draws} draws over {pictures} pictures")
    print(f"iad           {min(seconds):.3f} s best, {max(seconds):.3f} s worst of {REPEATS}")
    print(f"scikit-learn  {slow:.1f} s, scaled from {SLOW_DRAWS} draws")
    print(json.dumps({"pictures": pictures, "draws": draws, "iad_s": seconds, "scikit_learn_s": slow}))


if __name__ == "__main__":
    main()
