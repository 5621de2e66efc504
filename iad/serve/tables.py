"""Verdicts of a log as a table, and judged anew by another threshold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from iad.errors import IadError
from iad.serve.entries import Entry
from iad.words import counted

COLUMNS = ("verdict", *(field.name for field in fields(Entry)))
SHOWN = 20  # changed verdicts that are named


def rows_of(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """One row per verdict, with the columns `COLUMNS`."""
    return [one.record() for one in entries]


def judged_lines(entries: Iterable[Entry], threshold: float, log: Path) -> Iterator[str]:
    """What another threshold would have done, in lines.

    What operators said of parts tells which of the changes are right; of the others nobody knows.

    Args:
        entries: verdicts of one bundle.
        threshold: parts with at least this score are rejected.
        log: for refusals.

    Raises:
        IadError: if there is no verdict, or those of several bundles, whose scores cannot be compared.

    >>> entry = Entry("a.png", "", "", 0, 0, "", "", "vit", 0.75, 0.1, 0.5, True, "", 0.1, number=3, word="good")
    >>> for line in judged_lines([entry], 0.8, Path("verdicts.db")):
    ...     print(line)
    1 part: 1 rejected as it was, 0 from 0.8000 on
    1 would have passed: 1 good and 0 bad, as operators say, and 0 of which nobody spoke
         3  a.png  score 0.7500
    0 would have been rejected
    """
    if not math.isfinite(threshold):
        raise IadError(f"threshold {threshold}: give a number")
    read = [one for one in entries if one.score is not None]
    if not read:
        raise IadError(f"{log}: no such verdicts; choose others (--since, --until, --bundle, --name)")
    if len(bundles := {one.bundle for one in read}) > 1:
        names = ", ".join(sorted(one[:12] for one in bundles))
        raise IadError(f"{log}: verdicts of {len(bundles)} bundles ({names}), whose scores differ; name one (--bundle)")
    anew = {one.number: (one.score or 0.0) >= threshold for one in read}
    before, after = sum(bool(one.rejected) for one in read), sum(anew.values())
    yield f"{counted(len(read), 'part')}: {before} rejected as it was, {after} from {threshold:.4f} on"
    for title, now in (("would have passed", False), ("would have been rejected", True)):
        changed = [one for one in read if one.rejected is not now and anew[one.number] is now]
        said = Counter(one.word for one in changed)
        told = f": {said['good']} good and {said['bad']} bad, as operators say, and {said['']} of which nobody spoke"
        yield f"{len(changed)} {title}{told if changed else ''}"
        for one in changed[:SHOWN]:
            yield f"{one.number:>6}  {one.image_id}  score {one.score:.4f}"
        if len(changed) > SHOWN:
            yield f"        ... and {len(changed) - SHOWN} more"
