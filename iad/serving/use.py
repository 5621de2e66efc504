"""Pictures and banks: add good pictures to one, merge several, score new pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iad.decision.thresholds import is_anomalous
from iad.errors import IadError
from iad.progress import track
from iad.serving.bank_file import Bank, PictureSet
from iad.serving.banks import SET_APART, Scorer, join, new_part, part_of, scheme_of
from iad.serving.differences import first_difference
from iad.serving.extract import BankExtractor
from iad.serving.overlays import write_overlays
from iad.serving.pictures import Found

MAY_DIFFER = ("method", "backbone.weights", "backbone.batch_size")  # a name, and where the same weights came from


@dataclass(frozen=True, eq=False)
class Scored:
    """What a bank says about one picture.

    Attributes:
        found: the picture.
        score: higher = more anomalous.
        rejected: whether `score >= threshold`.
        known: whether the bank is made of this very picture, so that the score says nothing.
    """

    found: Found
    score: float
    rejected: bool
    known: bool


@dataclass(frozen=True, eq=False)
class Added:
    """What adding pictures came to.

    Attributes:
        bank: the new one.
        new: pictures that were added.
        known: pictures that were in the bank before, or came twice.
        suspects: pictures among the new ones that the old bank would have rejected.
    """

    bank: Bank
    new: list[Found]
    known: list[Found]
    suspects: list[Found]


def score_pictures(
    bank: Bank, found: Sequence[Found], extractor: BankExtractor, origin: str, *, maps: Path | None = None
) -> Iterator[Scored]:
    """Score pictures, a batch in memory at a time.

    Args:
        bank: what to compare with.
        found: the pictures.
        extractor: of the bank.
        origin: the bank's file; a refusal begins with it.
        maps: a folder for one overlay per picture; None: none are drawn.

    Raises:
        IadError: if a picture cannot be read.
    """
    scorer = Scorer(bank, origin, device=extractor.runtime.float64_device)
    threshold, known = bank.verdict["value"], set(bank.pictures.sha256)
    for batch in track(extractor.batches(found), "scoring", unit=" batches"):
        coarse, scores = scorer.score(extractor.patches(extractor.pixels(batch)), title="scoring")
        if maps is not None:
            write_overlays(maps, batch, coarse, bank)
        for one, score in zip(batch, scores.tolist(), strict=True):
            yield Scored(one, score, bool(is_anomalous(np.array(score), threshold)), one.sha256() in known)


def add_pictures(bank: Bank, found: Sequence[Found], extractor: BankExtractor, origin: str) -> Added:
    """Add good pictures to a bank; those that it knows are left out.

    Raises:
        IadError: if a picture cannot be read.
    """
    taken = set(bank.pictures.sha256) | (set(bank.calibration.pictures.sha256) if is_apart(bank) else set())
    new, hashes, known = [], [], []
    for one in found:
        digest = one.sha256()
        if digest in taken:
            known.append(one)
            continue
        taken.add(digest)
        new.append(one)
        hashes.append(digest)
    if not new:
        return Added(bank, [], known, [])
    patches = np.concatenate([extractor.versions(extractor.pixels(batch)) for batch in extractor.batches(new)])
    _, scores = Scorer(bank, origin, device=extractor.runtime.float64_device).score(patches[:, 0], title="new pictures")
    odd = is_anomalous(scores, bank.verdict["value"])
    pictures = PictureSet(tuple(one.name for one in new), tuple(hashes))
    part = new_part(bank.settings, pictures, patches, set_apart=is_apart(bank))
    return Added(
        join(bank, [part_of(bank), part], origin), new, known,
        [one for one, suspect in zip(new, odd, strict=True) if suspect],
    )  # fmt: skip


def merge_banks(banks: Mapping[str, Bank], origin: str) -> Bank:
    """Merge banks of the same settings, by file; a picture that several hold counts once.

    Raises:
        IadError: naming what differs between two of them.
    """
    (first_name, first), *others = banks.items()
    for name, other in others:
        require_same(first, other, first_name, name)
    return join(first, [part_of(bank) for bank in banks.values()], origin)


def require_same(first: Bank, other: Bank, first_name: str, other_name: str) -> None:
    """Refuse two banks whose scores do not compare.

    Raises:
        IadError: naming the first setting that differs, and both values.
    """
    one, two = ({**bank.settings, "calibration": _calibrating(bank)} for bank in (first, other))
    if found := first_difference(one, two, ignored=MAY_DIFFER):
        raise IadError(
            f"{first_name} and {other_name} do not fit together: {found[0]} is {found[1]} in the first and {found[2]} "
            "in the second; make both with the same parameters"
        )


def is_apart(bank: Bank) -> bool:
    """Whether a bank calibrates on pictures set apart from it."""
    return scheme_of(bank) == SET_APART


def _calibrating(bank: Bank) -> str:
    return "pictures set apart" if is_apart(bank) else "pictures of the bank"
