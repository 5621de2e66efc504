"""Too few pictures or masks for what is to be measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from iad.datacheck.findings import Finding
from iad.words import counted, percent

if TYPE_CHECKING:
    import pandas as pd

WIDEST = 0.1
"""Half-width of an interval of AUROC that still tells a good method from a poor one."""

EXPECTED_AUROC = 0.9
NORMAL_95 = 1.96
FEWEST_PER_KIND = 5
FEWEST_CALIBRATING = 99
"""Good pictures from which on a threshold can promise 1 % false alarms, the least that most lines ask for."""


def check_counts(manifest: pd.DataFrame) -> Iterator[Finding]:
    """Find classes too small for AUROC, for a threshold, and for the recall of a kind of defect, and missing masks.

    Args:
        manifest: N rows, of which `image_id`, `split`, `label`, `defect` and `mask` are read.

    Example:
        >>> import pandas as pd
        >>> columns = {"image_id": ["a.png", "b.png"], "split": ["train", "test"], "label": [0, 0]}
        >>> manifest = pd.DataFrame(columns | {"defect": ["good", "good"], "mask": [None, None]})
        >>> [finding.check for finding in check_counts(manifest)]
        ['missing_class', 'few_calibrating']
    """
    split, label = manifest["split"].to_numpy(), manifest["label"].to_numpy()
    good, defective = int(((split == "test") & (label == 0)).sum()), int(((split == "test") & (label == 1)).sum())
    yield from _classes(good, defective)
    yield from _calibrating(split)
    kinds = Counter(manifest["defect"][label == 1].tolist())
    few = sorted(kind for kind, number in kinds.items() if number < FEWEST_PER_KIND)
    if few:
        what = f"fewer than {FEWEST_PER_KIND} test pictures of {counted(len(few), 'kind')} of defect"
        yield Finding("few_per_kind", what, few, "the recall of such a kind says little", "add pictures or merge kinds")
    yield from _without_masks(manifest[label == 1])


def least_false_alarm_rate(calibrating: int) -> float:
    """The least share of good parts that a threshold from so many out-of-sample scores can promise to reject at most.

    The next good part has the highest score of n + 1 with probability 1 / (n + 1), and by how much can be anything.
    Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World" (2005).

    >>> least_false_alarm_rate(19), least_false_alarm_rate(99)
    (0.05, 0.01)
    """
    return 1 / (calibrating + 1)


def check_promise(manifest: pd.DataFrame, alpha: float) -> Iterator[Finding]:
    """Find out whether there are enough good pictures for a threshold that promises a false-alarm rate.

    Args:
        manifest: N rows, of which `split` is read.
        alpha: the rate, in (0, 1).

    >>> import pandas as pd
    >>> [found] = check_promise(pd.DataFrame({"split": ["train"] * 18}), alpha=0.05)
    >>> found.what
    '18 good pictures (train) to set a threshold, and 5 % false alarms take 19'
    >>> list(check_promise(pd.DataFrame({"split": ["train"] * 19}), alpha=0.05))
    []
    """
    used, count = _calibrating_pictures(manifest["split"].to_numpy())
    if least_false_alarm_rate(count) <= alpha:
        return
    needed = math.ceil(round(1 / alpha, 6)) - 1
    what = (
        f"{counted(count, 'good picture')} ({used}) to set a threshold, and {percent(alpha)} false alarms take {needed}"
    )
    yield Finding("no_promise", what, [], "no threshold can promise this rate", "add good pictures, or raise the rate")


def _calibrating_pictures(split: np.ndarray) -> tuple[str, int]:
    used = "calibration" if (split == "calibration").any() else "train"
    return used, int((split == used).sum())


def _calibrating(split: np.ndarray) -> Iterator[Finding]:
    used, count = _calibrating_pictures(split)
    if count < FEWEST_CALIBRATING:
        what = f"{counted(count, 'good picture')} ({used}) to set a threshold, fewer than {FEWEST_CALIBRATING}"
        least = percent(round(least_false_alarm_rate(count), 3))
        effect = f"none can promise less than {least} false alarms (1 of {count + 1})"
        if used == "train":
            effect += (
                ", and a method that calibrates on a held-out share of them, as the autoencoder does, not even that"
            )
        yield Finding("few_calibrating", what, [], effect, "add good pictures")


def _without_masks(defective: pd.DataFrame) -> Iterator[Finding]:
    bare = defective["image_id"][defective["mask"].isna()].tolist()
    if 0 < len(bare) < len(defective):
        what = f"{len(bare)} of {counted(len(defective), 'defective test picture')} have no mask"
        yield Finding("missing_masks", what, bare, "pixel metrics leave them out", "draw their masks")


def _classes(good: int, defective: int) -> Iterator[Finding]:
    for count, kind in ((good, "good"), (defective, "defective")):
        if not count:
            effect = "AUROC, average precision and F1 cannot be measured"
            yield Finding("missing_class", f"no {kind} test pictures", [], effect, "add some")
    if good and defective and (width := half_width(good, defective)) > WIDEST:
        what = f"{good} good and {defective} defective test pictures"
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
