"""The results here and those of a revision, side by side, method by method and picture by picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from iad import paths
from iad.config import Params
from iad.errors import IadError
from iad.gate.git import baseline, commits_behind, read_here, revision_files
from iad.gate.promise import Promise, promise_check
from iad.gate.results import MethodResults, Results, read_results
from iad.gate.rule import Check, compare, relabelled_check
from iad.metrics.confusion import Verdicts
from iad.words import counted, named

HERE = "the working tree"
PREFIXED_IDS = {"elpv"}  # sources whose picture ids name the category, so that categories may be compared
MOST_DRAWS, FEWEST_DRAWS, DRAWN_PICTURES = 1000, 200, 2_000_000  # less than a second of draws for all methods


@dataclass
class Comparison:
    """What two results tell: checks for the rule, and what can be said without a number.

    Attributes:
        revision: name of the revision, and its commit.
        methods: those with results here.
        pictures: number of test pictures here.
        checks: of all methods, for `iad.gate.rule.judge`.
        failures: lines that say why the results here cannot be accepted, whatever the checks say.
        notes: lines on what else differs.
        changed: lines that name the pictures whose verdict changed.
        unchanged: methods of which every score and verdict of the common pictures is the same.
        identical: whether all results are the same.
    """

    revision: str
    methods: tuple[str, ...]
    pictures: int
    checks: list[Check] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    identical: bool = True


def compare_with(revision: str, params: Params) -> Comparison:
    """Compare the results in the working tree with those of a Git revision.

    Args:
        revision: commit, branch, tag or experiment; empty for the main branch, see `iad.gate.git.baseline`.
        params: `params.yaml` of the working tree.

    Raises:
        IadError: if either holds no results, they cannot be read, or they are of different data sets.
    """
    name, commit = baseline(revision)
    with revision_files() as files:
        before = read_results(name, files.at(commit))
    found = compare_results(before, read_results(HERE, read_here), params)
    found.revision = f"{name} ({commit[:9]})"
    if behind := commits_behind(commit):
        found.notes.append(f"the checked-out branch lacks {counted(behind, 'commit')} of {name}; merge first")
    return found


def compare_results(before: Results, after: Results, params: Params) -> Comparison:
    """Compare two results method by method.

    Args:
        before: of the revision.
        after: of the working tree.
        params: of the working tree: its `methods`, `gate` and `seed`.

    Raises:
        IadError: if they are of different data sets.
    """
    _require_one_data_set(before, after)
    pictures = len(next(iter(after.methods.values())).scores)
    found = Comparison(before.name, tuple(after.methods), pictures)
    if changes := parameter_changes(before.settings, after.settings):
        found.notes.append(f"parameters that differ: {named(changes)}")
    if before.data_hash and after.data_hash and before.data_hash != after.data_hash:
        found.notes.append(f"{paths.LOCK} records other pictures or splits: pictures of one name may not be the same")
    for method in dict.fromkeys([*before.methods, *after.methods, *params.methods]):
        _compare_method(method, before, after, params, found)
    found.failures, found.notes = list(dict.fromkeys(found.failures)), list(dict.fromkeys(found.notes))
    return found


def parameter_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """`key: old -> new` for every value that both hold and that differs.

    >>> parameter_changes({"a.b": 1, "a.c": 2}, {"a.b": 5, "a.c": 2, "d": 3})
    ['a.b: 1 -> 5']
    """
    return [f"{key}: {before[key]} -> {after[key]}" for key in after if key in before and before[key] != after[key]]


def changed_verdicts(method: str, image_ids: np.ndarray, before: Verdicts, after: Verdicts) -> Iterator[str]:
    """Lines that name the pictures whose verdict changed, the worst first, by kind.

    Args:
        method: its name.
        image_ids: str `(N,)`.
        before: of the revision.
        after: of the same pictures in the same order, with the same labels.

    >>> before = Verdicts(np.array([0, 1, 1]), np.array([0.1, 0.8, 0.9]), np.array([False, True, True]))
    >>> after = Verdicts(np.array([0, 1, 1]), np.array([0.1, 0.4, 0.3]), np.array([False, False, False]))
    >>> list(changed_verdicts("vit", np.array(["a.png", "b.png", "c.png"]), before, after))
    ['vit: 2 new misses: c.png, b.png']
    """
    defective, differs = after.gt_label == 1, before.rejected != after.rejected
    kinds = {
        ("new miss", "new misses"): (defective & differs & before.rejected, 1),  # the least score is the worst miss
        ("new false alarm", "new false alarms"): (~defective & differs & after.rejected, -1),
        ("found now", "found now"): (defective & differs & after.rejected, -1),
        ("passed now", "passed now"): (~defective & differs & before.rejected, 1),
    }
    for (one, many), (chosen, sign) in kinds.items():
        rows = np.flatnonzero(chosen)
        if len(rows):
            ordered = rows[np.argsort(sign * after.pred_score[rows], kind="stable")]
            yield f"{method}: {counted(len(rows), one, many)}: {named(image_ids[ordered].tolist())}"


def _require_one_data_set(before: Results, after: Results) -> None:
    former, now = before.data_set, after.data_set
    if former[0] != now[0] or (former != now and now[0] not in PREFIXED_IDS):
        raise IadError(
            f"{before.name}: its pictures are {'/'.join(former)}, those here {'/'.join(now)}; "
            "compare with a revision of the same data set"
        )


def _compare_method(method: str, before: Results, after: Results, params: Params, found: Comparison) -> None:
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
    if Promise.of_record(now.threshold) is None:
        found.notes.append(f"{method}: its threshold records no promised false-alarm rate")
    check = promise_check(method, former, now, params.gate)
    found.checks += [check] if check else []


def _compare_pictures(
    method: str, former: MethodResults, now: MethodResults, name: str, params: Params, found: Comparison
) -> None:
    common = former.scores.index.intersection(now.scores.index, sort=True)
    before, after = former.scores.loc[common], now.scores.loc[common]
    same = (before["label"] == after["label"]).to_numpy()
    if not same.any():
        raise IadError(f"{name}: no test picture of {method} is here with the same label; compare one data set")
    if not same.all():
        differing = common[~same].tolist()
        found.notes.append(f"{counted(len(differing), 'label')} changed, left out of the tests: {named(differing)}")
        extra = relabelled_check(method, Verdicts.of_table(before), Verdicts.of_table(after), params.gate)
        found.checks += [extra] if extra else []
    _note_coverage(former, now, len(common), int(same.sum()), params.gate.common, found)
    paired, paired_now = Verdicts.of_table(before[same]), Verdicts.of_table(after[same])
    unchanged = paired.equals(paired_now)
    found.identical &= unchanged and len(former.scores) == len(now.scores) == same.sum()
    found.unchanged += [method] if unchanged else []
    draws = _draws(len(common) * 2 * len(params.methods))
    found.checks += compare(method, paired, paired_now, params.gate, draws=draws, seed=params.seed)
    found.changed += changed_verdicts(method, common[same].to_numpy(), paired, paired_now)


def _note_coverage(
    former: MethodResults, now: MethodResults, common: int, paired: int, least: float, found: Comparison
) -> None:
    gone, new = len(former.scores) - common, len(now.scores) - common
    if gone or new:
        found.notes.append(
            f"the test pictures differ: {gone} gone, {new} new; the tests compare the {counted(paired, 'common one')}"
        )
    if paired < least * len(former.scores):
        found.failures.append(
            f"of {counted(len(former.scores), 'test picture')} only "
            f"{counted(paired, 'with the same label is', 'with the same label are')} here, less than "
            f"gate.common = {least:g}: another test set"
        )


def _draws(pictures: int) -> int:
    return max(FEWEST_DRAWS, min(MOST_DRAWS, DRAWN_PICTURES // pictures))
