"""Make memory banks, put them together, and score pictures with one: exactly as the stages do.

Adding pictures and merging banks are one operation, `join`: the new pictures are a bank that keeps every patch. Where
only a share is kept (a coreset), the share of the whole is chosen again, by greedy k-centre, from the rows that the
parts hold: centres that have become superfluous make room for what is new. A merge of two coresets of the same share
keeps both as they are.

Calibration pictures stay a uniform draw from all pictures of the bank, as the stage makes it: the number that each part
gives is drawn from the hypergeometric distribution, and its own draw is thinned to that. All of them are scored again
over the new bank, each without its own patches. What shows the object (a foreground) stays what the first bank learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from iad.decision.thresholds import set_threshold
from iad.detectors.patch.coreset import greedy_coreset
from iad.detectors.patch.foreground import Foreground
from iad.detectors.patch.memory_bank import MemoryBank
from iad.detectors.patch.scores import draw_pictures, only_falls
from iad.detectors.patch.verdicts import judge_pictures
from iad.errors import IadError
from iad.serving.bank_file import Bank, Calibration, PictureSet
from iad.serving.colours import colours_of

NOT_OF_A_SCORE = ("coreset", "foreground", "calibration")  # options that made the bank, in the section `patch`
SET_APART = "split"  # the scheme of calibration pictures that are not in the bank


@dataclass(frozen=True, eq=False)
class Part:
    """What goes into a bank: kept rows of some pictures, and the pictures among them, or apart, that calibrate.

    Attributes:
        pictures: N good pictures.
        patches: float16 `(rows kept, D)`.
        rows: int64 `(rows kept,)`, ascending, as in `Bank`.
        calibrating: K good pictures.
        members: int64 `(K,)`, as in `Calibration`.
        own: float16 `(K, h, w, D)`, all patches of the calibrating pictures.
    """

    pictures: PictureSet
    patches: np.ndarray
    rows: np.ndarray
    calibrating: PictureSet
    members: np.ndarray
    own: np.ndarray


def part_of(bank: Bank) -> Part:
    """Take a bank apart."""
    found = bank.calibration
    own = found.patches
    if len(own) < len(found.pictures):  # the whole bank is kept, so the rows are all patches in order
        own = bank.patches.reshape(len(bank.pictures), bank.versions, *bank.grid, -1)[found.members, 0]
    return Part(bank.pictures, bank.patches, bank.rows, found.pictures, found.members, own)


def new_part(settings: dict[str, Any], pictures: PictureSet, patches: np.ndarray, *, set_apart: bool) -> Part:
    """All patches of new pictures, float16 `(N, versions, h, w, D)`; some calibrate, unless others are set apart."""
    drawn = draw_pictures(len(pictures), settings["patch"]["calibration"], settings["seed"])
    drawn = drawn[:0] if set_apart else drawn
    flat = patches.reshape(-1, patches.shape[-1])
    return Part(pictures, flat, np.arange(len(flat)), pictures.pick(drawn), drawn, patches[drawn, 0])


def join(first: Bank, parts: Sequence[Part], origin: str) -> Bank:
    """Put parts together into one bank and calibrate it anew; a picture that is in two parts counts once.

    Args:
        first: a bank of the settings that all parts share.
        parts: in the order in which their pictures come.
        origin: the file; a refusal begins with it.

    Raises:
        IadError: if the bank has fewer patches than neighbours are asked for, or sets no threshold.
    """
    settings, per_picture, scheme = first.settings, first.per_picture, scheme_of(first)
    apart = scheme == SET_APART
    kept = _distinct(parts, per_picture, apart=apart)
    joined = kept[0]
    for part in kept[1:]:
        joined = _concatenated(joined, part, per_picture, None if apart else settings)
    allowed = sum(allowance(len(part.pictures) * per_picture, settings) for part in kept)
    patches, rows = joined.patches, joined.rows
    if len(rows) > allowed:
        chosen = np.sort(greedy_coreset(patches, allowed, seed=settings["seed"]))
        patches, rows = patches[chosen], rows[chosen]
    in_bank = settings["patch"]["coreset"] == 1 and not apart
    own = joined.own[:0] if in_bank else joined.own
    calibration = Calibration(joined.calibrating, joined.members, own, np.empty(0))
    bank = replace(first, pictures=joined.pictures, patches=patches, rows=rows, calibration=calibration)
    return calibrate(bank, joined.own, scheme, origin)


def allowance(patches: int, settings: dict[str, Any]) -> int:
    """How many of so many patches a bank keeps."""
    return max(1, round(settings["patch"]["coreset"] * patches)) if patches else 0


def calibrate(bank: Bank, own: np.ndarray, scheme: str, origin: str) -> Bank:
    """Score the calibration pictures, float16 `(K, h, w, D)`, out of sample, and set threshold and colours anew."""
    left_out = None if scheme == SET_APART else bank.calibration.members
    maps, scores = Scorer(bank, origin).score(own, own=left_out, title="calibration pictures")
    options = bank.settings["threshold"]["options"]
    threshold = set_threshold(scores, bank.settings["threshold"]["strategy"], options, scheme=scheme, origin=origin)
    return replace(
        bank,
        calibration=replace(bank.calibration, scores=scores),
        verdict=asdict(threshold) | {"warnings": list(threshold.warnings)},
        colours=colours_of(maps, bank.settings, origin),
    )


def scheme_of(bank: Bank) -> str:
    """How its pictures calibrate: apart from it, or each left out."""
    return SET_APART if (bank.calibration.members < 0).all() else left_out_scheme(bank.settings)


def left_out_scheme(settings: dict[str, Any]) -> str:
    """What leaving a picture out of the bank can promise with these settings."""
    chosen = {name: settings["patch"][name] for name in ("aggregate", "subtract_median", "coreset", "foreground")}
    return "leave_one_out" if only_falls(**chosen) else "jackknife"


class Scorer:
    """A bank, ready to score the patches of pictures.

    Args:
        bank: what to compare with.
        origin: its file; a refusal begins with it.
        device: where to search, "cpu" or "cuda".
    """

    def __init__(self, bank: Bank, origin: str, *, device: str = "cpu") -> None:
        self.memory = MemoryBank.of_rows(bank.patches, bank.rows, per_picture=bank.per_picture, device=device)
        self.foreground = Foreground(**bank.foreground) if bank.foreground else None
        self.origin = origin
        self.chosen = {name: value for name, value in bank.settings["patch"].items() if name not in NOT_OF_A_SCORE}

    def score(
        self, pictures: np.ndarray, *, own: np.ndarray | None = None, title: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score pictures as the stage `score` does.

        Args:
            pictures: float16 `(M, h, w, D)`.
            own: int64 `(M,)`, numbers of the pictures in the bank, whose patches do not count; None for others.
            title: of the progress bar.

        Returns:
            Maps float32 `(M, h, w)` and scores float64 `(M,)`, higher = more anomalous.

        Raises:
            IadError: if the bank has fewer patches than neighbours are asked for.
        """
        try:
            return judge_pictures(self.memory, self.foreground, pictures, **self.chosen, title=title, own=own)
        except IadError as refusal:
            raise IadError(f"{self.origin}: {refusal}") from None


