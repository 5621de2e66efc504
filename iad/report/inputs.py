"""What `evaluate` reads: pictures and masks of the data set; scores, verdicts and anomaly maps of each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from iad import paths
from iad.data.image_size import ImageSize
from iad.data.manifest import read_manifest
from iad.decision.promises import UNKNOWN_SCHEME, shared_scheme
from iad.decision.thresholds import is_anomalous
from iad.detectors.maps import FullMaps
from iad.errors import IadError
from iad.io import open_array, read_json, read_table
from iad.metrics.confusion import Verdicts
from iad.metrics.image import rank
from iad.neighbors.rows import RowView

MAP_SCHEME = "map_scheme"  # column of the calibration scores


@dataclass(frozen=True, eq=False)
class Outcome(Verdicts):
    """What one method said about the test pictures, and the verdicts that follow.

    Attributes:
        method: its name.
        image_id: str `(N,)`.
        defect: str `(N,)`, "good" or the kind of defect.
        calibration: float64 `(K,)`, the scores of good pictures behind the threshold.
        threshold: content of `threshold.json`.
        provenance: content of `provenance.json`.
        map_scheme: key of `iad.decision.promises.SCHEMES`, how the maps of the calibration pictures were made.
    """

    method: str
    image_id: np.ndarray
    defect: np.ndarray
    calibration: np.ndarray
    threshold: Mapping[str, Any]
    provenance: Mapping[str, Any]
    map_scheme: str = UNKNOWN_SCHEME

    def check(self, origin: str) -> None:
        """Refuse scores or labels of which no metric can be taken.

        Raises:
            IadError: beginning with `origin`, if a score is not finite, a label unknown, or no picture there.
        """
        rank(self.gt_label, self.pred_score, origin=origin)

    @property
    def backbone(self) -> str:
        """Name of the network behind the scores."""
        return str(self.provenance.get("model", {}).get("name", "-"))

    @property
    def history(self) -> list[Mapping[str, Any]]:
        """Losses by epoch of a method that was trained; none of one that was not."""
        return list(self.provenance.get("model", {}).get("history", ()))

    def typical(self, label: int, count: int) -> np.ndarray:
        """Rows of up to `count` pictures with this label, at evenly spaced quantiles of their scores, int64.

        >>> none, scores = np.empty(0), np.array([0.1, 0.2, 0.3, 0.9])
        >>> outcome = Outcome(np.array([0, 0, 0, 1]), scores, scores > 0.5, "vit", none, none, none, {}, {})
        >>> outcome.typical(0, 1).tolist(), outcome.typical(1, 3).tolist()
        ([1], [3])
        """
        rows = np.flatnonzero(self.gt_label == label)
        ordered = rows[np.argsort(self.pred_score[rows], kind="stable")]
        picks = (np.arange(count) + 1) * len(rows) // (count + 1)
        return ordered[np.unique(picks)] if len(rows) else rows

    def worst_misses(self, count: int) -> np.ndarray:
        """Rows of anomalous pictures that pass, lowest score first, at most `count`, int64.

        >>> none, scores = np.empty(0), np.array([0.3, 0.9, 0.1])
        >>> outcome = Outcome(np.array([1, 1, 1]), scores, scores > 0.5, "vit", none, none, none, {}, {})
        >>> outcome.worst_misses(5).tolist()
        [2, 0]
        """
        return self._extreme((self.gt_label == 1) & ~self.rejected, self.pred_score, count)

    def worst_false_alarms(self, count: int) -> np.ndarray:
        """Rows of good pictures that are rejected, highest score first, at most `count`, int64.

        >>> none, scores = np.empty(0), np.array([0.6, 0.1, 0.9])
        >>> outcome = Outcome(np.array([0, 0, 0]), scores, scores > 0.5, "vit", none, none, none, {}, {})
        >>> outcome.worst_false_alarms(1).tolist()
        [2]
        """
        return self._extreme((self.gt_label == 0) & self.rejected, -self.pred_score, count)

    def _extreme(self, chosen: np.ndarray, key: np.ndarray, count: int) -> np.ndarray:
        rows = np.flatnonzero(chosen)
        return rows[np.argsort(key[rows], kind="stable")][:count]


class Images:
    """The pictures of the data set by their ids; nothing is read before it is asked for.

    Attributes:
        region: which pixels count, bool `(H, W)`; None: all.
    """

    def __init__(self) -> None:
        self.array = open_array(paths.IMAGES)  # uint8 (N, H, W, 3)
        self.region = np.array(open_array(paths.REGION)) if paths.REGION.is_file() else None
        self.rows = {image_id: row for row, image_id in enumerate(read_manifest(paths.MANIFEST)["image_id"])}

    @property
    def size(self) -> ImageSize:
        """Height and width of every picture."""
        return ImageSize.of_arrays(self.array)

    def of(self, image_id: Sequence[str] | np.ndarray) -> np.ndarray:
        """Pictures with these ids, uint8 `(K, H, W, 3)`."""
        return np.asarray(self.array[[self.rows[one] for one in image_id]])


class Masks:
    """The data set's masks by `image_id`; nothing is read before it is asked for."""

    def __init__(self) -> None:
        manifest = read_manifest(paths.MANIFEST)
        self.array = open_array(paths.MASKS) if paths.MASKS.is_file() else None  # uint8 (N, H, W)
        self.rows = {image_id: row for row, image_id in enumerate(manifest["image_id"])}
        named = manifest.dropna(subset=["mask"])
        self.names = dict(zip(named["image_id"], named["mask"], strict=True))  # of the pictures that have one

    def known(self, image_id: np.ndarray) -> np.ndarray:
        """Which of these pictures have a mask, bool `(K,)`."""
        return np.array([self.array is not None and one in self.names for one in image_id], dtype=bool)

    def marking(self, image_id: np.ndarray) -> np.ndarray:
        """Which of these pictures have a mask that marks a pixel, bool `(K,)`."""
        known = self.known(image_id)
        marks = known.copy()
        marks[known] = [bool(mask.any()) for mask in self.of(image_id[known])]
        return marks

    def of(self, image_id: np.ndarray) -> RowView:
        """Masks of these pictures, uint8 `(H, W)` each, all 0 where one has none; nothing in a data set without any."""
        rows = [] if self.array is None else [self.rows[one] for one in image_id]
        return RowView(np.zeros((0, 0, 0)) if self.array is None else self.array, np.array(rows, dtype=np.int64))

    def shown(self, image_id: str, label: int) -> np.ndarray | None:
        """Defect pixels of one picture, bool `(H, W)`; None for a defective picture without a mask that marks any."""
        if self.array is None or (label and image_id not in self.names):
            return None
        marked = np.asarray(self.array[self.rows[image_id]] != 0)
        return None if label and not marked.any() else marked


