"""Stage `threshold`: the verdict's threshold of one method, from the scores of good pictures alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from iad import paths
from iad.config import load_params
from iad.decision.thresholds import option_names, set_threshold
from iad.errors import IadError, unknown
from iad.io import Table, read_table, write_json
from iad.progress import say


def threshold(method: Annotated[str, typer.Argument(help="a method of params.yaml")]) -> None:
    """Set the threshold of one method from its calibration scores; never sees a test picture."""
    params = load_params()
    if method not in params.methods:
        raise unknown("method", method, params.methods)
    source = paths.SCORE / method / paths.CALIBRATION_SCORES
    calibration = read_table(source)
    strategy = params.threshold.strategy
    options = {name: getattr(params.threshold, name) for name in option_names(strategy)}
    scheme = _scheme(calibration, str(source))
    found = set_threshold(calibration["score"].to_numpy(), strategy, options, scheme=scheme, origin=str(source))
    write_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE, asdict(found))
    say(f"{method}: threshold {found.value:.6g} from {found.n_calibration} calibration pictures; {found.guarantee}")
    for warning in found.warnings:
        say(f"{method}: warning: {warning}")


def _scheme(calibration: Table, origin: str) -> str:
    schemes = sorted(set(calibration.get("scheme", ())))
    if len(schemes) != 1:
        raise IadError(
            f"{origin}: {len(schemes)} schemes of calibration instead of one; run `dvc repro` to write it again"
        )
    return str(schemes[0])
