"""The foreground of patch methods: what `patch.foreground: pca` changes, measured on maps that hold every patch.

Run it from a folder where `dvc repro` has run with `patch.foreground: none` and `patch.map_above: 0`:
python benchmarks/foreground.py [method ...] [--pictures FILE.png]
Nothing is searched again: the bank is the same, so a map of the foreground is a map of all patches with some set to 0.
Prints one Markdown table; the picture shows test pictures with all that is not foreground darkened.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measuring import Run, command, machine, verdicts, with_interval
from PIL import Image

from iad import paths
from iad.bundles.fitted import read_fitted
from iad.config import Params, load_params
from iad.decision.pixel_thresholds import pixel_threshold_from_good
from iad.detectors.maps import FullMaps
from iad.detectors.patch.detector import Detector
from iad.detectors.patch.foreground import fit_foreground
from iad.detectors.patch.scores import foreground_scores
from iad.errors import IadError
from iad.metrics.confusion import pixel_confusion
from iad.metrics.localization import metrics_of
from iad.metrics.pixels import PixelPictures, count_pixels
from iad.neighbors.rows import RowView
from iad.statistics.comparison import delong
from iad.statistics.pixel_bootstrap import grid_counts, pixel_bootstrap_samples
from iad.words import as_markdown

METHODS = ("patch_resnet", "patch_vit")
DRAWS = 2000
SHOWN, SIDE, DARK = 8, 224, 0.25  # pictures in a row, pixels, brightness of what does not count
HEADER = [
    "method", "foreground", "places", "AUROC [95 %]", "difference [95 %]", "F1", "false alarms", "misses",
    "pixel AUROC [95 %]", "difference [95 %]", "AUPRO [95 %]", "difference [95 %]", "AUPIMO", "pixel F1",
    "defect pixels outside",
]  # fmt: skip


class Case:
    """Patch embeddings, maps and scores of one method's last run."""

    def __init__(self, method: str, params: Params) -> None:
        self.method, self.params, self.run = method, params, Run()
        fitted = read_fitted(method)
        if not isinstance(fitted.detector, Detector):
            raise IadError(f"{method}: {fitted.kind} has no patches; name a patch method")
        self.detector: Detector = fitted.detector
        options = self.detector.options
        if options.foreground != "none" or options.map_above:
            whole = "patch.foreground: none and patch.map_above: 0"
            raise IadError(f"{paths.SCORE / method}: its maps are not whole; run `dvc repro` with {whole} first")
        self.patches = self.run.array(paths.STAGES / fitted.reads / paths.PATCHES)
        good, test = (self.run.scores(method, name) for name in (paths.CALIBRATION_SCORES, paths.TEST_SCORES))
        self.scores = tuple(np.asarray(table["score"]) for table in (good, test))
        row_of = {image_id: row for row, image_id in enumerate(self.run.manifest["image_id"])}
        self.calibration = np.array([row_of[image_id] for image_id in good["image_id"]])
        self.maps = tuple(
            np.array(self.run.array(paths.SCORE / method / name)) for name in (paths.CALIBRATION_MAPS, paths.TEST_MAPS)
        )
        self.whole: dict[str, np.ndarray] = {}  # pixel metrics without a foreground: the value, then draws
        self.inside = np.ones_like(self.maps[1], dtype=bool)

    def rank(self, foreground: str, calibration: np.ndarray, test: np.ndarray) -> list[str]:
        """AUROC, and what a conformal threshold makes of the scores."""
        labels = self.run.labels
        found = verdicts(labels, calibration, test, alpha=self.params.threshold.alpha)
        gain = delong(labels, test, self.scores[1])
        same = foreground == "none" or gain is None
        return [
            with_interval(labels, test, draws=DRAWS),
            "-" if same or gain is None else f"{gain.value:+.4f} [{gain.low:+.3f}, {gain.high:+.3f}]",
            "-" if found.f1 is None else f"{found.f1:.3f}",
            str(found.false_positives),
            str(found.false_negatives),
        ]

    def localize(self, good_maps: np.ndarray, test_maps: np.ndarray) -> list[str]:
        """Pixel metrics with paired intervals of what they gain, and the share of defect pixels outside."""
        if not paths.MASKS.is_file():
            return ["-"] * 7
        masks, chosen = self.run.array(paths.MASKS), self.params.evaluate
        size, labels = masks.shape[1], self.run.labels
        good, test = (FullMaps(maps, size, chosen.map_sigma * size) for maps in (good_maps, test_maps))
        ids = np.asarray(self.run.manifest["image_id"])[self.run.test].tolist()
        pictures = PixelPictures(test, RowView(masks, self.run.test), labels, ids)
        threshold = pixel_threshold_from_good(good, "pixel_share", chosen.pixel_rate)
        marked, counts = pixel_confusion(pictures, threshold.value), count_pixels(pictures)
        found = metrics_of(counts)
        draws = pixel_bootstrap_samples(grid_counts(pictures, counts), labels, draws=DRAWS, seed=0)
        named = {"pixel_auroc": found.auroc, "aupro": found.aupro}
        values = {name: np.array([value, *draws[name]], dtype=np.float64) for name, value in named.items()}
        cells = []
        for name, drawn in values.items():
            cells += [_shown(drawn, ""), _shown(drawn - self.whole[name], "+") if self.whole else "-"]
        self.whole = self.whole or values
        defect = masks[self.run.test] != 0
        outside = (defect & ~enlarged(self.inside, size)).sum() / defect.sum()
        return [*cells, *("-" if value is None else f"{value:.{digits}f}" for value, digits in (
            (found.aupimo, 4), (marked.f1, 3)
        )), f"{outside:.2%}"]  # fmt: skip

    def rows(self) -> list[list[str]]:
        """One line without a foreground, one with."""
        table = [[self.method, "none", "100%", *self.rank("none", *self.scores), *self.localize(*self.maps)]]
        train, test = (RowView(self.patches, rows) for rows in (self.run.train, self.run.test))
        foreground = fit_foreground(train)
        print(f"{self.method}: {foreground.reason or 'an object and its background'}", flush=True)
        own = np.searchsorted(self.run.train, self.calibration)
        given = ((RowView(self.patches, self.calibration), own), (test, None))
        found = [
            foreground_scores(
                self.detector.bank, foreground, pictures, maps, self.detector.options, leave_out=leave_out
            )
            for (pictures, leave_out), maps in zip(given, self.maps, strict=True)
        ]
        self.inside = foreground.masks(test)
        kept, scores = zip(*found, strict=True)
        share = f"{self.inside.mean():.0%}"
        return [*table, [self.method, "pca", share, *self.rank("pca", *scores), *self.localize(*kept)]]