@dataclass(frozen=True, eq=False)
class MethodMaps:
    """Maps of one method: of its calibration and test pictures, full when read, and their smoothing in pixels."""

    calibration: FullMaps
    test: FullMaps
    sigma: float


def read_outcome(method: str, images: Images) -> Outcome:
    """Read the scores, the threshold and the provenance of one method, and give the verdicts.

    Raises:
        IadError: if a file is missing or broken, holds scores that cannot be ranked, or a picture the data set lacks.
    """
    source = paths.SCORE / method
    test, calibration = read_table(source / paths.TEST_SCORES), read_table(source / paths.CALIBRATION_SCORES)
    threshold = read_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE)
    scores = np.asarray(test["score"], dtype=np.float64)
    outcome = Outcome(
        method=method,
        image_id=np.asarray(test["image_id"], dtype=object),
        gt_label=np.asarray(test["label"]),
        defect=np.asarray(test["defect"], dtype=object),
        pred_score=scores,
        rejected=is_anomalous(scores, threshold["value"]),
        calibration=np.asarray(calibration["score"], dtype=np.float64),
        threshold=threshold,
        provenance=read_json(source / paths.PROVENANCE),
        map_scheme=shared_scheme(calibration.get(MAP_SCHEME, [UNKNOWN_SCHEME]), str(source / paths.CALIBRATION_SCORES)),
    )
    outcome.check(str(source / paths.TEST_SCORES))
    if strange := [image_id for image_id in outcome.image_id if image_id not in images.rows]:
        raise IadError(f"{paths.MANIFEST}: no picture '{strange[0]}', which {method} scored; run `dvc repro`")
    return outcome


def read_maps(outcome: Outcome, images: Images, sigma_share: float) -> MethodMaps | None:
    """Maps of one method, or None where it wrote none.

    Args:
        outcome: its scores.
        images: the pictures of the data set.
        sigma_share: of the smoothing, as a share of their short side.

    Raises:
        IadError: if there are more or fewer maps than scores.
    """
    folder, size = paths.SCORE / outcome.method, images.size
    if not (folder / paths.TEST_MAPS).is_file():
        return None
    full: list[FullMaps] = []
    scored = ((paths.CALIBRATION_MAPS, len(outcome.calibration)), (paths.TEST_MAPS, len(outcome.pred_score)))
    for name, pictures in scored:
        path = folder / name
        maps = FullMaps(open_array(path), size, sigma_share * size.short, region=images.region, origin=str(path))
        if len(maps) != pictures:
            raise IadError(f"{path}: {len(maps)} maps for {pictures} scores; run `dvc repro` to write both again")
        full.append(maps)
    return MethodMaps(full[0], full[1], sigma_share * size.short)
