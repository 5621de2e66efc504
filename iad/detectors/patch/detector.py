"""A memory bank of good patches: the detector.

PatchCore (Roth et al., CVPR 2022, arXiv 2106.08265) keeps a coreset of the patches; AnomalyDINO (Damm et al., WACV
2025, arXiv 2405.14529) keeps all of them, of a transformer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from iad.detectors.base import Extendable, Outlook, Prediction, State
from iad.detectors.embeddings import Embeddings, Takes, required
from iad.detectors.patch import Options
from iad.detectors.patch.budget import Share, outlook, share_of, share_of_joined
from iad.detectors.patch.coreset import greedy_coreset
from iad.detectors.patch.foreground import Foreground, fit_foreground, masks_of_good
from iad.detectors.patch.memory_bank import MemoryBank, coreset_size
from iad.detectors.patch.parts import Part, joined
from iad.detectors.patch.pictures import (
    Kind,
    counted_good,
    counts_of,
    kind_of,
    naming_pictures,
    require_features,
    require_like,
    too_few,
    view_of,
)
from iad.detectors.patch.scores import predict
from iad.detectors.places import Counting, kept_places, loaded, require_same, spread, state_of
from iad.errors import IadError

if TYPE_CHECKING:
    from iad.compute import Runtime


class Detector(Extendable[Options]):
    """The score is the mean of the largest distances of a picture's patches to their nearest good patches.

    Attributes:
        bank: the patches kept.
        share: which part of all patches that is, and why; until it is fitted, what the options say.
        foreground: what shows the object; None: every patch counts.
        places: those that a region of interest keeps.
        pictures: how many good pictures it was fitted to.
        versions: how often the bank holds each: 1, or more with rotated and flipped copies, which follow its own
            patches.
        grid: h and w of a picture's patches.
    """

    takes: ClassVar[Takes] = "patches"
    uses_torch: ClassVar[bool] = True

    bank: MemoryBank
    foreground: Foreground | None = None
    places: Counting = None
    pictures: int
    versions: int
    grid: tuple[int, int]
    dtype: np.dtype[Any]
    shown: float = 1.0  # share of the good pictures' patches that show the object

    def __init__(self, options: Options, *, seed: int = 0, runtime: Runtime | None = None) -> None:
        super().__init__(options, seed=seed, runtime=runtime)
        self.share = Share.asked(options)

    def fit(self, good: Embeddings | np.ndarray, *, calibrated_apart: bool = False) -> Self:  # noqa: ARG002
        """Keep patches of good pictures, float16 or float32 `(N, h, w, D)`, and return itself.

        Raises:
            IadError: if there is no picture, a value is not finite, or one picture shows no object where others do.

        >>> good = np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2)  # two pictures of four patches
        >>> [Detector(Options(coreset_sampling_ratio=ratio)).fit(good).record() for ratio in (1.0, 0.25)]
        [{'bank': 8}, {'bank': 2}]
        """
        given, self.places = counted_good(Embeddings.of(good), masks=self._masks)
        patches = required(given.patches, "patch embeddings")
        view = view_of(given)
        self.share = share_of(counts_of(kind_of(given), len(view)), self.options)
        with naming_pictures(given):
            self.bank = MemoryBank(view, coreset_sampling_ratio=self.share.ratio, seed=self.seed, device=self._device)
        height, width, self.versions, _ = kind_of(given)
        self.pictures, self.grid, self.dtype = len(view), (height, width), patches.dtype
        if self.options.foreground != "none":
            self.foreground = fit_foreground(patches)
            self.shown = float(masks_of_good(self.foreground, given).mean())
        return self

    def check(self, good: Embeddings) -> None:
        """Refuse good pictures that show no object where others do.

        Raises:
            IadError: naming them.
        """
        if self.foreground is not None:
            masks_of_good(self.foreground, good)

    def outlook(self, good: Embeddings, pictures: int) -> Outlook:
        """What the bank takes, and comparing so many pictures with it."""
        good, _ = counted_good(good, masks=self._masks)
        return outlook(counts_of(kind_of(good), len(good)), self.options, pictures)

    def remarks(self) -> list[str]:
        """How much of the pictures counts, where a foreground was learned."""
        return [] if self.foreground is None else [self.foreground.remark(self.shown)]

    def predict(self, pictures: Embeddings | np.ndarray, *, leave_out: np.ndarray | None = None) -> Prediction:
        """Score pictures, patches float16 or float32 `(M, h, w, D)`.

        Raises:
            IadError: if fewer than k patches are left to compare with, or a value is not finite.

        >>> options = Options(aggregate="max", subtract_median=0, map_above=0)
        >>> fitted = Detector(options).fit(np.zeros((1, 1, 2, 2), dtype=np.float32))
        >>> found = fitted.predict(np.float32([[[[0, 0], [3, 4]]]]))
        >>> found.anomaly_map.tolist(), found.pred_score.tolist()
        ([[[0.0, 5.0]]], [5.0])
        """
        asked = kept_places(Embeddings.of(pictures), self.places, "patch")
        patches = required(asked.patches, "patch embeddings")
        require_features(patches.shape[3], self._kind[3])
        self._require_neighbors(leave_out)
        with naming_pictures(asked):
            found = predict(self.bank, self.foreground, patches, self.options, leave_out=leave_out)
        return spread(found, self.places)

    def state(self) -> State:
        """The patches kept, where each was, and what shows the object."""
        arrays = {"patches": self._part().patches, "rows": self.bank.rows, **state_of(self.places)}
        values: dict[str, Any] = {
            "pictures": self.pictures, "versions": self.versions, "grid": list(self.grid), "shown": self.shown,
            "foreground": None, **self.share.record(),
        }  # fmt: skip
        if self.foreground is not None:
            arrays["foreground.direction"] = self.foreground.direction
            values["foreground"] = {"threshold": self.foreground.threshold, "reason": self.foreground.reason}
        return State(arrays, values)

    @classmethod
    def load(cls, options: Options, state: State, *, seed: int = 0, runtime: Runtime | None = None) -> Self:
        """Make the detector whose `state` this is.

        >>> good = np.zeros((1, 1, 1, 2), dtype=np.float32)
        >>> again = Detector.load(Options(subtract_median=0), Detector(Options()).fit(good).state())
        >>> again.predict(np.float32([[[[3, 4]]]])).pred_score
        array([5.])
        """
        made, values = cls(options, seed=seed, runtime=runtime), state.values
        made.versions, made.grid = int(values["versions"]), (int(values["grid"][0]), int(values["grid"][1]))
        made.shown, made.share, made.places = float(values["shown"]), Share.kept(options, values), loaded(state.arrays)
        if values["foreground"] is not None:
            made.foreground = Foreground(state.arrays["foreground.direction"], **values["foreground"])
        made = made._keep(Part(state.arrays["patches"], state.arrays["rows"], int(values["pictures"])))
        if made.bank.rows[-1] >= (most := made.pictures * made._per_picture):
            raise IadError(f"patch: a patch with number {made.bank.rows[-1]}, of {most}; fit the method again")
        return made

    def record(self) -> dict[str, Any]:
        """How many patches the bank holds, and why so many where the detector has decided it."""
        return {"bank": len(self.bank.rows), **self.share.record()}

    @property
    def leaves_one_out(self) -> bool:
        """It can: a picture's own patches, those of its copies among them, do not count."""
        return True

    @property
    def only_falls(self) -> bool:
        """Whether no score can rise when a picture joins the bank.

        A distance to the nearest patches can only fall when a picture joins the whole bank; a coreset may change
        anywhere, and so may a difference of distances, and what counts as foreground.

        >>> Detector(Options(subtract_median=0)).only_falls, Detector(Options(subtract_median=0.25)).only_falls
        (True, False)
        """
        chosen = self.options
        return self._whole and chosen.subtract_median == 0 and chosen.aggregate != "reweighted" and not self._masks

    @property
    def map_only_falls(self) -> bool:
        """Whether no value of a map can rise when a picture joins the bank; what is above a quantile can."""
        return self._whole and self.options.map_above == 0 and not self._masks

    @property
    def most_calibrating(self) -> int:
        """Each picture left out is a search of its own, so that some hundreds have to do."""
        return self.options.calibration

    def add(self, good: Embeddings) -> Self:
        """The same with more good pictures; a coreset is chosen again from what was kept and what is new.

        Where the share of patches is auto, it is decided again, so that a whole bank may become a coreset.

        Raises:
            IadError: if their patches are of another kind, or a value is not finite.

        >>> fitted = Detector(Options(subtract_median=0)).fit(np.float32([[[[0.0]]]]))
        >>> more = fitted.add(Embeddings(patches=np.float32([[[[3.0]]]])))
        >>> [one.predict(np.float32([[[[4.0]]]])).pred_score.item() for one in (fitted, more)]
        [4.0, 1.0]
        """
        good = kept_places(good, self.places, "patch")
        require_like(kind_of(good), self._kind)
        new = view_of(good)
        with naming_pictures(good):
            part = Part(new.gather().astype(self.dtype), np.arange(new.rows), len(new))
            return self._joined([self._part(), part], [self.share, Share(1.0)])

    def merge(self, others: Sequence[Self]) -> Self:
        """The same with the good pictures of all; coresets of one ratio keep all their patches.

        Raises:
            IadError: if their patches are of another kind.
        """
        for other in others:
            require_like(other._kind, self._kind)
            require_same(other.places, self.places, "patch")
        every = [self, *others]
        return self._joined([one._part() for one in every], [one.share for one in every])

    def drop(self, keep: np.ndarray) -> Self:
        """The same without some pictures."""
        left = self._part().without(keep, self._per_picture)
        return self._like(left, self._share_of(left.pictures, [self.share]))

    def recall(self, rows: np.ndarray) -> Embeddings | None:
        """Patches of pictures in the bank; None of a coreset, which has lost most of them.

        >>> good = np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2)
        >>> Detector(Options()).fit(good).recall(np.array([1])).patches.tolist() == good[[1]].tolist()
        True
        >>> Detector(Options(coreset_sampling_ratio=0.5)).fit(good).recall(np.array([1])) is None
        True
        """
        if not self._whole:
            return None
        own = rows[:, None] * self._per_picture + np.arange(self.grid[0] * self.grid[1])  # of no copies
        found = self.bank.patches(own.ravel(), dtype=self.dtype)
        found = found.reshape(len(rows), *self.grid, -1)
        return Embeddings(patches=found if self.places is None else self.places.filled(found))

    @property
    def _kind(self) -> Kind:
        return (*self.grid, self.versions, self.bank.search.bank.shape[1])

    @property
    def _per_picture(self) -> int:
        return self.versions * self.grid[0] * self.grid[1]

    @property
    def _whole(self) -> bool:
        return self.share.ratio == 1

    @property
    def _masks(self) -> bool:
        return self.options.foreground != "none"

    @property
    def _device(self) -> str:
        return "cpu" if self.runtime is None else self.runtime.float64_device

    def _require_neighbors(self, leave_out: np.ndarray | None) -> None:
        own = [0] if leave_out is None else np.diff(self.bank.rows_of(leave_out)).ravel().tolist() or [0]
        if (left := len(self.bank.rows) - max(own)) < (k := self.options.k):
            bank = counts_of(self._kind, self.pictures)
            raise too_few(k, left, bank, self.share.ratio, leave_out=leave_out is not None)

    def _part(self) -> Part:
        return Part(self.bank.patches(dtype=self.dtype), self.bank.rows, self.pictures)

    def _joined(self, parts: Sequence[Part], shares: Sequence[Share]) -> Self:
        part = joined(parts, self._per_picture)
        share = self._share_of(part.pictures, shares)
        # as many as each part keeps by itself, so that coresets of a ratio that was asked for stay whole
        allowed = sum(coreset_size(one.pictures * self._per_picture, share.ratio) for one in parts)
        if len(part.rows) > allowed:
            part = part.only(np.sort(greedy_coreset(part.patches, allowed, seed=self.seed, device=self._device)))
        return self._like(part, share)

    def _share_of(self, pictures: int, parts: Sequence[Share]) -> Share:
        return share_of_joined(counts_of(self._kind, pictures), self.options, parts)

    def _like(self, part: Part, share: Share) -> Self:
        if not part.pictures:
            raise IadError("patch: no good picture would be left in the memory bank; keep one at least")
        made = self.unfitted()
        made.share, made.versions, made.grid = share, self.versions, self.grid
        made.foreground, made.shown, made.places = self.foreground, self.shown, self.places
        return made._keep(part)

    def _keep(self, part: Part) -> Self:
        self.dtype, self.pictures = part.patches.dtype, part.pictures
        self.bank = MemoryBank.of_rows(part.patches, part.rows, per_picture=self._per_picture, device=self._device)
        return self