def enlarged(inside: np.ndarray, size: int) -> np.ndarray:
    """Patches as pixels: bool `(N, h, w)` to `(N, size, size)`."""
    down, across = (np.arange(size) * side // size for side in inside.shape[1:])
    return np.asarray(inside[:, down[:, None], across])


def draw(cases: list[Case], file: Path) -> None:
    """Evenly spaced test pictures, one line for each method, darkened where patches do not count."""
    lines = []
    for case in cases:
        images = case.run.array(paths.IMAGES)
        chosen = np.linspace(0, len(case.run.test) - 1, SHOWN).astype(int)
        bright = np.where(enlarged(case.inside[chosen], images.shape[1]), 1.0, DARK)
        drawn = (images[case.run.test[chosen]] * bright[..., None]).astype(np.uint8)
        lines.append(np.concatenate([np.asarray(Image.fromarray(one).resize((SIDE, SIDE))) for one in drawn], axis=1))
    Image.fromarray(np.concatenate(lines)).save(file)


def _shown(values: np.ndarray, sign: str) -> str:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return f"{values[0]:{sign}.4f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("methods", nargs="*", default=METHODS, help=f"default: {' and '.join(METHODS)}")
    parser.add_argument("--pictures", type=Path, help="file to draw test pictures into")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of the methods asked for, and draw the picture if one is asked for."""
    asked, params = options().parse_args(arguments), load_params()
    print(machine("numpy"))
    cases = [Case(method, params) for method in asked.methods]
    print(as_markdown(HEADER, [row for case in cases for row in case.rows()], padded=True))
    if asked.pictures:
        draw(cases, asked.pictures)


if __name__ == "__main__":
    main()
