"""Stage `threshold`: the verdict's threshold of one method, from the scores of good pictures alone."""

from __future__ import annotations

from dataclasses import asdict

from iad import paths
from iad.config import Params
from iad.decision.promises import shared_scheme
from iad.decision.thresholds import option_names, set_threshold
from iad.errors import unknown
from iad.io import read_table, write_json
from iad.progress import say
from iad.words import counted


def write_threshold(params: Params, method: str) -> None:
    """Set the threshold of one method from its calibration scores, and write it; never sees a test picture.

    Raises:
        IadError: if there is no such method, its scores are missing, or the strategy cannot use them.
    """
    if method not in params.methods:
        raise unknown("method", method, params.methods)
    source = paths.SCORE / method / paths.CALIBRATION_SCORES
    calibration, strategy = read_table(source), params.threshold.strategy
    scheme = shared_scheme(calibration.get("scheme", ()), str(source))
    options = {name: getattr(params.threshold, name) for name in option_names(strategy)}
    found = set_threshold(calibration["score"], strategy, options, scheme=scheme, origin=str(source))
    write_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE, asdict(found))
    said = f"threshold {found.value:.6g} from {counted(found.n_calibration, 'calibration picture')}"
    say(f"{method}: {said}; {found.guarantee}")
    for warning in found.warnings:
        say(f"{method}: warning: {warning}")
