"""Stage `evaluate`: metrics, curves and pictures of every method that `params.yaml` lists."""

from __future__ import annotations

from iad.progress import say


def evaluate() -> None:
    """Measure every listed method on the test pictures, and draw the report."""
    from iad.compute import usable_cores
    from iad.config import load_params
    from iad.report.evaluation import write_report

    params = load_params()
    processes = params.compute.threads or usable_cores()
    for line in write_report(list(params.methods), params.evaluate, params.costs, params.seed, processes=processes):
        say(line)
