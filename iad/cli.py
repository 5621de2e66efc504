"""The command line: one command per module of `iad/stages` and `iad/commands`, loaded when it is asked for.

A module `stages/score.py` holds a function `score`, whose signature and docstring are the command's interface. A module
of several commands, as `commands/bank.py`, holds their `app` too. So a new command needs no line here, and `iad --help`
imports none of the heavy packages.
"""

from __future__ import annotations

import ast
import errno
import importlib
import sys
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from iad.errors import IadError

STAGE_ORDER = (
    "download", "preprocess", "train_ae", "extract_resnet", "extract_vit", "score", "align", "threshold",
    "evaluate",
)  # fmt: skip
PANELS = {"stages": "Stages of the pipeline (dvc repro runs them)", "commands": "Commands"}
PACKAGE = Path(__file__).parent
INTERRUPTED = 130


UsageError: Any = typer.BadParameter.__bases__[0]  # Typer brings its own copy of Click in some releases


class LazyGroup(TyperGroup):
    """A group whose commands are the modules of `iad/stages` and `iad/commands`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.rooms = {name: room for room in PANELS for name in _modules(room)}
        self.commands = {name: _describe(room, name) for name, room in self.rooms.items()}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # the signature is Click's
        """Stages in the order in which they run, then the user's commands by name."""
        return list(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the module of the one command that is going to run."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, _load(self.rooms[str(name)], str(name)), rest


app = typer.Typer(
    cls=LazyGroup, add_completion=False, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


@app.callback()
def iad() -> None:
    """Find the bad parts, given only pictures of good ones."""


def main() -> None:
    """Run the command line; a refusal is one line on standard error and exit code 1, or 2 for wrong usage."""
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="iad", standalone_mode=False)
    except IadError as error:
        _refuse(str(error), 1)
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "iad"
        _refuse(f"{error.format_message().rstrip('.')}. See `{command} --help`.", 2)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _refuse("the disk is full; free some space and run the command again", 1)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # Typer turns Ctrl-C into this code
        _refuse("interrupted; the same command starts this step again, and `dvc repro` keeps the finished ones", code)
    sys.exit(code or 0)


def _refuse(line: str, code: int) -> NoReturn:
    print(f"iad: {line}", file=sys.stderr)
    sys.exit(code)


def _modules(room: str) -> list[str]:
    names = [path.stem for path in (PACKAGE / room).glob("*.py") if not path.stem.startswith("_")]
    known = {name: place for place, name in enumerate(STAGE_ORDER)}
    return sorted(names, key=lambda name: (known.get(name, len(known)), name))


def _load(room: str, name: str) -> Any:
    module = importlib.import_module(f"iad.{room}.{name}")
    if hasattr(module, "app"):
        return typer.main.get_command(module.app)
    return _command(getattr(module, name), room, name)


def _describe(room: str, name: str) -> Any:
    # the help page needs the docstring only, and importing every module for it would cost seconds
    tree = ast.parse((PACKAGE / room / f"{name}.py").read_text(encoding="utf-8"))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)

    def described() -> None: ...

    described.__doc__ = ast.get_docstring(function)
    return _command(described, room, name)


def _command(function: Any, room: str, name: str) -> Any:
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name, rich_help_panel=PANELS[room])(function)
    return typer.main.get_command(single)
