"""Parts of a log judged anew, by another threshold or another bundle: pairs of verdicts on the same parts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from iad.data.pictures import PictureFile, find
from iad.errors import IadError
from iad.progress import track
from iad.serve.entries import Entry, Word
from iad.statistics.comparison import mcnemar
from iad.statistics.exact import clopper_pearson
from iad.words import counted, percent

if TYPE_CHECKING:
    from iad.bundles.predictor import Predictor

SHOWN = 20  # changed verdicts that are named
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Pair:
    """A part's verdict as it was, and as it would be.

    Attributes:
        name: of the part.
        number: of its verdict in the log; 0 of a picture of another place.
        word: what an operator said of it: "good" or "bad"; empty if nothing.
        before: whether it was rejected.
        after: whether it would be.
        score: that it would have, higher = more anomalous.
    """

    name: str
    number: int
    word: Word | str
    before: bool
    after: bool
    score: float


def by_threshold(entries: Iterable[Entry], threshold: float, log: Path) -> list[Pair]:
    """What another threshold would have done.

    Args:
        entries: verdicts of one bundle.
        threshold: parts with at least this score are rejected.
        log: for refusals.

    Raises:
        IadError: if the threshold is no number, there is no verdict, or there are those of several bundles, whose
            scores cannot be compared.
    """
    if not math.isfinite(threshold):
        raise IadError(f"threshold {threshold}: give a number")
    read = _read(entries, log)
    if len(bundles := {one.bundle for one in read}) > 1:
        names = ", ".join(sorted(one[:12] for one in bundles))
        raise IadError(f"{log}: verdicts of {len(bundles)} bundles ({names}), whose scores differ; name one (--bundle)")
    return [_pair(one, one.score or 0.0, after=(one.score or 0.0) >= threshold) for one in read]


def by_bundle(
    entries: Iterable[Entry], predictor: Predictor, folders: Sequence[Path], log: Path
) -> tuple[list[Pair], int]:
    """What another bundle would have done, to the parts whose pictures are found.

    A picture that this bundle was made of is left out, since its verdict would say nothing.

    Args:
        entries: verdicts, of any bundle.
        predictor: the other bundle.
        folders: where pictures lie, beside the places that the log knows.
        log: for refusals.

    Returns:
        The pairs, and how many verdicts have none.

    Raises:
        IadError: if there is no verdict, or no picture is found.
    """
    read = _read(entries, log)
    files = pictures_of(read, folders)
    there = [one for one in read if one.number in files]
    if not there:
        pictures = counted(len(read), "picture")
        raise IadError(f"{log}: none of {pictures} is where the log says; name folders (--pictures)")
    found = predictor.predict([files[one.number] for one in there], maps=False, errors="return")
    judged = zip(there, track(found, "judging again", total=len(there)), strict=True)
    pairs = [
        _pair(one, verdict.pred_score, after=verdict.rejected)
        for one, verdict in judged
        if verdict.rejected is not None and not verdict.known
    ]
    return pairs, len(read) - len(pairs)


def pictures_of(entries: Iterable[Entry], folders: Sequence[Path]) -> dict[int, PictureFile]:
    """Files that hold the very pictures of verdicts, by their numbers.

    Each is looked for where it came, where it was put, and in the folders: by its bytes, whatever it is called there.

    Args:
        entries: verdicts.
        folders: further places, with all folders in them.

    Raises:
        IadError: if a folder is not there or holds no picture.
    """
    wanted = [one for one in entries if one.sha256]
    sizes = {one.size for one in wanted}
    some = [one for one in find(folders) if not one.problem and one.path.stat().st_size in sizes] if folders else []
    elsewhere = {one.sha256: one.path for one in some}
    found = {}
    for one in wanted:
        places = [Path(place) for place in (one.path, one.kept) if place]
        here = next((path for path in places if _holds(path, one)), elsewhere.get(one.sha256))
        if here is not None:
            found[one.number] = PictureFile(here, one.image_id)
    return found


def changed_lines(pairs: Sequence[Pair], what: str) -> Iterator[str]:
    """What would change, in lines.

    What operators said of parts tells which of the changes are right; of the others nobody knows.

    Args:
        pairs: at least one.
        what: that judges anew, as "from 0.8000 on".

    >>> for line in changed_lines([Pair("a.png", 3, "good", True, False, 0.75)], "from 0.8000 on"):
    ...     print(line)
    1 part: 1 rejected as it was, 0 from 0.8000 on; 1 verdict would change (100 %, 95 % interval 2.5 to 100 %)
    1 would have passed: 1 good and 0 bad, as operators say, and 0 of which nobody spoke
         3  a.png  score 0.7500
    0 would have been rejected
    wrong on 1 of 1 that operators call good as it was, 0 then (exact p 1)
    """
    before, after = sum(one.before for one in pairs), sum(one.after for one in pairs)
    changed = sum(one.before != one.after for one in pairs)
    ends = clopper_pearson(changed, len(pairs), CONFIDENCE)
    share = f"{percent(changed / len(pairs))}, 95 % interval {100 * ends.low:.3g} to {100 * ends.high:.3g} %"
    yield (
        f"{counted(len(pairs), 'part')}: {before} rejected as it was, {after} {what}; "
        f"{counted(changed, 'verdict')} would change ({share})"
    )
    for title, now in (("would have passed", False), ("would have been rejected", True)):
        some = [one for one in pairs if one.before is not now and one.after is now]
        said = Counter(one.word for one in some)
        told = f": {said['good']} good and {said['bad']} bad, as operators say, and {said['']} of which nobody spoke"
        yield f"{len(some)} {title}{told if some else ''}"
        for one in some[:SHOWN]:
            yield f"{one.number:>6}  {one.name}  score {one.score:.4f}"
        if len(some) > SHOWN:
            yield f"        ... and {len(some) - SHOWN} more"
    yield from wrong_lines(pairs)


def wrong_lines(pairs: Sequence[Pair]) -> Iterator[str]:
    """How many verdicts on parts that somebody called good or bad are wrong, before and after, by McNemar's test."""
    wrongly: Mapping[str, bool] = {"good": True, "bad": False}  # a good part that is rejected, a bad one that is not
    for word, rejected in wrongly.items():
        spoken = [one for one in pairs if one.word == word]
        if spoken:
            before, after = (np.array([one is rejected for one in some]) for some in _verdicts(spoken))
            found = mcnemar(before, after)
            yield (
                f"wrong on {before.sum()} of {len(spoken)} that operators call {word} as it was, {after.sum()} then "
                f"(exact p {found.p:.3g})"
            )


def _verdicts(pairs: Sequence[Pair]) -> tuple[list[bool], list[bool]]:
    return [one.before for one in pairs], [one.after for one in pairs]


def _read(entries: Iterable[Entry], log: Path) -> list[Entry]:
    read = [one for one in entries if one.score is not None]
    if not read:
        raise IadError(f"{log}: no such verdicts; choose others (--since, --until, --bundle, --name)")
    return read


def _pair(entry: Entry, score: float, *, after: bool) -> Pair:
    return Pair(entry.image_id, entry.number, entry.word, bool(entry.rejected), after, score)


def _holds(path: Path, entry: Entry) -> bool:
    """Whether a file is the very picture of a verdict."""
    try:
        return path.stat().st_size == entry.size and PictureFile(path, path.name).sha256 == entry.sha256
    except (OSError, IadError):
        return False
