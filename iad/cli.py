"""The command line: stages of the pipeline, then the user's commands. It parses and prints, and computes nothing.

A command is the function named like its module in `iad/stages` or `iad/commands`. These modules import what computes
only when they run, so that `iad --help` answers at once.
"""

from __future__ import annotations

import difflib
import errno
import io
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from iad.commands.bundle import app as bundle
from iad.commands.data import data
from iad.commands.explain import explain
from iad.commands.export import export
from iad.commands.gate import gate
from iad.commands.kinds import kinds
from iad.commands.log import app as log
from iad.commands.predict import predict
from iad.commands.preset import preset
from iad.commands.promote import promote
from iad.commands.results import results
from iad.commands.review import review
from iad.commands.rollback import rollback
from iad.commands.serve import serve
from iad.commands.study import app as study
from iad.commands.table import table
from iad.commands.tune import tune
from iad.commands.watch import watch
from iad.errors import IadError
from iad.stages.align import align
from iad.stages.download import download
from iad.stages.evaluate import evaluate
from iad.stages.extract import extract
from iad.stages.extract_resnet import extract_resnet
from iad.stages.extract_vit import extract_vit
from iad.stages.preprocess import preprocess
from iad.stages.report import report
from iad.stages.score import score
from iad.stages.threshold import threshold
from iad.stages.train_ae import train_ae
from iad.words import printable

STAGES = (
    download, preprocess, train_ae, extract_resnet, extract_vit, extract, score, align, threshold, evaluate, report,
)  # fmt: skip
"""In the order in which they run."""

COMMANDS = (
    data, explain, export, gate, kinds, predict, preset, promote, results, review, rollback, serve, table, tune, watch,
)  # fmt: skip
GROUPS = {"bundle": bundle, "log": log, "study": study}
"""Commands that have commands of their own."""

INTERRUPTED = 130
CLOSE = 0.7  # from 0 to 1: so much alike are an unknown option and one that is proposed for it

UsageError: Any = typer.BadParameter.__bases__[0]  # Typer brings its own copy of Click in some releases


class InOrder(TyperGroup):
    """Lists stages as they run, then the user's commands by name."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # the signature is Click's
        """Typer would list groups of commands last."""
        stages = [stage.__name__ for stage in STAGES]
        return [*stages, *sorted(set(self.commands) - set(stages))]


app = typer.Typer(
    cls=InOrder, add_completion=False, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
for stage in STAGES:
    app.command(stage.__name__, rich_help_panel="Stages of the pipeline (dvc repro runs them)")(stage)
for command in COMMANDS:
    app.command(command.__name__, rich_help_panel="Commands")(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name, rich_help_panel="Commands")


@app.callback()
def iad() -> None:
    """Find the bad parts, given only pictures of good ones."""


def main() -> None:
    """Run the command line; a refusal is one line on standard error and exit code 1, or 2 for wrong usage."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a console that cannot show a picture's name shows a replacement
        sys.stdout.reconfigure(errors="replace")
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="iad", standalone_mode=False)
    except IadError as error:
        _refuse(str(error), 1)
    except UsageError as error:
        _keep_close(error)
        name = error.ctx.command_path if error.ctx else "iad"
        _refuse(f"{error.format_message().rstrip('.')}. See `{name} --help`.", 2)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _refuse("the disk is full; free some space and run the command again", 1)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # Typer turns Ctrl-C into this code
        _refuse("interrupted; the same command starts this step again, and `dvc repro` keeps the finished ones", code)
    sys.exit(code or 0)


def _keep_close(error: Any) -> None:
    """Of the options that Typer proposes for an unknown one, keep those that resemble it."""
    if given := getattr(error, "option_name", ""):
        error.possibilities = difflib.get_close_matches(given, error.possibilities or (), cutoff=CLOSE)


def _refuse(line: str, code: int) -> NoReturn:
    print(f"iad: {printable(line)}", file=sys.stderr)
    sys.exit(code)
