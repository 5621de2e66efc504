"""What earlier runs left of methods that `params.yaml` no longer lists: own files go, other stages' are told of."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from pathlib import Path

from iad import paths
from iad.errors import IadError
from iad.io import read_json

OWN = (  # what `evaluate` writes for each method
    (paths.METRICS, ".json"), (paths.SCORES_CSV, ".csv"), (paths.HISTOGRAMS, ".png"), (paths.CONFUSION, ".png"),
    (paths.MISSES, ".png"), (paths.FALSE_ALARMS, ".png"), (paths.GALLERIES, ".png"),
)  # fmt: skip


def remove_own(methods: Collection[str]) -> None:
    """Remove what the run before wrote for methods that are no longer listed, and nothing else.

    Its report names them. DVC removes all that a stage wrote before it runs, the report too, so this is for a run by
    hand.

    Args:
        methods: those that are listed.
    """
    for method in _reported():
        if method not in methods:
            for folder, ending in OWN:
                (folder / f"{method}{ending}").unlink(missing_ok=True)


def leftover_note(methods: Collection[str]) -> str | None:
    """The line that names folders of other stages for methods that are no longer listed; None where there are none.

    `evaluate` depends on the folders of all methods as a whole, so that what lies there too changes its record. It may
    be a result that somebody wants to keep, so nothing is deleted.

    Args:
        methods: those that are listed.
    """
    found = [
        shlex.quote(folder.as_posix())
        for room in (paths.SCORE, paths.THRESHOLD)
        for folder in sorted(room.glob("*/"))
        if folder.name not in methods
    ]
    if not found:
        return None
    return (
        f"left over, of no method in {paths.PARAMS}: {', '.join(found)}; {paths.LOCK} records evaluate with that, "
        f"other than in a fresh clone; to remove it: rm -r {' '.join(found)}"
    )


def _reported() -> Iterator[str]:
    """Methods in the report of the run before; none where it is missing, broken, or names what is no file name."""
    try:
        report = read_json(paths.REPORT)
    except IadError:
        return
    found = report.get("methods") if isinstance(report, dict) else None
    yield from (name for name in (found if isinstance(found, dict) else ()) if Path(name).name == name)
