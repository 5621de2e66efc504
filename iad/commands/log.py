"""`iad log`: what was said of parts, and what operators said of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from iad.commands.bundle import Device, Weights
from iad.errors import IadError

if TYPE_CHECKING:
    from iad.serve.entries import Choice

Log = Annotated[Path, typer.Option(help="The verdict log.")]

Pictures = Annotated[
    list[Path] | None,
    typer.Option(help="A folder with pictures that are no longer where they came; may be given several times."),
]

app = typer.Typer(add_completion=False, no_args_is_help=True)

FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
Since = Annotated[datetime | None, typer.Option(formats=FORMATS, help="No earlier ones; a day or a time here.")]
Until = Annotated[datetime | None, typer.Option(formats=FORMATS, help="Only earlier ones.")]
Kind = Annotated[
    Literal["passed", "rejected", "unread"] | None, typer.Option("--verdict", help="Only those of this verdict.")
]
Of = Annotated[str, typer.Option("--bundle", help="Only those by this bundle: the beginning of its SHA-256.")]
Name = Annotated[str, typer.Option(help="Only pictures with this in their name.")]
Spoken = Annotated[bool, typer.Option("--spoken", help="Only those of which an operator said something.")]


@app.callback()
def log() -> None:
    """Show, export and judge anew what is in a verdict log; write what an operator says of a part."""


@app.command()
def show(
    log: Log = Path("verdicts.db"), since: Since = None, until: Until = None, verdict: Kind = None, bundle: Of = "",
    name: Name = "", spoken: Spoken = False,
    last: Annotated[int, typer.Option(min=0, help="So many at most, from the end; 0: all.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="As JSON, one verdict per line.")] = False,
) -> None:  # fmt: skip
    """Print verdicts in the order in which they were given."""
    from iad.commands._shown import entry_line
    from iad.progress import say
    from iad.serve.log import VerdictLog

    with VerdictLog(log, create=False) as kept:
        for entry in kept.entries(_choice(since, until, verdict, bundle, name, spoken=spoken), last=last):
            number = "" if json else f"{entry.number:>6}  "
            say(f"{number}{entry_line(entry, json=json)}")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="A table: .csv, .jsonl or .parquet.", show_default=False)],
    log: Log = Path("verdicts.db"), since: Since = None, until: Until = None, verdict: Kind = None, bundle: Of = "",
    name: Name = "", spoken: Spoken = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the table if it is there already.")] = False,
) -> None:  # fmt: skip
    """Write verdicts to a table."""
    from iad.bundles.outputs import require_file
    from iad.bundles.verdicts import TYPES, require_kind, write_records
    from iad.progress import say
    from iad.serve.log import VerdictLog
    from iad.serve.tables import COLUMNS, rows_of
    from iad.words import counted

    require_kind(out)
    require_file(out, inputs=[log], force=force)
    with VerdictLog(log, create=False) as kept:
        rows = rows_of(kept.entries(_choice(since, until, verdict, bundle, name, spoken=spoken)))
    write_records(out, rows, COLUMNS, TYPES)
    say(f"{out}: {counted(len(rows), 'verdict')}")


@app.command()
def judge(
    threshold: Annotated[
        float | None, typer.Argument(help="Parts with at least this score are rejected.", show_default=False)
    ] = None,
    by: Annotated[Path | None, typer.Option(help="Another bundle that judges, in place of a threshold.")] = None,
    pictures: Pictures = None,
    log: Log = Path("verdicts.db"), since: Since = None, until: Until = None, bundle: Of = "", name: Name = "",
    last: Annotated[int, typer.Option(min=0, help="So many at most, from the end; 0: all.")] = 0,
    weights: Weights = "",
    device: Device = "auto",
) -> None:  # fmt: skip
    """Say what another threshold, or another bundle, would have done to the parts in the log. It changes nothing."""
    from iad.bundles.bundle import require_verdicts
    from iad.bundles.predictor import load
    from iad.commands._shown import show_lines
    from iad.serve.log import VerdictLog
    from iad.serve.rejudging import by_bundle, by_threshold, changed_lines

    if (threshold is None) is (by is None):
        raise IadError("give a threshold, or a bundle (--by), that judges anew")
    with VerdictLog(log, create=False) as kept:
        entries = list(kept.entries(_choice(since, until, None, bundle, name), last=last))
    if by is None:
        show_lines(changed_lines(by_threshold(entries, float(threshold or 0), log), f"from {threshold:.4f} on"))
        return
    inspector = load(by, device=device, weights=weights)
    require_verdicts(inspector.bundle, str(by))
    pairs, missing = by_bundle(entries, inspector, pictures or [], log)
    if missing:
        show_lines([f"{missing} left out: no picture found or read, or one that {by} was made of"])
    show_lines(changed_lines(pairs, f"by {by}"))


@app.command()
def drift(
    log: Log = Path("verdicts.db"), bundle: Of = "",
    again: Annotated[str, typer.Option(help="Begin a new test, and say why: what was mended, for example.")] = "",
) -> None:  # fmt: skip
    """Say whether parts are still like the good pictures of their bundle, so that its promise holds.

    An alarm stays until a new test is begun.
    """
    from iad.commands._shown import show_lines
    from iad.serve.drift.monitor import followed
    from iad.serve.drift.report import standing_lines
    from iad.serve.log import VerdictLog

    with VerdictLog(log, create=False) as kept:
        for monitor in followed(kept, bundle, again=again):
            monitor.catch_up()
            show_lines(standing_lines(monitor))


@app.command()
def shadow(
    log: Log = Path("verdicts.db"),
    bundle: Annotated[
        str, typer.Option("--bundle", help="The beginning of its SHA-256; without it, the last one.")
    ] = "",
) -> None:
    """Say what a bundle would have done that judged the same parts without a say."""
    from iad.commands._shown import show_lines
    from iad.serve.log import VerdictLog
    from iad.serve.rejudging import changed_lines
    from iad.serve.shadow import shadow_pairs

    with VerdictLog(log, create=False) as kept:
        sha256, pairs = shadow_pairs(kept, bundle)
    show_lines(changed_lines(pairs, f"by the shadow {sha256[:12]}"))


@app.command("say")
def speak(
    number: Annotated[
        int,
        typer.Argument(help="Of the verdict, as `iad log show` prints it.", min=1, max=2**63 - 1, show_default=False),
    ],
    word: Annotated[Literal["good", "bad"], typer.Argument(help="What the part is.", show_default=False)],
    log: Log = Path("verdicts.db"),
    by: Annotated[str, typer.Option(help="Who says so.")] = "",
) -> None:
    """Write what an operator says of a part, beside its verdict, which stays as it was."""
    from iad.commands._shown import entry_line
    from iad.progress import say
    from iad.serve.entries import Choice
    from iad.serve.log import VerdictLog

    with VerdictLog(log, create=False) as kept:
        kept.say(number, word, speaker=by)
        say(entry_line(next(iter(kept.entries(Choice(after=number - 1))))))


def _choice(
    since: datetime | None, until: datetime | None, verdict: str | None, bundle: str, name: str, *, spoken: bool = False
) -> Choice:
    from iad.serve.entries import Choice

    return Choice(since, until, verdict or "", bundle, name, spoken=spoken)
