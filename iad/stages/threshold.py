"""Stage `threshold`: the verdict's threshold of one method, from the scores of good pictures alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from iad import paths
from iad.decision.thresholds import option_names, set_threshold
from iad.errors import unknown
from iad.io import read_table, write_json
from iad.params import load_params
from iad.progress import say


def threshold(method: Annotated[str, typer.Argument(help="a method of params.yaml")]) -> None:
    """Set the threshold of one method from its calibration scores; never sees a test picture."""
    params = load_params()
    if method not in params.methods:
        raise unknown("method", method, params.methods)
    source = paths.SCORE / method / paths.CALIBRATION_SCORES
    scores = read_table(source)["score"]
    strategy = params.threshold.strategy
    options = {name: getattr(params.threshold, name) for name in option_names(strategy)}
    found = set_threshold(scores, strategy, options, origin=str(source))
    write_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE, asdict(found))
    say(f"{method}: threshold {found.value:.6g} from {found.n_calibration} calibration pictures; {found.guarantee}")
    if found.warning:
        say(f"{method}: warning: {found.warning}")
