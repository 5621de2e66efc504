"""What `iad gate` says: the table, the pictures whose verdict changed, and the notes, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from iad.gate.rule import Finding, Ruling
from iad.report.named import named
from iad.report.tables import as_padded_markdown
from iad.serving.flat import flat
from iad.statistics.pictures import Pictures

HEADER = ("method", "measure", "before", "here", "change", "evidence", "p (Holm)", "ruling")


def table(findings: Sequence[Finding]) -> str:
    """All findings, one row each."""
    return as_padded_markdown(HEADER, [_row(finding) for finding in findings])


def _row(finding: Finding) -> list[str]:
    check, p = finding.check, finding.adjusted_p
    shown = "-" if p is None else f"{p:.3f}" if p >= 0.001 else "< 0.001"
    ruling = f"**{finding.ruling}**" if finding.ruling in (Ruling.FAIL, Ruling.WARNING) else str(finding.ruling)
    return [check.method, check.measure, check.before, check.after, check.change, check.evidence, shown, ruling]


def reasons(findings: Iterable[Finding], ruling: Ruling) -> list[str]:
    """One line per finding with this ruling, with the bound that it passed."""
    return [_reason(finding) for finding in findings if finding.ruling is ruling]


def _reason(finding: Finding) -> str:
    check, ruling = finding.check, finding.ruling
    what = f"{check.method}: {check.measure} {check.before} before, {check.after} here"
    if check.measure == "promise":
        what = f"{check.method}: false alarms {check.after}, {check.evidence}"
    if ruling is Ruling.FAIL and check.loss > check.limit:
        return f"{what}: a loss of {check.loss:.3f}, more than the limit of {check.limit:g}"
    if ruling is Ruling.FAIL:
        return f"{what}: more than chance explains"
    return f"{what}: a loss of {check.loss:.3f} that chance may explain; more test pictures would tell"


def flips(method: str, image_ids: np.ndarray, before: Pictures, after: Pictures) -> Iterator[str]:
    """Lines that name the pictures whose verdict changed, the worst first, by kind."""
    defective = after.labels == 1
    changed = before.rejected != after.rejected
    kinds = {
        "new misses": (defective & changed & before.rejected, 1),  # the least anomalous score is the worst miss
        "new false alarms": (~defective & changed & after.rejected, -1),
        "found now": (defective & changed & after.rejected, -1),
        "passed now": (~defective & changed & before.rejected, 1),
    }
    for kind, (chosen, sign) in kinds.items():
        rows = np.flatnonzero(chosen)
        if len(rows):
            ordered = rows[np.argsort(sign * after.scores[rows], kind="stable")]
            yield f"{method}: {len(rows)} {kind}: {named(image_ids[ordered].tolist())}"


def parameter_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """`key: old -> new` for every value of `params.yaml` that both hold and that differs.

    >>> parameter_changes({"a": {"b": 1, "c": 2}}, {"a": {"b": 5, "c": 2}, "d": 3})
    ['a.b: 1 -> 5']
    """
    former, now = flat(before), flat(after)
    return [f"{key}: {former[key]} -> {now[key]}" for key in now if key in former and former[key] != now[key]]
