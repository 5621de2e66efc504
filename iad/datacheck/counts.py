"""Too few pictures for what is to be measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from iad.datacheck.findings import Finding, counted

WIDEST = 0.1
"""Half-width of an interval of AUROC that still tells a good method from a poor one."""

EXPECTED_AUROC = 0.9
NORMAL_95 = 1.96
FEWEST_PER_KIND = 5


def check_counts(manifest: Mapping[str, np.ndarray], *, fewest_calibrating: int) -> Iterator[Finding]:
    """Find classes too small for AUROC, for a threshold, and for the recall of a kind of defect.

    Args:
        manifest: columns of N rows, of which `split`, `label` and `defect` are read.
        fewest_calibrating: good pictures, of the split calibration or else of training, that a threshold needs.
    """
    split, label = manifest["split"], manifest["label"]
    good, defective = int(((split == "test") & (label == 0)).sum()), int(((split == "test") & (label == 1)).sum())
    yield from _classes(good, defective)
    calibrating = "calibration" if (split == "calibration").any() else "train"
    count = int((split == calibrating).sum())
    if count < fewest_calibrating:
        what = f"{counted(count, 'good picture')} ({calibrating}) to set a threshold, fewer than {fewest_calibrating}"
        effect = f"no threshold can promise fewer than {1 / (count + 1):.0%} false alarms"
        yield Finding("few_calibrating", what, [], effect, "add good pictures")
    kinds = Counter(manifest["defect"][label == 1].tolist())
    few = sorted(kind for kind, number in kinds.items() if number < FEWEST_PER_KIND)
    if few:
        what = f"fewer than {FEWEST_PER_KIND} test pictures of {counted(len(few), 'kind')} of defect"
        yield Finding("few_per_kind", what, few, "the recall of such a kind says little", "add pictures or merge kinds")


def _classes(good: int, defective: int) -> Iterator[Finding]:
    for count, kind in ((good, "good"), (defective, "defective")):
        if not count:
            effect = "AUROC, average precision and F1 cannot be measured"
            yield Finding("missing_class", f"no {kind} test pictures", [], effect, "add some")
    if good and defective and (width := half_width(good, defective)) > WIDEST:
        what = f"{counted(good, 'good')} and {defective} defective test pictures"
        effect = f"an AUROC of {EXPECTED_AUROC} is uncertain by {width:.2f} either way, too much to compare methods"
        yield Finding("few_tested", what, [], effect, "add test pictures of the rarer class")


def half_width(good: int, defective: int, auroc: float = EXPECTED_AUROC) -> float:
    """Half-width of the 95 % interval of an AUROC, before any picture is scored.

    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
    Radiology 143 (1982), equation 2.

    >>> round(half_width(58, 51, 0.893) / NORMAL_95, 3)
    0.033
    """
    both_defective, both_good = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    variance = auroc * (1 - auroc) + (defective - 1) * (both_defective - auroc**2) + (good - 1) * (both_good - auroc**2)
    return NORMAL_95 * float(np.sqrt(variance / (good * defective)))
