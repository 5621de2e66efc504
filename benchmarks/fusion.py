"""What fusing methods brings: AUROC of each hybrid with its interval, and DeLong's difference from each member.

Run it after `dvc repro`, from the repository's top folder: python benchmarks/fusion.py [folder of stages ...]
It reads the scores that `score` left, and writes nothing. Weights are equal; "as they are" adds raw scores, and
"z-score" adds deviations from the mean of good pictures, for comparison. Then it measures, on random scores, how many
good parts a fused conformal threshold rejects that aims at 5 %. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from iad.report.tables import as_padded_markdown

from iad import paths
from iad.config import load_params
from iad.decision.thresholds import set_threshold
from iad.detectors.hybrid.evidence import TAIL_SHARE, common_pictures, fit_tail, fuse, places_of
from iad.errors import IadError
from iad.io import read_table
from iad.metrics.image import auroc
from iad.statistics.bootstrap import bootstrap_intervals
from iad.statistics.comparison import delong

METHODS = ("ae", "resnet", "vit", "patch_resnet", "patch_vit")
HYBRIDS = (
    ("ae", "vit"), ("ae", "resnet", "vit"), ("resnet", "vit"), ("patch_resnet", "patch_vit"),
    ("ae", "patch_resnet", "patch_vit"), ("ae", "resnet", "vit", "patch_resnet", "patch_vit"),
)  # fmt: skip
GOOD_COUNTS, REPEATS, CONFIDENCE = (19, 39, 82, 200, 400), 4000, 0.95


class Run:
    """The scores of a finished run: calibration and test tables by method."""

    def __init__(self, stages: Path) -> None:
        folders = {name: stages / paths.SCORE.name / name for name in METHODS}
        found = {name: folder for name, folder in folders.items() if (folder / paths.TEST_SCORES).is_file()}
        self.good = {name: _columns(folder / paths.CALIBRATION_SCORES) for name, folder in found.items()}
        self.test = {name: _in_order(_columns(folder / paths.TEST_SCORES)) for name, folder in found.items()}
        self.labels = next(iter(self.test.values()))["label"]

    def fused(self, members: tuple[str, ...], how: str) -> tuple[np.ndarray, np.ndarray]:
        """Calibration and test scores of a hybrid."""
        good = {name: self.good[name] for name in members}
        if how in SCALES:
            scaled = [SCALES[how](table["score"], self.test[name]["score"]) for name, table in good.items()]
            return np.zeros(0), np.mean(scaled, axis=0)
        tails = {name: fit_tail(table["score"], TAIL_SHARE, name) for name, table in good.items()}
        ids = common_pictures({name: table["image_id"] for name, table in good.items()})
        rows = {name: places_of(table["image_id"], ids, name) for name, table in good.items()}
        both = [
            np.stack([tails[name].evidence(scores[name]) for name in members])
            for scores in (
                {name: good[name]["score"][rows[name]] for name in members},
                {name: self.test[name]["score"] for name in members},
            )
        ]
        return fuse(both[0], how=how), fuse(both[1], how=how)


SCALES = {
    "as they are": lambda _, test: test,
    "z-score": lambda good, test: (test - good.mean()) / good.std(),
}


def _columns(path: Path) -> dict[str, np.ndarray]:
    return {name: column.to_numpy() for name, column in read_table(path).items()}


def _in_order(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    order = np.argsort(table["image_id"].astype(str), kind="stable")
    return {name: column[order] for name, column in table.items()}


def verdicts(labels: np.ndarray, good: np.ndarray, test: np.ndarray) -> str:
    """F1, false alarms and misses at a conformal threshold that aims at 5 %."""
    try:
        found = set_threshold(good, "conformal", {"alpha": 0.05}, scheme="jackknife", origin="benchmark")
    except IadError:
        return f"too few pictures ({len(good)})"
    rejected = test >= found.value
    hits, alarms = int((rejected & (labels == 1)).sum()), int((rejected & (labels == 0)).sum())
    f1 = 2 * hits / (hits + alarms + int((labels == 1).sum()))
    return f"{f1:.3f}, {alarms} and {int((labels == 1).sum()) - hits} (of {len(good)})"


def with_interval(labels: np.ndarray, scores: np.ndarray) -> str:
    """AUROC with its bootstrap interval."""
    draws, seed = load_params().evaluate.bootstrap, load_params().seed
    rejected = scores >= np.median(scores)  # no verdict is asked for here
    found = bootstrap_intervals(labels, scores, rejected, draws=draws, confidence=CONFIDENCE, seed=seed)["auroc"]
    return f"{auroc(labels, scores):.4f} [{found.low:.3f}, {found.high:.3f}]"


def difference(labels: np.ndarray, fused: np.ndarray, member: np.ndarray) -> str:
    """DeLong's difference of AUROC with interval and p value."""
    found = delong(labels, fused, member, confidence=CONFIDENCE)
    return "-" if found is None else f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p = {found.p:.2g}"


