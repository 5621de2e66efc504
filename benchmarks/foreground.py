"""The foreground of patch methods: what `patch.foreground: pca` changes, measured on maps that hold every place.

Run it from a folder where `dvc repro` has run with `patch.foreground: none` and `patch.map_above: 0`:
python benchmarks/foreground.py [method ...] [--pictures FILE.png]
Nothing is searched again: the bank is the same, so a map of the foreground is a map of all places with some set to 0.
Prints one Markdown table; the picture shows test pictures with all that is not foreground darkened.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from iad.detectors.patch.foreground_scores import foreground_scores
from iad.report.tables import as_padded_markdown
from PIL import Image

from iad import paths
from iad.data.manifest import read_manifest, rows_of
from iad.decision.pixel_thresholds import pixel_threshold_from_good
from iad.decision.thresholds import is_anomalous, set_threshold
from iad.detectors.maps import FullMaps
from iad.detectors.patch.foreground import fit_foreground
from iad.detectors.patch.memory_bank import MemoryBank
from iad.errors import IadError
from iad.io import open_array, read_json, read_table
from iad.metrics.confusion import pixel_confusion
from iad.metrics.image import auroc, confusion
from iad.metrics.localization import metrics_of
from iad.metrics.pixels import PixelPictures, count_pixels
from iad.neighbors.patch_view import PatchView
from iad.neighbors.rows import RowView
from iad.statistics.bootstrap import bootstrap_intervals
from iad.statistics.comparison import delong
from iad.statistics.pixel_bootstrap import grid_counts, pixel_bootstrap_samples

METHODS = ("patch_resnet", "patch_vit")
SIGMA, PIXEL_RATE, DRAWS = 0.012, 0.001, 2000  # as in params.yaml
SHOWN, SIDE, DARK = 8, 224, 0.25  # pictures in a row, pixels, brightness of what does not count
HEADER = [
    "method", "foreground", "places", "AUROC [95 %]", "difference [95 %]", "F1", "false alarms", "misses",
    "pixel AUROC [95 %]", "difference [95 %]", "AUPRO [95 %]", "difference [95 %]", "AUPIMO", "pixel F1",
    "defect pixels outside",
]  # fmt: skip


class Case:
    """Patches, maps and scores of one method's last run."""

    def __init__(self, method: str) -> None:
        self.method, self.folder = method, paths.SCORE / method
        record = read_json(self.folder / paths.PROVENANCE)
        self.detector = record["detector"]
        if self.detector.get("foreground", "none") != "none" or self.detector.get("map_above", 0):
            whole = "patch.foreground: none and patch.map_above: 0"
            raise IadError(f"{self.folder}: its maps are not whole; run `dvc repro` with {whole} first")
        self.patches = open_array(paths.STAGES / record["reads"] / paths.PATCHES)
        self.manifest = read_manifest(paths.MANIFEST)
        tables = (read_table(self.folder / x) for x in (paths.CALIBRATION_SCORES, paths.TEST_SCORES))
        self.good, self.judged = ({name: table[name].to_numpy() for name in table} for table in tables)
        row_of = {image_id: row for row, image_id in enumerate(self.manifest["image_id"])}
        self.train, self.test = rows_of(self.manifest, "train"), rows_of(self.manifest, "test")
        self.calibration = np.array([row_of[image_id] for image_id in self.good["image_id"]])
        self.whole: dict[str, np.ndarray] = {}  # pixel metrics without a foreground: the value, then draws
        self.maps = {
            paths.CALIBRATION_MAPS: np.array(open_array(self.folder / paths.CALIBRATION_MAPS)),
            paths.TEST_MAPS: np.array(open_array(self.folder / paths.TEST_MAPS)),
        }

    def judge(self, foreground: str, calibration: np.ndarray, test: np.ndarray) -> list[str]:
        """AUROC, and what the default threshold makes of the scores."""
        labels = self.judged["label"]
        rejected = is_anomalous(
            test, set_threshold(calibration, "conformal", {"alpha": 0.05}, scheme="jackknife").value
        )
        counted = confusion(labels, rejected)
        found = bootstrap_intervals(labels, test, rejected, draws=DRAWS, confidence=0.95, seed=0)["auroc"]
        gain = delong(labels, test, self.judged["score"])
        same = foreground == "none" or gain is None
        return [
            f"{auroc(labels, test):.4f} [{found.low:.3f}, {found.high:.3f}]",
            "-" if same or gain is None else f"{gain.value:+.4f} [{gain.low:+.3f}, {gain.high:+.3f}]",
            f"{counted.f1:.3f}",
            str(counted.false_positives),
            str(counted.false_negatives),
        ]

    def localize(self, maps: dict[str, np.ndarray], inside: np.ndarray) -> list[str]:
        """Pixel metrics with paired intervals of what they gain, and the share of defect pixels outside."""
        if not paths.MASKS.is_file():
            return ["-"] * 7
        masks = open_array(paths.MASKS)
        size, labels = masks.shape[1], self.judged["label"]
        good, test = (FullMaps(maps[name], size, SIGMA * size) for name in (paths.CALIBRATION_MAPS, paths.TEST_MAPS))
        pictures = PixelPictures(test, RowView(masks, self.test), labels, self.judged["image_id"].tolist())
        verdicts = pixel_confusion(pictures, pixel_threshold_from_good(good, "pixel_share", PIXEL_RATE).value)
        counts = count_pixels(pictures)
        found = metrics_of(counts)
        draws = pixel_bootstrap_samples(grid_counts(pictures, counts), labels, draws=DRAWS, seed=0)
        named = {"pixel_auroc": found.auroc, "aupro": found.aupro}
        values = {name: np.array([value, *draws[name]], dtype=np.float64) for name, value in named.items()}
        cells = []
        for name, drawn in values.items():
            cells += [_shown(drawn, ""), _shown(drawn - self.whole[name], "+") if self.whole else "-"]
        self.whole = self.whole or values
        defect = masks[self.test] != 0
        outside = (defect & ~enlarged(inside, size)).sum() / defect.sum()
        return [*cells, f"{found.aupimo:.4f}", f"{verdicts.f1:.3f}", f"{outside:.2%}"]

    def rows(self) -> list[list[str]]:
        """One line without a foreground, one with."""
        detector, whole = self.detector, np.ones_like(self.maps[paths.TEST_MAPS], dtype=bool)
        plain = self.judge("none", self.good["score"], self.judged["score"])
        table = [[self.method, "none", "100%", *plain, *self.localize(self.maps, whole)]]
        foreground = fit_foreground(PatchView(self.patches, self.train))
        print(f"{self.method}: {foreground.reason or 'an object and its background'}", flush=True)
        bank = MemoryBank(PatchView(self.patches, self.train))
        kept, scores = {}, []
        for (name, maps), rows in zip(self.maps.items(), (self.calibration, self.test), strict=True):
            kept[name], found = foreground_scores(
                bank, foreground, PatchView(self.patches, rows), maps, k=detector["k"],
                aggregate=detector["aggregate"], top_places=detector["top_places"],
                subtract_median=detector["subtract_median"],
            )  # fmt: skip
            scores.append(found)
        self.inside = foreground.masks(PatchView(self.patches, self.test))
        share = f"{self.inside.mean():.0%}"
        return [*table, [self.method, "pca", share, *self.judge("pca", *scores), *self.localize(kept, self.inside)]]


