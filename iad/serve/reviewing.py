"""What operators overruled, as a new bundle: good parts that were rejected join it, bad ones that passed try it.

**What calibrates.** Overruled parts were chosen for their scores, so they cannot stand for parts as they come: a
threshold that is calibrated with them would be of odd parts, and too high. They join the memory bank alone, and the
pictures that calibrated before calibrate again, each as if it were not in the bank. These were drawn before any of
the parts came. The bank depends on them through one number, the old threshold, by which the parts were chosen; so the
promise of the new threshold is nearly that of the old one, and no longer proven: the bundle says "about".
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from iad.bundles.extend import Added, add_pictures
from iad.bundles.predictor import Predictor
from iad.bundles.verdict import Verdict
from iad.data.pictures import PictureFile, find
from iad.errors import IadError
from iad.serve.entries import Choice, Entry
from iad.serve.log import VerdictLog
from iad.serve.rejudging import Pair, by_bundle, changed_lines, pictures_of, wrong_lines
from iad.words import counted, named

GOOD, BAD = "good", "bad"
"""What operators say, and the folders of an acceptance set."""


@dataclass(frozen=True)
class Overruled:
    """Parts of one bundle whose verdicts operators call wrong.

    Attributes:
        false_alarms: good parts that were rejected.
        escapes: bad parts that passed: known defects.
        files: their pictures, by the numbers of their verdicts, as far as they are found.
    """

    false_alarms: list[Entry]
    escapes: list[Entry]
    files: dict[int, PictureFile]

    def found(self, entries: Sequence[Entry]) -> list[PictureFile]:
        """Pictures of some of them."""
        return [self.files[one.number] for one in entries if one.number in self.files]


@dataclass(frozen=True, eq=False)
class Proposal:
    """A new bundle, and what it would change.

    Attributes:
        added: the bundle, and which pictures joined it.
        log: parts of the log, judged by both; without pictures of the new bundle.
        known: known defects, judged by both.
        accepted: pictures of the acceptance set, judged by both.
    """

    added: Added
    log: list[Pair]
    known: list[Pair]
    accepted: list[Pair]


def overruled(log: VerdictLog, bundle: str, folders: Sequence[Path]) -> Overruled:
    """What operators overruled of a bundle's verdicts.

    Args:
        log: the log.
        bundle: its SHA-256.
        folders: where pictures lie, beside the places that the log knows.

    Raises:
        IadError: if nothing was overruled, or a folder is not there.
    """
    spoken = [one for one in log.entries(Choice(bundle=bundle, spoken=True)) if one.rejected is not None]
    false_alarms = [one for one in spoken if one.rejected and one.word == GOOD]
    escapes = [one for one in spoken if not one.rejected and one.word == BAD]
    if not false_alarms and not escapes:
        raise IadError(f"{log.path}: operators overruled no verdict of this bundle; `iad log say` writes what they say")
    return Overruled(false_alarms, escapes, pictures_of([*false_alarms, *escapes], folders))


def propose(
    predictor: Predictor, found: Overruled, entries: Sequence[Entry], folders: Sequence[Path], log: Path,
    acceptance: Path | None = None,
) -> Proposal:  # fmt: skip
    """A bundle that knows the overruled good parts, and what it would change.

    Args:
        predictor: the bundle as it is.
        found: what was overruled.
        entries: verdicts of this bundle that are judged again.
        folders: as in `overruled`.
        log: for refusals.
        acceptance: a folder with the folders good and bad.

    Raises:
        IadError: if no picture of an overruled good part is found, the method takes none, or there is no such folder.
    """
    files = found.found(found.false_alarms)
    if not files:
        raise IadError(f"{log}: no picture of a good part that was rejected is found; name folders (--pictures)")
    added = add_pictures(predictor, files, calibrating=False)
    if not added.new:
        raise IadError(f"{predictor.origin}: has all {counted(len(files), 'picture')} of overruled good parts already")
    new = Predictor(added.bundle, origin="the new bundle")
    new.warn = lambda _: None
    pairs, _ = by_bundle(entries, new, folders, log)
    known = _judged_by_both(found.found(found.escapes), BAD, predictor, new)
    return Proposal(added, pairs, known, [] if acceptance is None else _accepted(acceptance, predictor, new))


def keep_defects(found: Overruled, acceptance: Path) -> list[Path]:
    """Copy known defects into an acceptance set, each under the beginning of its SHA-256 and its name.

    Raises:
        IadError: if one cannot be written.
    """
    kept = []
    for one in found.escapes:
        if one.number not in found.files:
            continue
        place = acceptance / BAD / f"{one.sha256[:12]}-{Path(one.image_id).name}"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                shutil.copyfile(found.files[one.number].path, place)
                kept.append(place)
        except OSError as error:
            raise IadError(f"{place}: cannot be written ({error.strerror}); name another --acceptance") from None
    return kept


def proposal_lines(predictor: Predictor, found: Overruled, proposal: Proposal) -> Iterator[str]:
    """What was overruled, what the new bundle is, and what it would change, in lines."""
    every = [*found.false_alarms, *found.escapes]
    for title, some in (("good parts were rejected", found.false_alarms), ("bad parts passed", found.escapes)):
        yield f"{len(some)} {title}, as operators say{': ' if some else ''}{named([one.image_id for one in some])}"
    if missing := [one.image_id for one in every if one.number not in found.files]:
        yield f"{len(missing)} without a picture that is found: {named(missing)}"
    added, old = proposal.added, predictor.bundle
    if left := [*added.known, *added.near]:
        yield f"{len(left)} left out, which the bundle has, or nearly: {named(left)}"
    yield f"{counted(len(added.new), 'picture')} would join the bundle, {len(added.bundle.pictures):,} then"
    same = counted(len(old.calibration.scores), "picture")
    yield (
        f"the same {same} calibrate as before, since overruled parts were chosen for their scores: "
        f"threshold {old.threshold.value:.4f} -> {added.bundle.threshold.value:.4f}"
    )
    yield f"promise: {added.bundle.threshold.guarantee}"
    if proposal.log:
        yield from changed_lines(proposal.log, "by the new bundle")
    for title, pairs in (("known defects", proposal.known), ("acceptance set", proposal.accepted)):
        yield from (f"{title}: {line}" for line in wrong_lines(pairs))


def _accepted(folder: Path, old: Predictor, new: Predictor) -> list[Pair]:
    places = {word: folder / word for word in (GOOD, BAD) if (folder / word).is_dir()}
    if not places:
        raise IadError(f"{folder}: no folder good or bad in it; put pictures of such parts there (--acceptance)")
    return [pair for word, place in places.items() for pair in _judged_by_both(find(place), word, old, new)]


def _judged_by_both(files: Sequence[PictureFile], word: str, old: Predictor, new: Predictor) -> list[Pair]:
    """Verdicts of both bundles on pictures of which it is known what they are; without those that either is made of."""
    verdicts = (list(one.predict(files, maps=False, errors="return")) for one in (old, new))
    return [_pair(before, after, word) for before, after in zip(*verdicts, strict=True) if _says(before, after)]


def _says(*verdicts: Verdict) -> bool:
    return all(one.rejected is not None and not one.known for one in verdicts)


def _pair(before: Verdict, after: Verdict, word: str) -> Pair:
    return Pair(before.name, 0, word, bool(before.rejected), bool(after.rejected), after.pred_score)