def compare(stages: Path) -> list[list[str]]:
    """Print the tables of one run."""
    run = Run(stages)
    labels, known = run.labels, list(run.test)
    print(f"\n{int((labels == 0).sum())} good and {int((labels == 1).sum())} defective test pictures\n")
    rows = [
        [name, "-", with_interval(labels, run.test[name]["score"]),
         verdicts(labels, run.good[name]["score"], run.test[name]["score"])] for name in known
    ]  # fmt: skip
    differences = []
    for members in HYBRIDS:
        if not set(members) <= set(known):
            continue
        for how in ("mean", "max", *SCALES):
            good, test = run.fused(members, how)
            said = "-" if how in SCALES else verdicts(labels, good, test)
            rows.append([" + ".join(members), how, with_interval(labels, test), said])
            if how == "mean":
                differences += [
                    [" + ".join(members), name, difference(labels, test, run.test[name]["score"])] for name in members
                ]
    print(as_padded_markdown(("members", "fused by", "AUROC [95 %]", "F1, false alarms and misses at 5 %"), rows))
    print()
    print(as_padded_markdown(("mean of", "against", "difference of AUROC [95 %]"), differences))
    correlations = [
        f"{a} and {b} {np.corrcoef(*_ranks(run, a, b))[0, 1]:.2f}" for a, b in combinations(known, 2)
    ]  # fmt: skip
    print(f"\nRank correlation over good test pictures: {', '.join(correlations)}.")
    return rows + differences


def _ranks(run: Run, *names: str) -> list[np.ndarray]:
    return [run.test[name]["score"][run.labels == 0].argsort().argsort() for name in names]


def false_alarms() -> list[list[str]]:
    """Share of good parts that a fused threshold rejects where the members need no fit, so that only fusing costs."""
    rows = []
    for count in GOOD_COUNTS:
        generator = np.random.default_rng(count)
        rejected = []
        for _ in range(REPEATS):
            common = generator.normal(size=(1, count + 1))
            scores = np.exp(common + generator.normal(size=(2, count + 1)))  # correlated and skewed, as real ones are
            tails = [fit_tail(one[:-1], TAIL_SHARE, "member") for one in scores]
            fused = fuse(np.stack([tail.evidence(one) for tail, one in zip(tails, scores, strict=True)]), how="mean")
            # the rule of `conformal`: p value of the new part, the last one
            rejected.append((1 + (fused[:-1] >= fused[-1]).sum()) / (count + 1) <= 0.05)
        rate = float(np.mean(rejected))
        error = 1.96 * (rate * (1 - rate) / REPEATS) ** 0.5
        exact = int(0.05 * (count + 1) + 1e-9) / (count + 1)
        rows.append([str(count), f"{100 * exact:.1f} %", f"{100 * rate:.1f} +- {100 * error:.1f} %"])
    return rows


if __name__ == "__main__":
    results = [compare(Path(folder)) for folder in sys.argv[1:] or [paths.STAGES]]
    simulated = false_alarms()
    print(f"\nGood parts rejected by a fused threshold, {REPEATS:,} repetitions:\n")
    print(as_padded_markdown(("good pictures", "without fusing", "fused"), simulated))
    print(json.dumps({"runs": results, "false_alarms": simulated}))
