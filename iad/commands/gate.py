"""`iad gate`: is what lies in the working tree worse than the results of another Git revision?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import typer

from iad import paths
from iad.config import Params, load_params
from iad.errors import IadError
from iad.gate.baseline import baseline, commits_behind
from iad.gate.report import flips, parameter_changes, reasons, table
from iad.gate.revisions import read_here, revision_files
from iad.gate.rule import Check, Ruling, Tolerances, compare, judge, promise_check, relabelled_check
from iad.gate.snapshot import MethodResults, Snapshot, read_snapshot
from iad.progress import say
from iad.report.named import named

HERE = "the working tree"
PREFIXED_IDS = {"elpv"}  # sources whose picture ids name the category, so that categories may be compared
MOST_DRAWS, FEWEST_DRAWS, DRAWN_PICTURES = 1000, 200, 2_000_000  # less than a second of draws for all methods


@dataclass
class Comparison:
    """What two snapshots have told so far: checks, failures without a number, notes, and changed pictures."""

    checks: list[Check] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    flips: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    identical: bool = True


def gate(
    revision: Annotated[str, typer.Argument(help="Commit, branch, tag or experiment; default: the main branch.")] = "",
) -> None:
    """Compare the results here with those of a Git revision; exit with 1 if they are worse than chance explains."""
    params = load_params()
    name, commit = baseline(revision)
    with revision_files() as files:
        before = read_snapshot(name, files.at(commit))
    after = read_snapshot(HERE, read_here)
    found = compare_snapshots(before, after, params)
    if behind := commits_behind(commit):
        found.notes.append(f"the checked-out commit lacks {behind} of {name}'s; merge them first where results differ")
    failed = _tell(found, f"{name} ({commit[:9]})", after, params)
    if failed:
        raise typer.Exit(1)


def compare_snapshots(before: Snapshot, after: Snapshot, params: Params) -> Comparison:
    """Compare two snapshots method by method.

    Raises:
        IadError: if they are of different data sets.
    """
    _require_one_data_set(before, after)
    found = Comparison()
    if changes := parameter_changes(before.params, after.params):
        found.notes.append(f"parameters that differ: {named(changes)}")
    if before.data_hash and after.data_hash and before.data_hash != after.data_hash:
        found.notes.append(f"{paths.LOCK} records other pictures or splits: pictures of one name may not be the same")
    for method in dict.fromkeys([*before.methods, *after.methods, *params.methods]):
        _compare_method(method, before, after, params, found)
    found.failures, found.notes = list(dict.fromkeys(found.failures)), list(dict.fromkeys(found.notes))
    return found


def _require_one_data_set(before: Snapshot, after: Snapshot) -> None:
    former, now = (
        tuple(str(snapshot.params.get("data", {}).get(key)) for key in ("source", "category"))
        for snapshot in (before, after)
    )
    if former[0] != now[0] or (former != now and now[0] not in PREFIXED_IDS):
        raise IadError(
            f"{before.name}: its pictures are {'/'.join(former)}, those here {'/'.join(now)}; "
            "compare with a revision of the same data set"
        )


def _compare_method(method: str, before: Snapshot, after: Snapshot, params: Params, found: Comparison) -> None:
    former, now = before.methods.get(method), after.methods.get(method)
    if now is None:
        found.identical = False
        if method in params.methods:
            found.failures.append(f"{method}: listed in params.yaml, but without results here; run `dvc repro`")
        else:
            found.notes.append(f"{method}: has results at {before.name} and is no longer listed in params.yaml")
        return
    if contradiction := now.contradiction():
        found.failures.append(f"{method}: metrics and scores here are not of one run: {contradiction}; run `dvc repro`")
    if method not in params.methods:
        found.failures.append(f"{method}: has results here, but params.yaml does not list it; run `dvc repro`")
    if former is None:
        found.identical = False
        found.notes.append(f"{method}: new, nothing to compare with")
    else:
        _compare_pictures(method, former, now, before.name, params, found)
    _check_promise(method, former or now, now, params, found)


def _compare_pictures(
    method: str, former: MethodResults, now: MethodResults, name: str, params: Params, found: Comparison
) -> None:
    tolerances = tolerances_of(params)
    _, rows_before, rows_after = np.intersect1d(
        former.image_ids.astype(str), now.image_ids.astype(str), assume_unique=True, return_indices=True
    )
    shared, shared_now = former.pictures.at(rows_before), now.pictures.at(rows_after)
    same = shared.labels == shared_now.labels
    paired, paired_now, image_ids = shared.at(same), shared_now.at(same), now.image_ids[rows_after]
    if not same.any():
        raise IadError(f"{name}: no test picture of {method} is here with the same label; compare one data set")
    if not same.all():
        found.notes.append(
            f"{int((~same).sum())} labels differ, left out of the tests: {named(image_ids[~same].tolist())}"
        )
        extra = relabelled_check(method, shared, shared_now, tolerances)
        found.checks += [extra] if extra else []
    _note_coverage(former, now, len(rows_before), int(same.sum()), params.gate.common, found)
    unchanged = paired.equals(paired_now)
    found.identical &= unchanged and len(former.image_ids) == len(now.image_ids) == same.sum()
    found.unchanged += [method] if unchanged else []
    draws = _draws(len(image_ids) * 2 * len(params.methods))
    found.checks += compare(method, paired, paired_now, tolerances, draws=draws, seed=params.seed)
    found.flips += flips(method, image_ids[same], paired, paired_now)


def _note_coverage(
    former: MethodResults, now: MethodResults, shared: int, paired: int, least: float, found: Comparison
) -> None:
    gone, new = len(former.image_ids) - shared, len(now.image_ids) - shared
    if gone or new:
        found.notes.append(
            f"the test pictures differ: {gone} gone, {new} new; the tests compare the {paired} common ones"
        )
    if paired < least * len(former.image_ids):
        found.failures.append(
            f"only {paired} of {len(former.image_ids)} test pictures are here with the same label, less than "
            f"gate.common = {least:g}: another test set"
        )


def _check_promise(method: str, former: MethodResults, now: MethodResults, params: Params, found: Comparison) -> None:
    promised = now.threshold.get("promised_rate")
    if promised is None:
        found.notes.append(f"{method}: its threshold records no promised false-alarm rate")
        return
    check = promise_check(
        method, former.pictures, now.pictures, tolerances_of(params),
        promised_rate=promised, n_calibration=now.threshold.get("n_calibration"),
    )  # fmt: skip
    found.checks += [check] if check else []


def tolerances_of(params: Params) -> Tolerances:
    """The section `gate` of `params.yaml` as plain values."""
    chosen = params.gate
    return Tolerances(
        chosen.significance, chosen.tolerated.ranking, chosen.tolerated.verdicts,
        chosen.limit.ranking, chosen.limit.verdicts,
    )  # fmt: skip


def _draws(pictures: int) -> int:
    return max(FEWEST_DRAWS, min(MOST_DRAWS, DRAWN_PICTURES // pictures))


def _tell(found: Comparison, name: str, after: Snapshot, params: Params) -> bool:
    findings = judge(found.checks, params.gate.significance)
    failures = found.failures + reasons(findings, Ruling.FAIL)
    warnings = reasons(findings, Ruling.WARNING)
    pictures = len(next(iter(after.methods.values())).image_ids)
    state = "regression" if failures else "passed, with warnings" if warnings else "passed"
    say(f"### Gate: {state}\n\nThe working tree against {name}, {pictures} test pictures.")
    if not found.identical:
        found.notes += [f"{method}: every score and verdict is the same" for method in found.unchanged]
    else:
        say(f"\nIdentical: every score and verdict of {', '.join(after.methods)} is the same.")
    if not found.identical or failures:
        say(f"\n{table(findings)}")
    titled = {"Changed verdicts": found.flips, "Notes": found.notes, "Warnings": warnings, "Regressions": failures}
    for title, lines in titled.items():
        if lines:
            say(f"\n{title}:\n\n" + "\n".join(f"- {line}" for line in lines))
    return bool(failures)
