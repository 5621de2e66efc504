"""Options chosen for a product by its good training pictures: the run of `iad tune`, from pictures to a choice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from iad import paths
from iad.compute import start
from iad.data.decode import decode
from iad.data.image_size import SHORTS, ImageSize, prepared_size
from iad.data.manifest import read_manifest, rows_of
from iad.data.originals import Originals
from iad.data.region import grey_outside, prepared_region
from iad.errors import IadError
from iad.tune.candidates import (
    Candidate,
    layers_then,
    members_of,
    methods_of,
    places_last,
    sizes_first,
)
from iad.tune.choosing import Tried, choose
from iad.tune.trial import Trial, draw_rows
from iad.tune.views import Views

if TYPE_CHECKING:
    import pandas as pd

    from iad.config import Params

STEPS: Mapping[str, Callable[[Params, Candidate, int], Iterator[Candidate]]] = MappingProxyType(
    {"size, method and weights": sizes_first, "layers": layers_then, "what makes the score": places_last}
)
PREFERRED = "hybrid"  # of the methods to begin with, where it is there


@dataclass(frozen=True, eq=False)
class Tuned:
    """What `tune` found.

    Attributes:
        default: what it began with: the parameters as they are.
        chosen: what it chose; the same where nothing is better beyond luck.
        steps: name of each step and all that was tried in it, the best first.
        skipped: what was left out, since it would not have ended in time.
        compared: number of pictures in the bank.
        apart: number of pictures with painted copies.
    """

    default: Candidate
    chosen: Candidate
    steps: Sequence[tuple[str, Sequence[Tried]]]
    skipped: Sequence[str]
    compared: int
    apart: int

    def settings(self, params: Params) -> dict[str, Any]:
        """What was chosen, nested as `params.yaml` is, without what stays as it was.

        Which method was chosen is no setting: all that are switched on run, and a bundle is made of one.
        """
        found: dict[str, Any] = {}
        if self.chosen.short != self.default.short:
            found["preprocess"] = {"image_size": self.chosen.short}
        for key, value in self.chosen.changes.items():
            *above, last = key.split(".")
            if above[0] == "hybrids":  # a section that is replaced as one
                found["hybrids"] = self.chosen.params(params).model_dump(mode="json")["hybrids"]
                continue
            section = found
            for name in above:
                section = section.setdefault(name, {})
            section[last] = value
        return found


class Run:
    """One search: its parameters, its pictures, and the time that is left.

    Args:
        params: what is begun with, and what says which pictures.
        minutes: that the search may take; what would take longer is left out.

    Raises:
        IadError: if no picture was downloaded, there is no patch method, or the good pictures are too few.

    Attributes:
        views: the trial of good training pictures, and what backbones see of it.
        default: the parameters as they are.
        largest: short side of the largest pictures that are tried.
        skipped: what was left out.
    """

    def __init__(self, params: Params, minutes: float) -> None:
        _require_comparable(params)
        self.params, self.end = params, time.monotonic() + 60 * minutes
        self.manifest = read_manifest(paths.RAW_MANIFEST)
        self.default = Candidate(_first_method(params), prepared_size(self.manifest, params.preprocess).short)
        self.largest = max(_largest_short(self.manifest), self.default.short)
        chosen = params.compute
        runtime = start(device=chosen.device, precision=chosen.precision, threads=chosen.threads)
        self.views = Views(_trial(params, self.manifest, _size(params, self.manifest, self.largest)), runtime)
        self.skipped: list[str] = []

    def search(self) -> Tuned:
        """Go through the steps, each from where the one before ended."""
        now, steps = self.default, []
        for name, candidates in STEPS.items():
            others = [one for one in candidates(self.params, now, self.largest) if one != now]
            now, tried = choose(now, self.compare([now, *others]), seed=self.params.seed)
            steps.append((name, tried))
        trial = self.views.trial
        return Tuned(self.default, now, steps, self.skipped, len(trial.compared), len(trial.apart))

    def compare(self, candidates: Sequence[Candidate]) -> list[tuple[Candidate, np.ndarray]]:
        """Which painted pictures score above which good ones, of each candidate that time is left for."""
        found = []
        for number, one in enumerate(candidates):
            params, size = one.params(self.params), self.size(one)
            lacking = self.views.lacking(params, one.method, size)
            if number and lacking and self.views.forecast(lacking) > self.end - time.monotonic():
                self.skipped.append(one.words())
                continue
            found.append((one, self.views.compared(params, one.method, size)))
        return found

    def size(self, candidate: Candidate) -> ImageSize:
        """Of the pictures of a candidate."""
        return _size(self.params, self.manifest, candidate.short)


def _require_comparable(params: Params) -> None:
    if not methods_of(params):
        raise IadError("tune: no patch method in params.yaml, and only such are tried; switch one on under methods")
    for name in methods_of(params):
        for member in members_of(params, name):
            section = params.methods[member].params
            options = params.options(section)
            for key, known in (("aggregate", ("top",)), ("foreground", ("none",))):
                if (value := getattr(options, key)) not in known:
                    raise IadError(
                        f"tune: {section}.{key} = {value}, with which nothing is tried; set it to {known[0]}"
                    )


def _first_method(params: Params) -> str:
    known = methods_of(params)
    return PREFERRED if PREFERRED in known else known[-1]


def _largest_short(manifest: pd.DataFrame) -> int:
    """The largest of the usual sides that enlarges no picture; 0 where all would."""
    training = manifest.iloc[rows_of(manifest, "train")]
    own = float(np.median(np.minimum(training["height"], training["width"])))
    return max((side for side in SHORTS if side <= own), default=0)


def _size(params: Params, manifest: pd.DataFrame, short: int) -> ImageSize:
    return prepared_size(manifest, params.preprocess.model_copy(update={"image_size": short}))


def _trial(params: Params, manifest: pd.DataFrame, size: ImageSize) -> Trial:
    """Good training pictures, decoded as `preprocess` does."""
    rows = rows_of(manifest, "train")
    names = np.asarray(manifest["image_id"])[rows]
    groups = np.asarray(manifest["group"])[rows] if "group" in manifest else np.full(len(rows), "")
    compared, apart = draw_rows([group or name for group, name in zip(groups, names, strict=True)], seed=params.seed)
    region = prepared_region(paths.RAW_REGION, size)
    with Originals(paths.ORIGINALS) as originals:
        limits = {"max_megapixels": params.data.max_megapixels, "white_16bit": params.preprocess.white_16bit}
        pixels = [
            np.stack([grey_outside(decode(originals.read(name), name, size, **limits), region) for name in names[some]])
            for some in (compared, apart)
        ]
    return Trial.of(*pixels, seed=params.seed, region=region)
