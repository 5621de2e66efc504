"""What the page of a study says, before it is text, HTML or PDF: the same words and numbers in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isinf

from iad.acceptance import Criteria
from iad.acceptance.agreement import Agreement, Appraiser
from iad.acceptance.counts import parts_needed, rate_shown
from iad.acceptance.criteria import kappa_text, share_text
from iad.acceptance.gauge import GRR, INTERACTION, OPERATOR, PART, REPEATABILITY, TOTAL, Gauge
from iad.acceptance.nuisance import Nuisance
from iad.acceptance.study import Study
from iad.bundles.bundle import Bundle
from iad.words import as_text, counted, named, percent

ORDER = (GRR, REPEATABILITY, OPERATOR, INTERACTION, PART, TOTAL)
PARTLY = (REPEATABILITY, OPERATOR, INTERACTION)  # of which the gauge consists
MOST_APPRAISERS = 6  # lines on the page; of more the least able are shown
RATES, FAILURES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.001), (0, 1, 2, 3, 5)
SIGNED = ("Name", "Function", "Date", "Signature")


@dataclass(frozen=True)
class Block:
    """A table, the heading over it, and lines below it."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Sheet:
    """The page of a study.

    Attributes:
        title: its heading.
        facts: what was studied, by name.
        checks: the criteria, with rulings in the last column.
        verdict: what they come to.
        blocks: what was found.
        warnings: what a reader must know.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    checks: Block
    verdict: str
    blocks: Sequence[Block]
    warnings: Sequence[str]


def sheet_of(study: Study, bundle: Bundle, *, name: str, digest: str, criteria: Criteria, day: str) -> Sheet:
    """Put a study into words.

    Args:
        study: what was found.
        bundle: of which.
        name: of the bundle's file.
        digest: SHA-256 of the bundle.
        criteria: that it was held to.
        day: when the study was made.
    """
    rows = [(one.name, one.stated, one.found, one.ruling) for one in study.checks]
    return Sheet(
        "Acceptance study of an inspection system",
        list(_facts(study, bundle, name, digest, day)),
        Block("Criteria", ("criterion", "asked", "found", "ruling"), rows, [_confidence(criteria)]),
        study.verdict,
        [
            _gauge_block(study, bundle.threshold.value),
            _agreement_block(study.agreement),
            *_shown_block(study.agreement, criteria.confidence),
            *([_nuisance_block(study.nuisance)] if study.nuisance else []),
        ],
        study.warnings,
    )


def needed_block(confidence: float) -> Block:
    """How many parts show what, as a table.

    Args:
        confidence: in (0, 1).

    >>> needed_block(0.95).rows[3][:3]
    ('at most 1 %', '299', '473')
    """
    rows = [
        (f"at most {percent(rate)}", *(f"{parts_needed(rate, confidence, failures):,}" for failures in FAILURES))
        for rate in RATES
    ]
    header = ("to show", *(f"{count} wrong" for count in FAILURES))
    return Block(
        f"Parts needed, with {percent(confidence)} confidence", header, rows,
        ["defective parts for the rate of misses, good parts for that of false alarms; each part counts once"],
    )  # fmt: skip


def sheet_lines(sheet: Sheet) -> Iterator[str]:
    """The page as lines of text."""
    width = max(len(name) for name, _ in sheet.facts)
    yield from (f"{name:<{width}}  {text}" for name, text in sheet.facts)
    for block in (*sheet.blocks, sheet.checks):
        yield ""
        yield from block_lines(block)
    yield ""
    yield from (f"warning: {line}" for line in sheet.warnings)
    yield sheet.verdict


def block_lines(block: Block) -> Iterator[str]:
    """A table as lines of text."""
    yield block.title
    yield from as_text(block.header, block.rows).split("\n")
    yield from block.notes


def _facts(study: Study, bundle: Bundle, name: str, digest: str, day: str) -> Iterator[tuple[str, str]]:
    design, threshold = study.design, bundle.threshold
    yield "bundle", f"{name}, method {bundle.method}, iad {bundle.origin.iad}"
    yield "SHA-256", digest
    yield "threshold", f"{threshold.value:.4f} ({threshold.strategy}): a score at or above it is rejected"
    yield "promise", threshold.guarantee
    by = f", by {counted(len(set(design.operators or ())), design.factor)}" if design.factor else ""
    yield "pictures", f"{len(design.takes)} of {counted(len(set(design.parts)), 'part')}{by}{_reference(study)}"
    yield "their hash", design.fingerprint
    yield "made on", day


def _confidence(criteria: Criteria) -> str:
    return f"in brackets: intervals of {percent(criteria.confidence)}, over parts"


def _reference(study: Study) -> str:
    against = study.agreement.together.reference
    if against is None:
        return "; what the parts are is not told"
    return f"; {against.missed.total} defective, {against.false_alarms.total} good by the reference"


def _gauge_block(study: Study, threshold: float) -> Block:
    gauge = study.gauge
    header = ["source", "standard deviation", "%contribution", "%study variation"]
    tolerance = gauge.components[GRR].tolerance is not None
    header += ["%tolerance"] if tolerance else []
    rows = []
    for name in ORDER:
        if name in gauge.components:
            one = gauge.components[name]
            shares = [one.contribution, one.study, *([one.tolerance] if one.tolerance is not None else [])]
            row = [("  " if name in PARTLY else "") + name, f"{one.sigma:.5g}", *(f"{100 * it:.2f} %" for it in shares)]
            rows.append(row)
    return Block("Score: gauge R&R (AIAG, ANOVA)", header, rows, list(_gauge_notes(study, gauge, threshold)))


def _gauge_notes(study: Study, gauge: Gauge, threshold: float) -> Iterator[str]:
    categories = "no repetition differs" if gauge.ndc is None else f"{gauge.ndc} distinct categories"
    design = "crossed design" if study.design.factor else "one-way design"
    both = next((one for one in gauge.sources if one.name == INTERACTION), None)
    kept = "pooled" if gauge.pooled else "kept"
    tested = "" if both is None or both.p is None else f"; interaction {kept} (p {both.p:.3f})"
    yield f"{design}{tested}; {categories}"
    width = 3 * gauge.components[GRR].sigma
    unsure = f": {named(study.unsure, 3)}" if study.unsure else ""
    yield (
        f"within 3 standard deviations of the gauge from the threshold ({threshold - width:.4g} to "
        f"{threshold + width:.4g}): {len(study.unsure)} of {len(gauge.means)} parts, whose verdict may change{unsure}"
    )


def _agreement_block(agreement: Agreement) -> Block:
    header = ["verdicts of", "parts always judged alike", "kappa, repetitions"]
    told = agreement.together.reference is not None
    header += ["parts always right", "kappa, reference"] if told else []
    shown = sorted(agreement.appraisers, key=_able)[:MOST_APPRAISERS]
    rows = [_appraiser_row(one) for one in sorted(shown, key=lambda one: one.name)]
    if len(agreement.appraisers) > 1:
        rows.append(_appraiser_row(agreement.together))
    more = len(agreement.appraisers) - len(shown)
    notes = [f"{more} more, who agree better, are left out here"] if more else []
    if agreement.pairs:
        one, other, kappa = min(agreement.pairs, key=lambda pair: -2.0 if pair[2].value is None else pair[2].value)
        notes.append(f"least kappa of two: {one} and {other}, {kappa_text(kappa)}")
    return Block("Verdict: agreement (AIAG, attributes)", header, rows, notes)


def _able(one: Appraiser) -> float:
    kappa = one.within if one.reference is None else one.reference.kappa
    return -2.0 if kappa.value is None else kappa.value


def _appraiser_row(one: Appraiser) -> list[str]:
    row = [one.name, share_text(one.consistent), kappa_text(one.within)]
    if one.reference is not None:
        row += [share_text(one.reference.correct), kappa_text(one.reference.kappa)]
    return row


def _shown_block(agreement: Agreement, confidence: float) -> Iterator[Block]:
    against = agreement.together.reference
    if against is None:
        return
    kinds = (
        ("defective parts missed", against.missed, against.missed_pictures),
        ("good parts rejected", against.false_alarms, against.false_alarm_pictures),
    )
    rows = []
    for name, share, (count, pictures) in kinds:
        if share.total:
            shown = rate_shown(share.count, share.total, confidence)
            rows.append([name, f"{count} of {pictures}", share_text(share), f"at most {percent(shown)}"])
    needed = ", ".join(f"{parts_needed(rate, confidence):,} for {percent(rate)}" for rate in RATES[1:5])
    notes = [
        "a part counts if any of its pictures was judged wrongly",
        f"so many parts without a mistake show a rate: {needed} (`iad study parts`)",
    ]
    header = ("errors", "pictures", "parts, at least once", f"shown with {percent(confidence)} confidence")
    yield Block("Errors, and what is shown", header, rows, notes)


def _nuisance_block(found: Sequence[Nuisance]) -> Block:
    rows = [
        [one.name, *map(str, (one.pictures, one.to_rejected, one.to_passed)), _times(one.typical), _times(one.largest)]
        for one in found
    ]
    header = ("change of the picture", "pictures", "now rejected", "now passed", "typical", "largest")
    notes = ["typical, largest: change of the score over its distance to the threshold; from 100 % it may flip"]
    return Block("Verdicts under changes that are no defect", header, rows, notes)


def _times(share: float) -> str:
    return "on the threshold" if isinf(share) else f"{100 * share:.0f} %"
