"""What fusing methods brings: AUROC of each hybrid with its interval, and DeLong's difference from each member.

Run it after `dvc repro`, from the repository's top folder: python benchmarks/fusion.py [folder of stages ...]
It reads the scores that `score` left, and writes nothing. Weights are equal; "as they are" adds raw scores, and
"z-score" adds deviations from the mean of good pictures, for comparison. Then it measures, on random scores, how many
good parts a fused conformal threshold rejects that aims at 5 %. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import Run, command, machine, verdicts, with_interval

from iad import paths
from iad.config import Params, load_params
from iad.detectors.base import Prediction
from iad.detectors.calibrate import common_pictures, places_of
from iad.detectors.hybrid import Options as HybridOptions
from iad.detectors.hybrid.detector import Detector as Hybrid
from iad.detectors.hybrid.evidence import TAIL_SHARE, fit_tail, fuse
from iad.errors import IadError
from iad.statistics.comparison import delong
from iad.words import as_markdown

METHODS = ("ae", "resnet", "vit", "patch_resnet", "patch_vit")
HYBRIDS = (
    ("ae", "vit"), ("ae", "resnet", "vit"), ("resnet", "vit"), ("patch_resnet", "patch_vit"),
    ("ae", "patch_resnet", "patch_vit"), ("ae", "resnet", "vit", "patch_resnet", "patch_vit"),
)  # fmt: skip
HEADER = ("members", "fused by", "AUROC [95 %]", "F1, false alarms and misses at 5 %")
GOOD_COUNTS, CONFIDENCE = (19, 39, 82, 200, 400), 0.95


def z_scores(good: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Deviations of test scores from the mean of good ones."""
    return np.asarray((test - good.mean()) / good.std())


SCALES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "as they are": lambda _, test: test, "z-score": z_scores,
}  # fmt: skip


class Scores:
    """The scores of a finished run: calibration and test tables by method."""

    def __init__(self, run: Run) -> None:
        found = [name for name in METHODS if name in run.methods(paths.TEST_SCORES)]
        self.good = {name: _columns(run.scores(name, paths.CALIBRATION_SCORES)) for name in found}
        self.test = {name: _in_order(_columns(run.scores(name, paths.TEST_SCORES))) for name in found}
        self.labels = next(iter(self.test.values()))["label"]

    def fused(self, members: tuple[str, ...], how: str) -> tuple[np.ndarray, np.ndarray]:
        """Calibration and test scores of a hybrid."""
        good = {name: self.good[name] for name in members}
        if how in SCALES:
            scaled = [SCALES[how](table["score"], self.test[name]["score"]) for name, table in good.items()]
            return np.zeros(0), np.mean(scaled, axis=0)
        said = {name: Prediction(table["score"]) for name, table in good.items()}
        options = HybridOptions.model_construct(members=members, how=how)  # five are more than params.yaml may have
        hybrid = Hybrid(options).align(said)
        ids = common_pictures({name: table["image_id"] for name, table in good.items()})
        known = {name: said[name].take(places_of(table["image_id"], ids, name)) for name, table in good.items()}
        test = {name: Prediction(self.test[name]["score"]) for name in members}
        return hybrid.combine(known).pred_score, hybrid.combine(test).pred_score


def _columns(table: pd.DataFrame) -> dict[str, np.ndarray]:
    return {name: np.asarray(table[name]) for name in table}


