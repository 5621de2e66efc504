"""What `iad tune` prints: what was tried, what was chosen, and what that is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from iad.tune.choosing import Tried
from iad.tune.defects import KINDS
from iad.words import as_text, counted

if TYPE_CHECKING:
    from iad.tune.candidates import Candidate
    from iad.tune.tuning import Tuned

HEADER = ["tried", "AUROC [95 %]", "against the first", "p"]


def report_lines(found: Tuned) -> Iterator[str]:
    """What was found, line by line.

    Every number is of painted defects: it ranks settings for these pictures, and promises nothing of real defects.
    """
    yield (
        f"tune: {counted(found.compared, 'good picture')} compared with, {found.apart} apart, each with one painted "
        f"defect of {len(KINDS)} kinds; no test picture was looked at"
    )
    for name, tried in found.steps:
        yield ""
        yield from table_of(name, tried).splitlines()
    if found.skipped:
        yield ""
        yield f"left out, since the time would not have been enough ({counted(len(found.skipped), 'setting')}): "
        yield from (f"  {one}" for one in found.skipped)
    yield ""
    yield choice(found.default, found.chosen)


def table_of(name: str, tried: Sequence[Tried]) -> str:
    """One step's table; differences are from the settings that it began with."""
    rows = [
        [
            one.candidate.words(), f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]",
            "the first" if one.gain is None else f"{one.gain.value:+.3f} [{one.gain.low:+.3f}, {one.gain.high:+.3f}]",
            "" if one.gain is None else f"{one.p_value:.2g}",
        ]
        for one in tried
    ]  # fmt: skip
    return as_text([name, *HEADER[1:]], rows)


def choice(default: Candidate, chosen: Candidate) -> str:
    """The last line: what to go on with."""
    if chosen == default:
        return f"nothing tells painted defects better than {default.words()} beyond luck; keep the settings"
    return (
        f"chosen: {chosen.words()} (before: {default.words()}); `iad tune --write` writes it, `iad bundle "
        f"{chosen.method}` makes a bundle of the method"
    )
