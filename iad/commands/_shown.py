"""What `iad bundle` and `iad predict` print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iad.words import as_text, named

if TYPE_CHECKING:  # these import what computes, which `iad bundle show` does not need
    from iad.bundle import Bundle
    from iad.extend import Added
    from iad.predictor import Verdict


def bundle_lines(path: Path, bundle: Bundle, digest: str) -> Iterator[str]:
    """What is in a bundle, a line each."""
    values, side = bundle.packed[0], bundle.preprocess["image_size"]
    origin, verdict = bundle.origin, bundle.threshold
    versions = ", ".join(f"{name} {version}" for name, version in origin["versions"].items())
    pictures = f"{len(bundle.pictures):,} good ones of {origin['source']}/{origin['category']}"
    rows = [
        ("bundle", f"{path} ({path.stat().st_size / 1e6:.1f} MB), method {bundle.method}"),
        ("detector", f"{values['detector']}: {_options(values['options'])}"),
        *(("member", _member(name, inner)) for name, inner in values["members"].items()),
        ("pictures", f"{pictures}, {bundle.pictures.fingerprint()[:12]}"),
        ("input", f"{side} x {side} px"),
        *(("backbone", _backbone(one, inside=reads in bundle.weights)) for reads, one in bundle.embedders.items()),
        ("threshold", f"{verdict['value']:.4f} ({verdict['strategy']}), from {verdict['n_calibration']} good pictures"),
        ("promise", verdict["guarantee"]),
        *([("maps", f"red from {bundle.maps['red']:.4f} on: {bundle.maps['promise']}")] if bundle.maps else []),
        *(("warning", text) for text in verdict["warnings"]),
        ("made by", f"iad {origin['iad']} at {origin['revision'] or 'no revision'}; {versions}"),
        ("sha256", digest),
    ]  # fmt: skip
    return (f"{name:<10} {text}" for name, text in rows)


def added_lines(path: Path, before: Bundle, result: Added) -> Iterator[str]:
    """What adding pictures changed."""
    if result.known:
        names = named([one.name for one in result.known])
        yield f"{len(result.known)} left out, which the bundle knows already: {names}"
    if not result.new:
        yield f"{path}: nothing to add; the bundle holds {len(before.pictures):,} pictures as before"
        return
    if result.suspects:
        names = named([one.name for one in result.suspects])
        yield f"look at {len(result.suspects)} that the bundle would have rejected, and now counts as good: {names}"
    old, new = before.threshold, result.bundle.threshold
    yield f"{path}: {len(result.new):,} added to {len(before.pictures):,} pictures"
    yield f"threshold {old['value']:.4f} -> {new['value']:.4f}; {new['guarantee']}"


def verdict_lines(verdicts: Sequence[Verdict], threshold: float, *, table: bool) -> Iterator[str]:
    """Score and verdict of each picture, where wanted, and how many are rejected."""
    read = [one for one in verdicts if not one.error]
    if table and read:
        rows = [
            (one.image_id, "rejected" if one.rejected else "passed", f"{one.pred_score:.4f}", f"{one.p_value:.4f}")
            for one in read
        ]
        yield as_text(("picture", "verdict", "score", "p"), rows)
        yield ""
    for one in verdicts:
        if one.error:
            yield f"not read: {one.error}"
    if known := [one.image_id for one in read if one.known]:
        yield f"{len(known)} are pictures that the bundle was made of, so their scores say nothing: {named(known)}"
    unread = len(verdicts) - len(read)
    missing = f", {unread} not read" if unread else ""
    yield f"{sum(one.rejected for one in read)} of {len(read)} rejected (score >= {threshold:.4f}){missing}"


def _backbone(record: Mapping[str, Any], *, inside: bool) -> str:
    depth = "" if record["depth"] is None else f", cut to depth {record['depth']}"
    small = "" if record["quantize"] == "none" else f", {record['quantize']}"
    where = "inside this file" if inside else record["weights"]
    precision = record["runtime"]["precision"]
    return f"{record['name']}{depth}{small}, weights {record['weights_sha256'][:12]} ({where}), {precision}"


def _member(name: str, values: Mapping[str, Any]) -> str:
    return f"{name}, {values['detector']}: {_options(values['options'])}"


def _options(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