def _in_order(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    order = np.argsort(table["image_id"].astype(str), kind="stable")
    return {name: column[order] for name, column in table.items()}


def shown_verdicts(labels: np.ndarray, good: np.ndarray, test: np.ndarray) -> str:
    """F1, false alarms and misses at a conformal threshold that aims at 5 %."""
    try:
        found = verdicts(labels, good, test, alpha=0.05)
    except IadError:
        return f"too few pictures ({len(good)})"
    return f"{found.f1 or 0:.3f}, {found.false_positives} and {found.false_negatives} (of {len(good)})"


def difference(labels: np.ndarray, fused: np.ndarray, member: np.ndarray) -> str:
    """DeLong's difference of AUROC with interval and p value."""
    found = delong(labels, fused, member, confidence=CONFIDENCE)
    return "-" if found is None else f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p = {found.p:.2g}"


def compare(stages: Path, params: Params) -> list[list[str]]:
    """Print the tables of one run."""
    scores = Scores(Run(stages))
    labels, known = scores.labels, list(scores.test)
    print(f"\n{int((labels == 0).sum())} good and {int((labels == 1).sum())} defective test pictures\n")
    rows, differences = [], []

    def add(members: str, how: str, good: np.ndarray, test: np.ndarray) -> None:
        area = with_interval(labels, test, draws=params.evaluate.bootstrap, confidence=CONFIDENCE, seed=params.seed)
        rows.append([members, how, area, "-" if how in SCALES else shown_verdicts(labels, good, test)])

    for name in known:
        add(name, "-", scores.good[name]["score"], scores.test[name]["score"])
    for members in [members for members in HYBRIDS if set(members) <= set(known)]:
        for how in ("mean", "max", *SCALES):
            try:
                good, test = scores.fused(members, how)
            except IadError as refusal:
                print(f"refused: {' + '.join(members)}: {refusal}", file=sys.stderr)
                break
            add(" + ".join(members), how, good, test)
            if how == "mean":
                differences += [
                    [" + ".join(members), name, difference(labels, test, scores.test[name]["score"])]
                    for name in members
                ]
    print(as_markdown(HEADER, rows, padded=True))
    print()
    print(as_markdown(("mean of", "against", "difference of AUROC [95 %]"), differences, padded=True))
    ranks = {name: table["score"][labels == 0].argsort().argsort() for name, table in scores.test.items()}
    correlations = [f"{a} and {b} {np.corrcoef(ranks[a], ranks[b])[0, 1]:.2f}" for a, b in combinations(known, 2)]
    print(f"\nRank correlation over good test pictures: {', '.join(correlations)}.")
    return rows + differences


def false_alarms(repeats: int) -> list[list[str]]:
    """Share of good parts that a fused threshold rejects where the members need no fit, so that only fusing costs."""
    rows = []
    for count in GOOD_COUNTS:
        generator = np.random.default_rng(count)
        rejected = []
        for _ in range(repeats):
            common = generator.normal(size=(1, count + 1))
            scores = np.exp(common + generator.normal(size=(2, count + 1)))  # correlated and skewed, as real ones are
            tails = [fit_tail(one[:-1], TAIL_SHARE, "member") for one in scores]
            fused = fuse(np.stack([tail.evidence(one) for tail, one in zip(tails, scores, strict=True)]), how="mean")
            # the rule of `conformal`: p value of the new part, the last one
            rejected.append((1 + (fused[:-1] >= fused[-1]).sum()) / (count + 1) <= 0.05)
        rate = float(np.mean(rejected))
        error = 1.96 * (rate * (1 - rate) / repeats) ** 0.5
        exact = int(0.05 * (count + 1) + 1e-9) / (count + 1)
        rows.append([str(count), f"{100 * exact:.1f} %", f"{100 * rate:.1f} +- {100 * error:.1f} %"])
    return rows


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("folders", nargs="*", type=Path, default=[paths.STAGES], help="of stages (default: stages)")
    parser.add_argument("--repeats", type=int, default=4000, help="of the simulation (default: 4000)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of each run, then the simulation."""
    asked, params = options().parse_args(arguments), load_params()
    print(machine("numpy"))
    results = [compare(folder, params) for folder in asked.folders]
    simulated = false_alarms(asked.repeats)
    print(f"\nGood parts rejected by a fused threshold, {asked.repeats:,} repetitions:\n")
    print(as_markdown(("good pictures", "without fusing", "fused"), simulated, padded=True))
    print(json.dumps({"runs": results, "false_alarms": simulated}))


if __name__ == "__main__":
    main()
