"""`iad review`: what operators overruled, as a new bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iad.commands.bundle import Device, File, Force, Weights
from iad.commands.log import Log, Pictures
from iad.errors import IadError


def review(
    file: File,
    log: Log = Path("verdicts.db"),
    pictures: Pictures = None,
    acceptance: Annotated[
        Path | None, typer.Option(help="A folder with the folders good and bad, on which both bundles are tried.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Copy known defects to the folder bad of --acceptance.")] = False,
    last: Annotated[int, typer.Option(min=1, help="So many parts of the log are judged again, from its end.")] = 500,
    out: Annotated[Path | None, typer.Option(help="Write the new bundle to this file; without it, none.")] = None,
    force: Force = False,
    weights: Weights = "",
    device: Device = "auto",
) -> None:
    """Propose a bundle that knows the good parts which it rejected, as operators say, and show what it would change.

    Nothing is written but with --out or --keep. The bundle as it is stays; `iad promote` puts the new one to work.
    """
    from iad.bundles.bundle import read_bundle, require_verdicts, write_bundle
    from iad.bundles.predictor import Predictor
    from iad.commands._shown import show_lines
    from iad.commands.bundle import require_bundle_file
    from iad.serve.entries import Choice
    from iad.serve.log import VerdictLog
    from iad.serve.reviewing import keep_defects, overruled, proposal_lines, propose

    if keep and acceptance is None:
        raise IadError("--keep without a folder to copy to; name --acceptance")
    if out is not None:
        require_bundle_file(out, inputs=[file, log], force=force)
    found, digest = read_bundle(file)
    require_verdicts(found, str(file))
    with VerdictLog(log, create=False) as kept:
        wrong = overruled(kept, digest, pictures or [])
        entries = list(kept.entries(Choice(bundle=digest), last=last))
    if keep and acceptance is not None:
        show_lines(f"{place}: a known defect" for place in keep_defects(wrong, acceptance))
    predictor = Predictor(found, origin=str(file), device=device, weights=weights)
    proposal = propose(predictor, wrong, entries, pictures or [], log, acceptance)
    show_lines(proposal_lines(predictor, wrong, proposal))
    if out is not None:
        write_bundle(out, proposal.added.bundle)
        show_lines([f"{out}: written; `iad serve` or `iad watch` with --shadow {out} tries it beside the other"])