def enlarged(inside: np.ndarray, size: int) -> np.ndarray:
    """Places as pixels: bool `(N, h, w)` to `(N, size, size)`."""
    down, across = (np.arange(size) * side // size for side in inside.shape[1:])
    return np.asarray(inside[:, down[:, None], across])


def draw(cases: list[Case], file: Path) -> None:
    """Evenly spaced test pictures, one line for each method, darkened where places do not count."""
    images, lines = open_array(paths.IMAGES), []
    for case in cases:
        chosen = np.linspace(0, len(case.test) - 1, SHOWN).astype(int)
        bright = np.where(enlarged(case.inside[chosen], images.shape[1]), 1.0, DARK)
        drawn = (images[case.test[chosen]] * bright[..., None]).astype(np.uint8)
        lines.append(np.concatenate([np.asarray(Image.fromarray(one).resize((SIDE, SIDE))) for one in drawn], axis=1))
    Image.fromarray(np.concatenate(lines)).save(file)


def _shown(values: np.ndarray, sign: str) -> str:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return f"{values[0]:{sign}.4f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def main() -> None:
    """Print the table of the methods asked for, and draw the picture if one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    cases = [Case(method) for method in asked.methods]
    print(as_padded_markdown(HEADER, [row for case in cases for row in case.rows()]))
    if asked.pictures:
        draw(cases, asked.pictures)


if __name__ == "__main__":
    main()
