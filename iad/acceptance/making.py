"""A study from the files it reads to the files it writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from iad.acceptance import Criteria
from iad.acceptance.criteria import REFUSED
from iad.acceptance.design import Design, read_design
from iad.acceptance.sheet import Sheet, sheet_of
from iad.acceptance.study import Changed, Study, run_study
from iad.bundles.bundle import read_bundle, require_verdicts
from iad.bundles.outputs import require_file, weights_file
from iad.bundles.predictor import Predictor
from iad.bundles.verdicts import KINDS, encodable, write_records
from iad.errors import IadError
from iad.io import replacing

PAGES = {".html": "HTML", ".pdf": "PDF"}
COLUMNS = ("path", "part", "operator", "reference", "score", "rejected")
TYPES = {"rejected": "boolean", "operator": "str", "reference": "str"}


@dataclass(frozen=True)
class _Written:
    """An output, and what writes it."""

    path: Path
    write: Callable[[Sheet, Study], None]


def make_study(
    bundle: Path, pictures: Path, criteria: Criteria, *, outs: Sequence[Path] = (), tolerance: float | None = None,
    changed: Changed = "each", force: bool = False, weights: str = "", device: str = "auto",
) -> tuple[Sheet, bool]:  # fmt: skip
    """Study a bundle and write what is asked for; returns the page, and whether the bundle is accepted.

    Args:
        bundle: a file of `iad bundle`.
        pictures: a table or a folder, as `iad.acceptance.design.read_design` reads it.
        criteria: what the bundle is held to.
        outs: pages and tables, of which kind their suffixes say.
        tolerance: as in `iad.acceptance.study.run_study`.
        changed: as in `iad.acceptance.study.run_study`.
        force: whether outputs that are there already are replaced.
        weights: as in `iad.bundles.predictor.Predictor`.
        device: as in `iad.bundles.predictor.Predictor`.

    Raises:
        IadError: before anything is computed, if an input is not there or says nothing, or an output must not or cannot
            be written; later, as `run_study` does.
    """
    if tolerance is not None and not 0 < tolerance < float("inf"):
        raise IadError(f"--tolerance {tolerance:g}: a width is above 0, in units of the score")
    design = read_design(pictures)
    written = _require_outputs(outs, design, [bundle, pictures, *weights_file(weights)], force=force)
    content, digest = read_bundle(bundle)
    require_verdicts(content, str(bundle))
    predictor = Predictor(content, origin=str(bundle), device=device, weights=weights)
    study = run_study(predictor, design, criteria, tolerance=tolerance, changed=changed)
    day = date.today().isoformat()  # the day where it is signed
    sheet = sheet_of(study, content, name=bundle.name, digest=digest, criteria=criteria, day=day)
    for one in written:
        one.write(sheet, study)
    return sheet, study.verdict != REFUSED


def _require_outputs(outs: Sequence[Path], design: Design, inputs: Sequence[Path], *, force: bool) -> list[_Written]:
    files = [one for one in inputs if not one.is_dir()]  # a page may lie beside the folders of parts
    for number, out in enumerate(outs):
        if out.absolute() in [other.absolute() for other in outs[:number]]:
            raise IadError(f"{out}: named twice; name another file")
        if out.suffix.lower() not in PAGES | KINDS:
            known = ", ".join(PAGES | KINDS)
            raise IadError(f"{out}: what is '{out.suffix}'? The page is .html or .pdf, the table another of {known}")
        require_file(out, inputs=[*files, *(one.file.path for one in design.takes)], force=force)
    return [_Written(out, _writer(out)) for out in outs]


def _writer(out: Path) -> Callable[[Sheet, Study], None]:
    """What writes this kind; what it needs is looked for before anything is computed."""
    kind = out.suffix.lower()
    if kind not in PAGES:
        return lambda _, study: write_records(out, _rows(study), COLUMNS, TYPES)
    try:
        if kind == ".html":
            from iad.acceptance.page import as_html

            return lambda sheet, _: _write(out, as_html(sheet).encode())
        from iad.acceptance.pdf import as_pdf
    except ModuleNotFoundError as missing:
        raise IadError(f"{out}: a page needs the package {missing.name}; install iad[pipeline]") from None
    return lambda sheet, _: _write(out, as_pdf(sheet))


def _write(out: Path, content: bytes) -> None:
    with replacing(out) as part:
        part.write_bytes(content)


def _rows(study: Study) -> list[dict[str, Any]]:
    words = {None: None, True: "bad", False: "good"}
    return [
        {
            "path": encodable(take.file.path.as_posix()), "part": encodable(take.part),
            "operator": encodable(take.operator) if take.operator else None,
            "reference": words[take.bad], "score": one.pred_score, "rejected": one.rejected,
        }
        for take, one in zip(study.design.takes, study.verdicts, strict=True)
    ]  # fmt: skip
