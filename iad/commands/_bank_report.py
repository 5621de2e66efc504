"""What `iad bank` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iad.io import write_csv
from iad.report.named import named
from iad.report.tables import as_text

if TYPE_CHECKING:  # these import PyTorch, which `iad bank show` does not need
    from iad.serving.bank_file import Bank
    from iad.serving.use import Added, Scored


def shown_lines(path: Path, bank: Bank, digest: str) -> Iterator[str]:
    """What is in a bank, a line each."""
    verdict, backbone = bank.verdict, bank.settings["backbone"]
    side, (height, width) = backbone["image_size"], bank.grid
    patches = f"{len(bank.rows):,} of {len(bank.pictures) * bank.per_picture:,}, {bank.patches.shape[1]} numbers each"
    rows = [
        ("bank", f"{path} ({path.stat().st_size / 1e6:.1f} MB), method {bank.settings['method']}"),
        ("pictures", f"{len(bank.pictures):,} good ones"),
        ("patches", f"{patches}, from {height} x {width} places"),
        ("backbone", _backbone(backbone)),
        ("input", f"{side} x {side} px"),
        ("features", _options(backbone["patches"])),
        ("score", _options(bank.settings["patch"])),
        ("threshold", f"{verdict['value']:.4f} ({verdict['strategy']}), from {verdict['n_calibration']} good pictures"),
        ("promise", verdict["guarantee"]),
        *(("warning", text) for text in verdict["warnings"]),
        ("sha256", digest),
    ]
    return (f"{name:<10} {text}" for name, text in rows)


def added_lines(path: Path, before: Bank, result: Added) -> Iterator[str]:
    """What adding pictures changed."""
    if result.known:
        names = named([one.name for one in result.known])
        yield f"{len(result.known)} left out, which the bank knows already: {names}"
    if not result.new:
        yield f"{path}: nothing to add; the bank holds {len(before.pictures):,} pictures as before"
        return
    if result.suspects:
        names = named([one.name for one in result.suspects])
        yield f"look at {len(result.suspects)} that the bank would have rejected, and now counts as good: {names}"
    after = result.bank
    yield f"{path}: {len(result.new):,} pictures added, {len(after.pictures):,} now, {len(after.rows):,} patches"
    yield f"threshold {before.verdict['value']:.4f} -> {after.verdict['value']:.4f}; {after.verdict['guarantee']}"


def scored_lines(bank: Bank, scored: Sequence[Scored], *, table: bool) -> Iterator[str]:
    """Score and verdict of each picture, where wanted, and how many are rejected."""
    if table:
        rows = [(str(one.found.path), "rejected" if one.rejected else "passed", f"{one.score:.4f}") for one in scored]
        yield as_text(("picture", "verdict", "score"), rows)
        yield ""
    if known := [str(one.found.path) for one in scored if one.known]:
        yield f"{len(known)} are pictures of the bank itself, so their scores say nothing: {named(known)}"
    rejected = sum(one.rejected for one in scored)
    yield f"{rejected} of {len(scored)} rejected (score >= {bank.verdict['value']:.4f})"


def write_scores(path: Path, scored: Sequence[Scored]) -> None:
    """Write score and verdict of each picture as CSV."""
    rows = [(one.found.path.as_posix(), one.score, int(one.rejected)) for one in scored]
    write_csv(path, ("picture", "score", "rejected"), rows)


def _backbone(record: Mapping[str, Any]) -> str:
    depth = "" if record["depth"] is None else f", cut to depth {record['depth']}"
    small = "" if record["quantize"] == "none" else f", {record['quantize']}"
    weights = f"weights {record['weights_sha256'][:12]} ({record['weights']})"
    return f"{record['name']}{depth}{small}, {weights}, {record['precision']}"


def _options(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
