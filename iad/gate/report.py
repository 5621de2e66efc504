"""What `iad gate` says: the table, the pictures whose verdict changed, and the notes, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from iad.gate.comparison import HERE, Comparison
from iad.gate.promise import MEASURE as PROMISE
from iad.gate.rule import Finding, Ruling, judge
from iad.words import as_markdown, counted

HEADER = ("method", "measure", "before", "here", "change", "evidence", "p (Holm)", "ruling")


def gate_report(found: Comparison, significance: float) -> tuple[str, bool]:
    """Apply the rule to a comparison, and say what came of it.

    Args:
        found: of the working tree with a revision.
        significance: chance that noise alone fails any of the tests, in (0, 1).

    Returns:
        The text, and whether the gate is closed: something is worse than chance explains, or cannot be compared.

    >>> from iad.gate.comparison import Comparison
    >>> text, closed = gate_report(Comparison("main", ("vit",), 160), 0.05)
    >>> print(text)
    ### Gate: passed
    <BLANKLINE>
    The working tree against main, 160 test pictures.
    <BLANKLINE>
    Identical: every score and verdict of vit is the same.
    >>> closed
    False
    """
    findings = judge(found.checks, significance)
    failures, warnings = found.failures + reasons(findings, Ruling.FAIL), reasons(findings, Ruling.WARNING)
    state = "regression" if failures else "passed, with warnings" if warnings else "passed"
    here = f"{HERE[0].upper()}{HERE[1:]}"
    parts = [f"### Gate: {state}", f"{here} against {found.revision}, {counted(found.pictures, 'test picture')}."]
    notes = list(found.notes)
    if found.identical:
        parts.append(f"Identical: every score and verdict of {', '.join(found.methods)} is the same.")
    else:
        notes += [f"{method}: every score and verdict is the same" for method in found.unchanged]
    if not found.identical or failures:
        parts.append(table(findings))
    titled = {"Changed verdicts": found.changed, "Notes": notes, "Warnings": warnings, "Regressions": failures}
    parts += [f"{title}:\n\n" + "\n".join(f"- {line}" for line in lines) for title, lines in titled.items() if lines]
    return "\n\n".join(parts), bool(failures)


def table(findings: Sequence[Finding]) -> str:
    """All findings, one row each.

    >>> from iad.gate.rule import Check
    >>> loss = Check("vit", "AUROC", "0.900", "0.800", "-0.1000", "-", 0.1, None, 0.01, 0.01, limit=0.05)
    >>> print(table(judge([loss], 0.05)))
    | method | measure | before |  here |  change | evidence | p (Holm) |   ruling |
    |:-------|:--------|-------:|------:|--------:|---------:|---------:|---------:|
    | vit    | AUROC   |  0.900 | 0.800 | -0.1000 |        - |        - | **FAIL** |
    """
    return as_markdown(HEADER, [_row(finding) for finding in findings], padded=True)


def reasons(findings: Iterable[Finding], ruling: Ruling) -> list[str]:
    """One line per finding with this ruling, with the bound that it passed.

    >>> from iad.gate.rule import Check
    >>> loss = Check("vit", "AUROC", "0.900", "0.800", "-0.1000", "", 0.1, None, 0.01, 0.01, limit=0.05)
    >>> reasons(judge([loss], 0.05), Ruling.FAIL)
    ['vit: AUROC 0.900 before, 0.800 here: a loss of 0.100, more than the limit of 0.05']
    """
    return [_reason(finding) for finding in findings if finding.ruling is ruling]


def _row(finding: Finding) -> list[str]:
    check, p = finding.check, finding.adjusted_p
    shown = "-" if p is None else f"{p:.3f}" if p >= 0.001 else "< 0.001"
    ruling = f"**{finding.ruling}**" if finding.ruling in (Ruling.FAIL, Ruling.WARNING) else str(finding.ruling)
    return [check.method, check.measure, check.before, check.after, check.change, check.evidence, shown, ruling]


def _reason(finding: Finding) -> str:
    check = finding.check
    if check.measure == PROMISE:
        return f"{check.method}: false alarms {check.after}, {check.evidence}: {_broken(finding)}"
    what = f"{check.method}: {check.measure} {check.before} before, {check.after} here"
    if check.beyond_limit:
        return f"{what}: a loss of {check.loss:.3f}, more than the limit of {check.limit:g}"
    if finding.ruling is Ruling.FAIL:
        return f"{what}: more than chance explains"
    return f"{what}: a loss of {check.loss:.3f} that chance may explain; more test pictures would tell"


def _broken(finding: Finding) -> str:
    """What is to be said of a rate above its promise."""
    check = finding.check
    if finding.ruling is Ruling.FAIL:
        return "more than chance explains"
    if finding.significant:
        return f"more than chance explains, and no new miss ({check.before} before)"
    if check.p is None:
        return "more than it aims at, of which nothing is proven; calibrate on pictures set apart to have a promise"
    return f"{100 * check.loss:.1f} points that this calibration set may owe to chance; more good pictures would tell"
