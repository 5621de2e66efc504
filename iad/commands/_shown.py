"""What `iad bundle`, `iad predict`, `iad watch` and `iad log` print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iad.bundles.likeness import TOPICS
from iad.decision.ranks import decides
from iad.progress import say
from iad.words import as_text, counted, named, of_them, printable

if TYPE_CHECKING:  # these import what computes, which `iad bundle show` does not need
    from iad.bundles.bundle import Bundle
    from iad.bundles.extend import Added
    from iad.bundles.verdicts import Inspection
    from iad.decision.promises import Threshold
    from iad.serve.entries import Entry


def show_lines(lines: Iterable[str]) -> None:
    r"""Print lines, each as one whatever names are in it.

    >>> show_lines(["a\x1b[2Jb.png"])
    a?[2Jb.png
    """
    for line in lines:
        say(printable(line))


def bundle_lines(path: Path, bundle: Bundle, digest: str) -> Iterator[str]:
    """What is in a bundle, a line each."""
    values, origin = bundle.packed[0], bundle.origin
    threshold, maps, kept = bundle.threshold, bundle.maps, bundle.calibration.kept
    versions = ", ".join(f"{name} {version}" for name, version in origin.versions.items())
    whose = Path(origin.category)  # of `iad.fit` the folder, which may have been of another computer
    shown = whose.name if whose.is_absolute() else origin.category
    pictures = f"{len(bundle.pictures):,} good, {origin.source}/{shown}"
    calibrating = f"{bundle.calibration.scheme} of {counted(threshold.n_calibration, 'good picture')}"
    size = sum(array.nbytes for array in kept.values()) / 1e6
    rows = [
        ("bundle", f"{path} ({path.stat().st_size / 1e6:.1f} MB), method {bundle.method}"),
        ("detector", f"{values['detector']}: {_options(values['options'])}"),
        *(("member", f"{name}, {one['detector']}: {_options(one['options'])}") for name, one in _members(values)),
        *_decided(values),
        ("pictures", f"{pictures}, {bundle.pictures.fingerprint()[:12]}"),
        ("taken", "; ".join(tell(bundle.pictures.looks) for tell in TOPICS.values())),
        ("input", str(bundle.preprocess.image_size)),
        *(("backbone", _backbone(one, inside=reads in bundle.weights)) for reads, one in bundle.embedders.items()),
        ("threshold", f"{_threshold(threshold)}, {calibrating}"),
        ("promise", threshold.guarantee),
        *(("warning", text) for text in threshold.warnings),
        *(("warning", text) for text in bundle.calibration.doubts(bundle.method, threshold.value)),
        *([("maps", f"red from {maps.red:.4f} on: {maps.promise}")] if maps else []),
        *([("warning", f"maps: {maps.warning}")] if maps and maps.warning else []),
        *([("kept", f"{', '.join(kept)} of these pictures, for add and merge ({size:.1f} MB)")] if kept else []),
        ("made by", f"iad {origin.iad} at {origin.revision or 'no revision'}; {versions}"),
        ("sha256", digest),
    ]  # fmt: skip
    return (f"{name:<10} {text}" for name, text in rows)


def added_lines(path: Path, before: Bundle, result: Added) -> Iterator[str]:
    """What adding pictures changed."""
    if result.known:
        yield f"{len(result.known)} left out, which the bundle knows already: {named(result.known)}"
    if result.near:
        yield f"{len(result.near)} left out, nearly the same as one that it has or takes in: {named(result.near)}"
    if not result.new:
        yield f"{path}: nothing to add; the bundle holds {counted(len(before.pictures), 'picture')} as before"
        return
    if result.suspects:
        names = named(result.suspects)
        yield f"look at {len(result.suspects)} that the bundle would have rejected, and now counts as good: {names}"
    if result.close:
        who = of_them(len(result.close), len(result.new), "picture is", "pictures are")
        yield (
            f"warning: {who} closer to the bundle than its own good pictures are to each other: {named(result.close)}; "
            "if these are parts that it has, taken or cut again, leave them out: the threshold is too low with them"
        )
    yield from (f"warning: {line}" for line in result.unlike)
    old, new = before.threshold, result.bundle.threshold
    yield f"{path}: {counted(len(result.new), 'picture')} added, {len(result.bundle.pictures):,} now"
    before_it, now = (f"{one.value:.4f}" if decides(one) else "none" for one in (old, new))
    yield f"threshold {before_it} -> {now}; {new.guarantee}"
    yield from (f"warning: {line}" for line in result.bundle.calibration.doubts(before.method, new.value))


def verdict_lines(found: Inspection, *, table: bool) -> Iterator[str]:
    """Score and verdict of each picture, where wanted, and how many are rejected."""
    read = [one for one in found.verdicts if not one.error]
    if table and read:
        kinds = any(one.kind for one in read)
        rows = [
            (
                printable(one.name),
                one.said,
                *([one.kind] if kinds else []),
                f"{one.pred_score:.4f}",
                f"{one.p_value:.4f}",
            )
            for one in read
        ]
        header = ("picture", "verdict", *(["kind"] if kinds else []), "score", "p")
        yield from as_text(header, rows).split("\n")
        yield ""
    yield from (f"not read: {one.error}" for one in found.verdicts if one.error)
    yield from (f"no overlay: {why}" for why in found.undrawn)
    if known := [one.name for one in read if one.known]:
        was = "is a picture" if len(known) == 1 else "are pictures"
        yield f"{len(known)} {was} that the bundle was made of, so the verdict says nothing: {named(known)}"
    yield from (f"warning: {line}" for line in found.unlike)
    missing = f", {unread} not read" if (unread := len(found.verdicts) - len(read)) else ""
    if read and found.open:
        yield f"{found.open}{missing}"
    elif read:
        rejected = sum(bool(one.rejected) for one in read)
        yield f"{rejected} of {len(read)} rejected (score >= {found.threshold:.4f}){missing}"
    else:
        yield f"nothing inspected: {counted(unread, 'picture')} not read"


def entry_line(entry: Entry, *, json: bool = False) -> str:
    """A verdict of the log in a line: its time here, verdict, picture, score, and what an operator said.

    >>> from iad.serve.entries import Entry
    >>> NOON = "2026-11-27T12:00:00Z"
    >>> entry_line(Entry("a.png", "", "", 0, 0, "", "", "vit", 0.75, 0.002, 0.5, True, "", 0.1, NOON))
    '...  rejected  a.png  score 0.7500 (>= 0.5000)  p 0.0020'
    >>> entry_line(Entry("a.png", "", "", 0, 0, "", "", "vit", 0.2, 0.9, 0.5, False, "", 0.1, NOON, known=True))
    '...  passed    a.png  score 0.2000 (< 0.5000)  p 0.9000  the bundle was made of this picture, so this says nothing'
    """
    if json:
        return dumps(entry.record(), ensure_ascii=False, allow_nan=False)
    clock = datetime.fromisoformat(entry.time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    sign = ">=" if entry.rejected else "<"
    found = entry.error or f"score {entry.score:.4f} ({sign} {entry.threshold:.4f})  p {entry.p_value:.4f}"
    own = "  the bundle was made of this picture, so this says nothing" if entry.known else ""
    word = f"  an operator says: {entry.word}" if entry.word else ""
    return printable(f"{clock}  {entry.verdict:<8}  {entry.image_id}  {found}{own}{word}")


def _threshold(threshold: Threshold) -> str:
    return f"{threshold.value:.4f} ({threshold.strategy})" if decides(threshold) else "none"


def _members(values: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    members: Mapping[str, Mapping[str, Any]] = values["members"]
    return members.items()


def _decided(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Options whose value a detector has chosen itself, and why."""
    for whose, one in [("", values), *((f"{name}, ", one) for name, one in _members(values))]:
        if decided := one["state"].get("decided"):
            options = _options({name: value for name, value in decided.items() if name != "because"})
            yield "decided", f"{whose}{options}: {decided['because']}"


def _backbone(record: Mapping[str, Any], *, inside: bool) -> str:
    depth = "" if record["depth"] is None else f", cut to depth {record['depth']}"
    small = "" if record["quantize"] == "none" else f", {record['quantize']}"
    where = "inside this file" if inside else record["weights"]
    return f"{record['name']}{depth}{small}, weights {record['weights_sha256'][:12]} ({where}), {record['precision']}"


def _options(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
