"""What is said of parts where too few good pictures calibrate for the false-alarm rate wanted: p-values, no verdict.

With n calibration scores a new good part has the highest of n + 1 with a probability of 1 / (n + 1), so that no
threshold promises less, whatever the distribution of scores (Vovk, Gammerman and Shafer, "Algorithmic Learning in a
Random World", 2005). A p-value says what n scores can say, and leaves the verdict to whoever reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from iad.decision.promises import ESTIMATE, SCHEMES, Threshold, pictures_needed, ranks_within
from iad.decision.thresholds import set_threshold
from iad.words import counted, percent

P_VALUES = "p_values"
"""The strategy of a threshold that is none; nobody can ask for it."""


def verdicts_or_p_values(
    scores: np.ndarray, strategy: str, options: Mapping[str, float], *, scheme: str,
    origin: str = "calibration scores",
) -> Threshold:  # fmt: skip
    """As `iad.decision.thresholds.set_threshold`, where two scores or more that are too few for `alpha` are no refusal.

    They give a threshold of the strategy `P_VALUES`. Its value is just above the highest score, where the p-value is as
    small as it can be, and `decides` says that nobody is to be rejected by it.

    Args:
        scores: float64 `(n_calibration,)`, higher = more anomalous.
        strategy: as for `set_threshold`; so are the following.
        options: a value for each option of the strategy.
        scheme: how the scores came to be out of sample.
        origin: where the scores come from; a refusal begins with it.

    Raises:
        IadError: as `set_threshold`; of too few scores only where they are fewer than two.

    >>> found = verdicts_or_p_values(np.array([1.0, 2.0, 3.0]), "conformal", {"alpha": 0.05}, scheme="split")
    >>> found.strategy, found.promised_rate, decides(found)
    ('p_values', 0.25, False)
    """
    n = np.size(scores)
    if strategy != "conformal" or n < 2 or ranks_within(alpha := options["alpha"], n):
        return set_threshold(scores, strategy, options, scheme=scheme, origin=origin)
    found = set_threshold(scores, "max", {"alpha": alpha}, scheme=scheme, origin=origin)
    return replace(found, strategy=P_VALUES, rate_limit=None, guarantee=_in_words(n, alpha, scheme), warnings=())


def decides(threshold: Threshold) -> bool:
    """Whether parts are rejected by a threshold; if not, their p-values are all that is said of them."""
    return threshold.strategy != P_VALUES


def _in_words(n: int, alpha: float, scheme: str) -> str:
    least, proof = 1 / (n + 1), "" if SCHEMES[scheme].proven else f"; what they say is {ESTIMATE}"
    return (
        f"p-values and no verdict, since {counted(n, 'good picture')} can promise {percent(least)} false alarms (1 in "
        f"{n + 1}) at best and {percent(alpha)} takes {pictures_needed(alpha)}; none is below {least:.4f}{proof}"
    )
