"""Where each method sees defects: pixel metrics and galleries of the methods that wrote anomaly maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from iad import paths
from iad.config import Evaluate
from iad.data.manifest import read_manifest
from iad.decision.pixel_thresholds import PixelThreshold, pixel_threshold_from_good
from iad.detectors.maps import FullMaps, Rows
from iad.errors import IadError
from iad.io import open_array
from iad.metrics.pixels import PixelPictures
from iad.progress import track
from iad.report.evaluation import Gallery, write_figure
from iad.report.examples import Pair, defect_examples, good_examples
from iad.report.figures.galleries import MapScale, Shown, map_gallery, reduced
from iad.report.outcome import Outcome
from iad.report.pixels import pixel_details, why_no_pixels

NO_MAPS = "it writes no anomaly maps"
ORDINALS = ("", "2nd ", "3rd ", "4th ")
LONGEST_KIND = 20  # characters that fit above a picture


class Masks:
    """The data set's masks by `image_id`; nothing is read before it is asked for."""

    def __init__(self) -> None:
        manifest = read_manifest(paths.MANIFEST)
        self.array = open_array(paths.MASKS) if paths.MASKS.is_file() else None  # uint8 (N, S, S)
        self.rows = {image_id: row for row, image_id in enumerate(manifest["image_id"])}
        masks = manifest["mask"].astype(object).where(manifest["mask"].notna(), None)
        self.names = dict(zip(manifest["image_id"], masks, strict=True))

    def known(self, image_ids: np.ndarray) -> np.ndarray:
        """Which of these pictures have a mask, bool `(K,)`."""
        return np.array([self.array is not None and self.names[one] is not None for one in image_ids], dtype=bool)

    def of(self, image_ids: np.ndarray) -> Rows:
        """Masks of these pictures, uint8 `(S, S)` each, all 0 where one has none; nothing in a data set without any."""
        rows = [] if self.array is None else [self.rows[one] for one in image_ids]
        return Rows(np.zeros((0, 0, 0)) if self.array is None else self.array, np.array(rows, dtype=np.int64))

    def shown(self, image_id: str, label: int) -> np.ndarray | None:
        """Defect pixels of one picture, bool `(S, S)`; None for a defective picture without a mask."""
        if self.array is None or (label and self.names[image_id] is None):
            return None
        return np.asarray(self.array[self.rows[image_id]] != 0)


@dataclass(frozen=True, eq=False)
class MethodMaps:
    """Maps of one method: of its calibration and test pictures, full when read, and their smoothing in pixels."""

    calibration: FullMaps
    test: FullMaps
    sigma: float


def localize(outcomes: Iterable[Outcome], chosen: Evaluate, seed: int, gallery: Gallery) -> dict[str, dict[str, Any]]:
    """Measure and draw the maps of every method that wrote some. Returns the report's part by method.

    Raises:
        IadError: if a map or a mask is broken, or does not fit the scores.
    """
    masks = Masks()
    found: dict[str, dict[str, Any]] = {}
    for outcome in track(list(outcomes), "anomaly maps", unit=" methods"):
        picture = paths.GALLERIES / f"{outcome.method}.png"
        maps = read_maps(outcome, gallery.images.shape[1], chosen.map_sigma)
        if maps is None:
            picture.unlink(missing_ok=True)
            found[outcome.method] = {"left_out": NO_MAPS}
            continue
        origin = str(paths.SCORE / outcome.method / paths.CALIBRATION_MAPS)
        set_threshold = partial(pixel_threshold_from_good, maps.calibration, origin=origin)
        threshold = set_threshold(chosen.pixel_threshold, chosen.pixel_rate)
        red = set_threshold("picture_maximum", chosen.red_rate)
        settings = {"map_sigma_pixels": round(maps.sigma, 3), "threshold": asdict(threshold), "red": asdict(red)}
        found[outcome.method] = settings | measured(outcome, maps, masks, threshold, chosen, seed)
        write_figure(picture, draw_gallery(outcome, maps, masks, red, gallery), few_colours=True)
    return found


def read_maps(outcome: Outcome, size: int, sigma: float) -> MethodMaps | None:
    """Maps of one method, or None where it wrote none.

    Args:
        outcome: its scores.
        size: side of the pictures in pixels.
        sigma: of the smoothing, as a share of that side.

    Raises:
        IadError: if there are more or fewer maps than scores.
    """
    folder = paths.SCORE / outcome.method
    if not (folder / paths.TEST_MAPS).is_file():
        return None
    full: list[FullMaps] = []
    for name, pictures in ((paths.CALIBRATION_MAPS, len(outcome.calibration)), (paths.TEST_MAPS, len(outcome.scores))):
        path = folder / name
        maps = FullMaps(open_array(path), size, sigma * size, origin=str(path))
        if len(maps) != pictures:
            raise IadError(f"{path}: {len(maps)} maps for {pictures} scores; run `dvc repro` to write both again")
        full.append(maps)
    return MethodMaps(full[0], full[1], sigma * size)