def _distinct(parts: Sequence[Part], per_picture: int, *, apart: bool) -> list[Part]:
    """The parts without pictures that an earlier one holds, or, set apart, calibrates with."""
    kept: list[Part] = []
    in_bank, calibrating = set[str](), set[str]()
    for part in parts:
        taken = in_bank | calibrating if apart else in_bank
        kept.append(_without(part, taken, per_picture))
        in_bank |= set(kept[-1].pictures.sha256)
        calibrating |= set(kept[-1].calibrating.sha256)
    return kept


def _without(part: Part, taken: set[str], per_picture: int) -> Part:
    fresh = np.array([one not in taken for one in part.pictures.sha256], dtype=bool)
    free = np.array([one not in taken for one in part.calibrating.sha256], dtype=bool)
    if fresh.all() and free.all():
        return part
    number = np.cumsum(fresh) - 1  # of each picture that stays
    picture, place = np.divmod(part.rows, per_picture)
    stays, members = fresh[picture], part.members[free]
    return Part(
        part.pictures.pick(fresh),
        part.patches[stays],
        number[picture[stays]] * per_picture + place[stays],
        part.calibrating.pick(free),
        np.where(members < 0, members, number[members]),
        part.own[free],
    )


def _concatenated(first: Part, second: Part, per_picture: int, thinned: dict[str, Any] | None) -> Part:
    """One part after the other; with settings to thin by, as many calibrating pictures as they allow."""
    shift = len(first.pictures)
    one, two = np.arange(len(first.calibrating)), np.arange(len(second.calibrating))
    if thinned is not None:
        one, two = _thinned(first, second, thinned["patch"]["calibration"], thinned["seed"])
    members = second.members[two]
    return Part(
        first.pictures + second.pictures,
        np.concatenate([first.patches, second.patches]),
        np.concatenate([first.rows, second.rows + shift * per_picture]),
        first.calibrating.pick(one) + second.calibrating.pick(two),
        np.concatenate([first.members[one], np.where(members < 0, members, members + shift)]),
        np.concatenate([first.own[one], second.own[two]]),
    )


def _thinned(first: Part, second: Part, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which calibrating pictures of each stay, so that they are a uniform draw of `most` from both (0: all stay)."""
    here, there = len(first.calibrating), len(second.calibrating)
    if most == 0 or here + there <= most:
        return np.arange(here), np.arange(there)
    rng = np.random.default_rng((seed, len(first.pictures), len(second.pictures)))
    drawn = int(rng.hypergeometric(len(second.pictures), len(first.pictures), most))
    given = min(max(drawn, most - here), there)  # a part that lost pictures may have too few
    one, two = rng.choice(here, most - given, replace=False), rng.choice(there, given, replace=False)
    return np.sort(one), np.sort(two)
