"""How much of the patches of good pictures a bank keeps where `patch.coreset_sampling_ratio` is auto.

All of them, where they fit two budgets, one of memory and one of time; else the largest coreset that fits both. What
counts are numbers of pictures, patches and features, and never the machine, so that the same pictures make the same
bank everywhere: memory is that of the bank in float32, and time is multiplications at `RATE`. They are counted as if a
search skipped nothing, so that it mostly takes less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iad.detectors.base import Outlook
from iad.detectors.patch import Options
from iad.words import counted

RATE = 5e10  # multiplications a second, about what two cores with AVX2 do in float32
GIB = 2**30
FLOAT32 = 4  # bytes
COPIES = 2.5  # of the bank in float32 that are in memory while it is written, most of them in float16
CHOOSING = 2  # how often a coreset is compared with itself while it is chosen, about, beside once with all rows
DIGITS = 2  # of a ratio, rounded down
DECIDED = "decided"
"""Under which name a record holds options whose value the detector has chosen, and why."""


@dataclass(frozen=True)
class Counts:
    """What a bank is made of, in numbers.

    Attributes:
        pictures: good pictures.
        patches: of one of them, `h * w`.
        versions: of each in the bank: 1, or more with rotated and flipped copies.
        features: D.

    >>> cells = Counts(pictures=411, patches=256, versions=1, features=768)
    >>> cells.rows, round(cells.gib(cells.rows), 2)
    (105216, 0.3)
    """

    pictures: int
    patches: int
    versions: int
    features: int

    @property
    def rows(self) -> int:
        """Patches of all pictures and of their copies."""
        return self.pictures * self.patches * self.versions

    def gib(self, kept: float) -> float:
        """Memory of a bank that keeps so many rows."""
        return kept * self.features * FLOAT32 / GIB

    def search(self, kept: float, compared: float) -> float:
        """Multiplications that compare so many pictures with a bank of so many rows."""
        return compared * self.patches * kept * self.features

    def choice(self, kept: float) -> float:
        """Multiplications that choose a coreset of so many rows."""
        return kept * (self.rows + CHOOSING * kept) * self.features


@dataclass(frozen=True)
class Share:
    """How much of all patches a bank keeps.

    Attributes:
        ratio: in (0, 1].
        because: why, for a person to read; empty where somebody asked for this ratio.
    """

    ratio: float
    because: str = ""

    @classmethod
    def asked(cls, options: Options) -> Share:
        """What the options say before pictures are known: auto hopes for all."""
        asked = options.coreset_sampling_ratio
        return cls(1.0 if asked == "auto" else asked)

    @classmethod
    def kept(cls, options: Options, record: Mapping[str, Any]) -> Share:
        """What was decided, from a record that holds `record`; one of a ratio that was asked for holds nothing.

        >>> decided = Share(0.25, "a coreset")
        >>> Share.kept(Options(), decided.record()) == decided, Share(0.5).record()
        (True, {})
        """
        if options.coreset_sampling_ratio != "auto":
            return cls.asked(options)
        decided = record[DECIDED]
        return cls(float(decided["coreset_sampling_ratio"]), str(decided["because"]))

    def record(self) -> dict[str, Any]:
        """Plain values for a file."""
        return {DECIDED: {"coreset_sampling_ratio": self.ratio, "because": self.because}} if self.because else {}


def share_of(counts: Counts, options: Options) -> Share:
    """The share that the options ask for, or, if that is auto, the largest that fits their budgets.

    >>> print(share_of(Counts(pictures=411, patches=256, versions=1, features=768), Options()).because)
    all 105,216 patches: 0.30 of 2 GiB, 4.2 of 90 minutes
    >>> found = share_of(Counts(pictures=20_000, patches=256, versions=1, features=768), Options())
    >>> found.ratio, found.because
    (0.0066, 'a coreset: all 5,120,000 patches would take 14.65 of 2 GiB, 6,778.0 of 90 minutes')
    """
    if options.coreset_sampling_ratio != "auto":
        return Share(options.coreset_sampling_ratio)
    compared, seconds = compared_with(counts, options), 60 * options.max_search_minutes
    minutes, gib = counts.search(counts.rows, compared) / RATE / 60, counts.gib(counts.rows)
    used = f"{gib:,.2f} of {options.max_bank_gib:g} GiB, {minutes:,.1f} of {options.max_search_minutes:g} minutes"
    if gib <= options.max_bank_gib and minutes <= options.max_search_minutes:
        return Share(1.0, f"all {counts.rows:,} patches: {used}")
    by_memory = options.max_bank_gib * GIB / (counts.features * FLOAT32)
    kept = min(by_memory, _kept_within(seconds * RATE / counts.features, counts.rows + compared * counts.patches))
    return Share(_rounded_down(kept / counts.rows), f"a coreset: all {counts.rows:,} patches would take {used}")


def outlook(counts: Counts, options: Options, pictures: int) -> Outlook:
    """What a bank of these counts takes, and comparing so many pictures with it.

    >>> print(outlook(Counts(pictures=411, patches=256, versions=1, features=768), Options(), 690).what)
    690 pictures x 256 patches against a bank of 105,216
    """
    share = share_of(counts, options)
    kept = max(1, round(share.ratio * counts.rows))
    products = counts.search(kept, pictures) + (counts.choice(kept) if share.ratio < 1 else 0)
    auto = options.coreset_sampling_ratio == "auto"
    return Outlook(
        what=f"{counted(pictures, 'picture')} x {counts.patches:,} patches against a bank of {kept:,}",
        decided=share.because,
        gib=COPIES * counts.gib(kept),
        products=products,
        smaller="patch.max_bank_gib" if auto else "patch.coreset_sampling_ratio to auto, and patch.max_bank_gib",
        limit=1 / COPIES,
        advice="a smaller preprocess.image_size or "
        + ("patch.max_search_minutes" if auto else "patch.coreset_sampling_ratio"),
    )


def share_of_joined(counts: Counts, options: Options, parts: Iterable[Share]) -> Share:
    """The share for pictures of several banks, or of a part of one; patches that a coreset left out stay lost.

    >>> few, many = (Counts(pictures, patches=256, versions=1, features=768) for pictures in (10, 20_000))
    >>> coreset = share_of(many, Options())
    >>> share_of_joined(many, Options(), [Share(1.0), Share(1.0)]) == coreset
    True
    >>> share_of_joined(few, Options(), [coreset]) == coreset
    True
    """
    return min([*parts, share_of(counts, options)], key=lambda share: (share.ratio, not share.because))


def compared_with(counts: Counts, options: Options) -> int:
    """How many pictures the time is meant for: those that calibrate, and as many as the bank is made of.

    >>> compared_with(Counts(pictures=320, patches=1024, versions=1, features=768), Options(calibration=200))
    520
    """
    return counts.pictures + min(options.calibration or counts.pictures, counts.pictures)


def _kept_within(most: float, each: int) -> float:
    """The largest n with n * (each + CHOOSING * n) <= most."""
    return (math.sqrt(each**2 + 4 * CHOOSING * most) - each) / (2 * CHOOSING)


def _rounded_down(share: float) -> float:
    """A share below 1 as a number that a person can repeat.

    >>> _rounded_down(0.008999), _rounded_down(0.999)
    (0.0089, 0.99)
    """
    scale = 10.0 ** (DIGITS - 1 - math.floor(math.log10(share)))
    return float(f"{math.floor(share * scale) / scale:.{DIGITS}g}")