def measured(
    outcome: Outcome, maps: MethodMaps, masks: Masks, threshold: PixelThreshold, chosen: Evaluate, seed: int
) -> dict[str, Any]:
    """Pixel metrics of one method, or `left_out`: why there are none."""
    ids, has_mask = outcome.image_ids, masks.known(outcome.image_ids)
    marks = has_mask.copy()
    marks[has_mask] = [bool(mask.any()) for mask in masks.of(ids[has_mask])]
    if reason := why_no_pixels(outcome.labels, has_mask, marks, [str(masks.names[one]) for one in ids]):
        return {"left_out": reason}
    kept = np.flatnonzero((outcome.labels == 0) | has_mask)
    origin = str(paths.SCORE / outcome.method / paths.TEST_MAPS)
    pictures = PixelPictures(
        Rows(maps.test, kept), masks.of(ids[kept]), outcome.labels[kept], ids[kept].tolist(), origin
    )
    details = pixel_details(pictures, threshold, draws=chosen.bootstrap, confidence=chosen.confidence, seed=seed)
    details["pictures"]["without_mask"] = len(ids) - len(kept)
    return details


def draw_gallery(outcome: Outcome, maps: MethodMaps, masks: Masks, red: PixelThreshold, gallery: Gallery) -> Figure:
    """Draw the hardest and easiest picture of each kind of defect, and the good ones with the highest scores."""
    defects, hidden = defect_examples(outcome)

    def shown(row: int, caption: str) -> Shown:
        image_id, label = outcome.image_ids[row], int(outcome.labels[row])
        mask = masks.shown(image_id, label)
        wrong = bool(outcome.rejected[row]) != bool(label)
        picture = gallery([image_id])[0]
        return reduced(Shown(caption, _verdict(outcome, row), wrong, picture, mask, maps.test[row]))

    lines = [
        (shown(pair.left, left), None if pair.right is None else shown(pair.right, right))
        for pair in [*defects, *good_examples(outcome)]
        for left, right in [_captions(outcome, pair)]
    ]
    usual = float(np.median(maps.calibration.coarse))
    notes = [f"red from {red.value:.3g} on: {red.promise}", *([red.warning] if red.warning else [])]
    if hidden:
        notes.append(f"{hidden} more kinds of defect, found more easily, are not shown")
    title = f"{outcome.method}: rejected from a score of {outcome.threshold['value']:.4g} on"
    return map_gallery(title, lines, MapScale(usual, red.value), notes)


def localization_notes(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line for each reason why pixel metrics are missing, with the methods that lack them."""
    lacking: dict[str, list[str]] = {}
    for method, details in found.items():
        reasons = {details["left_out"]: "pixel metrics"} if "left_out" in details else {}
        for name, reason in details.get("absent", {}).items():
            reasons[reason] = f"{reasons[reason]}, {name}" if reason in reasons else name
        if unmasked := details.get("pictures", {}).get("without_mask"):
            reasons[f"left out of pixel metrics, since they have no mask: {unmasked} defective test pictures"] = ""
        for reason, names in reasons.items():
            lacking.setdefault(f"no {names}: {reason}" if names else reason, []).append(method)
    return [f"{', '.join(methods)}: {line}" for line, methods in lacking.items()]


def _verdict(outcome: Outcome, row: int) -> str:
    verdicts = {(0, 0): "passed", (0, 1): "rejected: false alarm", (1, 0): "passed: miss", (1, 1): "rejected"}
    return f"{outcome.scores[row]:.4g} {verdicts[int(outcome.labels[row]), int(outcome.rejected[row])]}"


def _captions(outcome: Outcome, pair: Pair) -> tuple[str, str]:
    good = pair.kind == "good" and outcome.labels[pair.left] == 0
    same = (outcome.labels == 0) if good else (outcome.labels == 1) & (outcome.defects == pair.kind)
    kind = pair.kind if len(pair.kind) <= LONGEST_KIND else pair.kind[: LONGEST_KIND - 1] + "\u2026"
    total = int(same.sum())
    if pair.right is None:
        return f"{kind}: the only one", ""
    if good:
        return f"{kind}: 2nd highest of {total}", f"{kind}: highest of {total}"
    nth = ORDINALS[pair.place]
    return f"{kind}: {nth}lowest of {total}", f"{kind}: {nth}highest of {total}"
