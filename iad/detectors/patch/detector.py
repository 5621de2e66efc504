"""A memory bank of good patches: the detector.

PatchCore (Roth et al., CVPR 2022, arXiv 2106.08265) keeps a coreset of the patches; AnomalyDINO (Damm et al., WACV
2025, arXiv 2405.14529) keeps all of them, of a transformer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np

from iad.detectors.base import Extendable, Prediction, State
from iad.detectors.embeddings import Embeddings, Takes, required
from iad.detectors.patch import Options
from iad.detectors.patch.coreset import greedy_coreset
from iad.detectors.patch.foreground import Foreground, fit_foreground, masks_of_good
from iad.detectors.patch.memory_bank import MemoryBank, coreset_size
from iad.detectors.patch.pictures import Kind, kind_of, naming_pictures, require_like, view_of
from iad.detectors.patch.scores import predict
from iad.errors import IadError

if TYPE_CHECKING:
    from iad.compute import Runtime


Part: TypeAlias = tuple[np.ndarray, np.ndarray, int]
"""Patches kept `(R, D)`, where each was among those of its pictures, int64 `(R,)`, and the number of pictures."""


class Detector(Extendable[Options]):
    """The score is the mean of the largest distances of a picture's patches to their nearest good patches.

    Attributes:
        bank: the patches kept.
        foreground: what shows the object; None: every patch counts.
        pictures: how many good pictures it was fitted to.
        versions: how often the bank holds each: 1, or more with rotated and flipped copies, which follow its own
            patches.
        grid: h and w of a picture's patches.
    """

    takes: ClassVar[Takes] = "patches"
    uses_torch: ClassVar[bool] = True

    bank: MemoryBank
    foreground: Foreground | None = None
    pictures: int
    versions: int
    grid: tuple[int, int]
    dtype: np.dtype[Any]
    shown: float = 1.0  # share of the good pictures' patches that show the object

    def fit(self, good: Embeddings | np.ndarray, *, calibrated_apart: bool = False) -> Self:  # noqa: ARG002
        """Keep patches of good pictures, float16 or float32 `(N, h, w, D)`, and return itself.

        Raises:
            IadError: if there is no picture, a value is not finite, or one picture shows no object where others do.

        >>> good = np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2)  # two pictures of four patches
        >>> [Detector(Options(coreset_sampling_ratio=ratio)).fit(good).record() for ratio in (1.0, 0.25)]
        [{'bank': 8}, {'bank': 2}]
        """
        given = Embeddings.of(good)
        patches = required(given.patches, "patch embeddings")
        view = view_of(given)
        with naming_pictures(given):
            self.bank = MemoryBank(
                view, coreset_sampling_ratio=self.options.coreset_sampling_ratio, seed=self.seed, device=self._device
            )
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

    def remarks(self) -> list[str]:
        """How much of the pictures counts, where a foreground was learned."""
        if self.foreground is None:
            return []
        reason = self.foreground.reason
        counted = f"every place counts: {reason}" if reason else f"{self.shown:.0%} of places count"
        return [f"patch.foreground = pca: {counted}"]

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
        asked = Embeddings.of(pictures)
        patches = required(asked.patches, "patch embeddings")
        if patches.shape[3] != self._kind[3]:
            raise IadError(
                f"patch: patches of {patches.shape[3]} features, but those of the good pictures have {self._kind[3]}; "
                "embed all by the same backbone and layers"
            )
        self._require_neighbors(leave_out)
        with naming_pictures(asked):
            return predict(self.bank, self.foreground, patches, self.options, leave_out=leave_out)

    def state(self) -> State:
        """The patches kept, where each was, and what shows the object."""
        arrays = {"patches": self._patches(), "rows": self.bank.rows}
        values: dict[str, Any] = {
            "pictures": self.pictures, "versions": self.versions, "grid": list(self.grid), "shown": self.shown,
            "foreground": None,
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
        made.shown = float(values["shown"])
        if values["foreground"] is not None:
            made.foreground = Foreground(state.arrays["foreground.direction"], **values["foreground"])
        made = made._keep(state.arrays["patches"], state.arrays["rows"], int(values["pictures"]))
        if made.bank.rows[-1] >= (most := made.pictures * made._per_picture):
            raise IadError(f"patch: a patch with number {made.bank.rows[-1]}, of {most}; fit the method again")
        return made

    def record(self) -> dict[str, Any]:
        """How many patches the bank holds."""
        return {"bank": len(self.bank.rows)}

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

        Raises:
            IadError: if their patches are of another kind, or a value is not finite.

        >>> fitted = Detector(Options(subtract_median=0)).fit(np.float32([[[[0.0]]]]))
        >>> more = fitted.add(Embeddings(patches=np.float32([[[[3.0]]]])))
        >>> [one.predict(np.float32([[[[4.0]]]])).pred_score.item() for one in (fitted, more)]
        [4.0, 1.0]
        """
        require_like(kind_of(good), self._kind)
        new = view_of(good)
        with naming_pictures(good):
            return self._joined([self._part(), (new.gather().astype(self.dtype), np.arange(new.rows), len(new))])

    def merge(self, others: Sequence[Self]) -> Self:
        """The same with the good pictures of all; coresets of one ratio keep all their patches.

        Raises:
            IadError: if their patches are of another kind.
        """
        for other in others:
            require_like(other._kind, self._kind)
        return self._joined([self._part(), *(other._part() for other in others)])

    def drop(self, keep: np.ndarray) -> Self:
        """The same without some pictures."""
        picture, inside = np.divmod(self.bank.rows, self._per_picture)
        stays, number = keep[picture], np.cumsum(keep) - 1
        rows = number[picture[stays]] * self._per_picture + inside[stays]
        return self._like(self._patches()[stays], rows, int(keep.sum()))

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
        whole = self._patches().reshape(self.pictures, self.versions, *self.grid, -1)
        return Embeddings(patches=whole[rows, 0])

    @property
    def _kind(self) -> Kind:
        return (*self.grid, self.versions, self.bank.search.bank.shape[1])

    @property
    def _per_picture(self) -> int:
        return self.versions * self.grid[0] * self.grid[1]

    @property
    def _whole(self) -> bool:
        return self.options.coreset_sampling_ratio == 1

    @property
    def _masks(self) -> bool:
        return self.options.foreground != "none"

    @property
    def _device(self) -> str:
        return "cpu" if self.runtime is None else self.runtime.float64_device

    def _require_neighbors(self, leave_out: np.ndarray | None) -> None:
        k, whose, own, out = self.options.k, "", [0], leave_out is not None
        if leave_out is not None:
            whose, own = "other ", np.diff(self.bank.rows_of(leave_out)).ravel().tolist() or [0]
        left = len(self.bank.rows) - max(own)
        if left >= k:
            return
        ways = [f"set patch.k to {left} or less"] if left else []
        if not self._whole and (self.pictures - out) * self._per_picture >= k:
            ways.append("raise patch.coreset_sampling_ratio to 1")
        share = self.options.coreset_sampling_ratio * self._per_picture  # of a coreset, the one left out may have all
        enough = math.ceil((k + out * self._per_picture) / share)
        raise IadError(
            f"patch.k = {k}, but only {left} patches of {whose}good pictures are there to compare with; "
            f"{', or '.join([*ways, f'add good pictures: {enough} are enough'])}"
        )

    def _patches(self) -> np.ndarray:
        return self.bank.search.vectors(np.arange(len(self.bank.rows))).astype(self.dtype)

    def _part(self) -> Part:
        return self._patches(), self.bank.rows, self.pictures

    def _joined(self, parts: Sequence[Part]) -> Self:
        before = np.cumsum([0, *(pictures for _, _, pictures in parts)])
        allowed = sum(
            coreset_size(pictures * self._per_picture, self.options.coreset_sampling_ratio) for _, _, pictures in parts
        )
        patches = np.concatenate([part for part, _, _ in parts])
        shifted = [part + first * self._per_picture for (_, part, _), first in zip(parts, before[:-1], strict=True)]
        rows = np.concatenate(shifted)
        if len(rows) > allowed:
            kept = np.sort(greedy_coreset(patches, allowed, seed=self.seed, device=self._device))
            patches, rows = patches[kept], rows[kept]
        return self._like(patches, rows, int(before[-1]))

    def _like(self, patches: np.ndarray, rows: np.ndarray, pictures: int) -> Self:
        if not pictures:
            raise IadError("patch: no good picture would be left in the memory bank; keep one at least")
        made = self.unfitted()
        made.versions, made.grid = self.versions, self.grid
        made.foreground, made.shown = self.foreground, self.shown
        return made._keep(patches, rows, pictures)

    def _keep(self, patches: np.ndarray, rows: np.ndarray, pictures: int) -> Self:
        self.dtype, self.pictures = patches.dtype, pictures
        self.bank = MemoryBank.of_rows(patches, rows, per_picture=self._per_picture, device=self._device)
        return self
