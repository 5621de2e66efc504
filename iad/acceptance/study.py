"""A study from its pictures to what they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from iad.acceptance import Criteria
from iad.acceptance.agreement import Agreement, agreement
from iad.acceptance.criteria import Check, checks, verdict
from iad.acceptance.design import Design
from iad.acceptance.gauge import GRR, Gauge, gauge_rr
from iad.acceptance.nuisance import Nuisance, changed_verdicts
from iad.bundles.predictor import Predictor
from iad.bundles.verdict import Verdict
from iad.data.pictures import PictureFile
from iad.errors import IadError
from iad.progress import track
from iad.words import counted, named

Changed: TypeAlias = Literal["each", "first", "none"]

USUAL_PARTS = 10  # the manual's least number of parts
EACH_SIDE = 3  # sigmas of the gauge around the threshold within which a verdict may change on repetition


@dataclass(frozen=True, eq=False)
class Study:
    """What repeated pictures of the same parts say of a bundle.

    Attributes:
        design: the pictures.
        verdicts: of each, without maps, in the order of the design.
        gauge: of their scores.
        agreement: of their verdicts.
        nuisance: of changed pictures; empty where none were asked for.
        unsure: parts whose mean score is so near to the threshold that a repetition may change the verdict, by name.
        checks: each criterion.
        warnings: what a reader must know, a line each.
    """

    design: Design
    verdicts: tuple[Verdict, ...]
    gauge: Gauge
    agreement: Agreement
    nuisance: tuple[Nuisance, ...]
    unsure: tuple[str, ...]
    checks: tuple[Check, ...]
    warnings: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What the criteria come to."""
        return verdict(self.checks)


def run_study(
    predictor: Predictor, design: Design, criteria: Criteria, *, tolerance: float | None = None,
    changed: Changed = "each",
) -> Study:  # fmt: skip
    """Inspect the pictures of a design, and say what their scores and verdicts show.

    Args:
        predictor: the bundle.
        design: the pictures.
        criteria: what the bundle is held to.
        tolerance: width of what is allowed, in units of the score; None: no %tolerance.
        changed: which pictures are inspected in changed forms too: each, the first of each part, or none.

    Raises:
        IadError: if a picture cannot be read or the bundle was made of it, all scores are the same, or a criterion asks
            about a reference that the design does not have.
    """
    _require_reference(criteria, design)
    files = [one.file for one in design.takes]
    verdicts = _inspected(predictor, files)
    scores = np.array([one.pred_score for one in verdicts])
    rejected = np.array([bool(one.rejected) for one in verdicts])
    gauge = gauge_rr(scores, design.parts, design.operators, tolerance=tolerance)
    found = agreement(rejected, design.parts, design.operators, design.reference, criteria.confidence)
    again = _rows_to_change(design, changed)
    nuisance = changed_verdicts(predictor, [files[i] for i in again], [verdicts[i] for i in again]) if again else ()
    width = EACH_SIDE * gauge.components[GRR].sigma
    unsure = tuple(part for part, mean in gauge.means.items() if abs(mean - predictor.threshold) < width)
    looks = [(one.image_id, one.look) for one in verdicts if one.look]
    return Study(
        design, tuple(verdicts), gauge, found, nuisance, unsure, checks(criteria, gauge, found),
        (*_doubts(design), *predictor.likeness.lines(looks).values()),
    )  # fmt: skip


def _require_reference(criteria: Criteria, design: Design) -> None:
    asked = {"missed": criteria.missed, "false_alarms": criteria.false_alarms}
    option = next((name.replace("_", "-") for name, limit in asked.items() if limit is not None), None)
    if option and design.reference is None:
        raise IadError(f"--{option}: asks what the parts are, which the study does not say; add the column reference")


def _inspected(predictor: Predictor, files: Sequence[PictureFile]) -> list[Verdict]:
    predictor.warn = lambda _: None  # told on the sheet, of all pictures together
    title = f"inspecting with {predictor.method}"
    found = list(track(predictor.predict(files, maps=False), title, total=len(files)))
    if known := [one.name for one in found if one.known]:
        raise IadError(
            f"the bundle was made of {counted(len(known), 'picture')} of this study, so they show nothing: "
            f"{named(known)}; take other parts"
        )
    return found


def _rows_to_change(design: Design, changed: Changed) -> list[int]:
    if changed == "none":
        return []
    if changed == "each":
        return list(range(len(design.takes)))
    first: dict[str, int] = {}
    for row, part in enumerate(design.parts):
        first.setdefault(part, row)
    return sorted(first.values())


def _doubts(design: Design) -> list[str]:
    parts, reference = len(set(design.parts)), design.reference
    doubts = []
    if parts < USUAL_PARTS:
        doubts.append(f"{parts} parts: the manual asks for {USUAL_PARTS} at least, spread over what the line makes")
    if reference is not None and len(set(reference.tolist())) == 1:
        one = "defective" if reference[0] else "good"
        doubts.append(f"all parts are {one}: kappa with the reference, and half of the errors, cannot show")
    return doubts
