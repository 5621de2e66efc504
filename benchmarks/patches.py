"""Patch methods: AUROC with other options and layers, and the time of one picture.

Run it from the repository's top folder after `dvc repro`: python benchmarks/patches.py [options] [layers] [picture]
`options` scores the patches that the last run kept in other ways, `layers` extracts other layers, `picture` times one
picture from its pixels to its score. All three without arguments.

python benchmarks/patches.py turns [resnet] [vit] [1] [2m] [4] ... adds turned copies of the training pictures to the
bank, so many directions, m: each mirrored too. It needs `dvc repro preprocess` alone, and extracts what it compares.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from iad.features.rotation import Orientation, Oriented, orientations
from iad.report.tables import as_markdown

from iad import compute, paths
from iad.config import load_params
from iad.data.manifest import read_manifest, rows_of
from iad.decision.thresholds import is_anomalous, set_threshold
from iad.detectors.aggregation import aggregate_maps
from iad.detectors.patch.memory_bank import MemoryBank
from iad.detectors.patch.scores import draw_pictures
from iad.features.embedder import Embedder
from iad.io import open_array
from iad.metrics.image import auroc, confusion
from iad.statistics.bootstrap import bootstrap_intervals
from iad.statistics.comparison import delong

SOURCES = {"resnet": paths.EXTRACT_RESNET, "vit": paths.EXTRACT_VIT}
TURNS = ("1", "2m", "4", "4m")
LAYERS = {"resnet": [(1,), (2,), (3,), (2, 3)], "vit": [(3,), (5,), (7,), (9,), (11,), (5, 7), (3, 5, 7)]}
SCORES = [(1, 0.0), (3, 0.0), (3, 0.25), (3, 0.5), (5, 0.0), (5, 0.25), (10, 0.0)]  # worst places, share of the median
HEADER = ["backbone", "option", "AUROC [95 %]", "F1", "false alarms", "misses"]
WARM_UP, TIMED = 3, 20
AS_TAKEN = Orientation(0, flipped=False)


class Case:
    """One backbone of the last run, its manifest and its calibration pictures."""

    def __init__(self, section: str) -> None:
        self.section, self.params = section, load_params()
        self.manifest, self.images = read_manifest(paths.MANIFEST), open_array(paths.IMAGES)
        self.train, self.test = rows_of(self.manifest, "train"), rows_of(self.manifest, "test")
        self.left_out = draw_pictures(len(self.train), self.params.patch.calibration, self.params.seed)
        self.chosen = getattr(self.params, section)
        wanted = self.params.compute
        self.runtime = compute.start(
            device=wanted.device, precision=wanted.precision, threads=wanted.threads, seed=self.params.seed
        )

    def embedder(self, layers: Sequence[int], batch_size: int) -> Embedder:
        """Of the patches of these layers, of whole pictures."""
        patches = self.chosen.patches.model_copy(update={"layers": tuple(layers), "tile": 0})
        options = self.chosen.model_copy(update={"patches": patches, "depth": None})
        size = self.images.shape[1]
        return Embedder(options, size, parts=("patches",), batch_size=batch_size, runtime=self.runtime)

    def extract(self, embedder: Embedder, rows: np.ndarray, orientation: Orientation = AS_TAKEN) -> np.ndarray:
        """Patch embeddings of pictures, float16 `(K, h, w, D)`."""
        patches = np.empty((len(rows), *embedder.shapes["patches"]), np.float16)
        embedder.embed_into(Oriented(self.images, rows, orientation), {"patches": patches})
        return patches

    def judge(self, option: str, calibration: np.ndarray, test: np.ndarray) -> list[str]:
        """One row: the scores' AUROC, and what the default threshold makes of them."""
        labels = self.manifest["label"].to_numpy()[self.test]
        threshold = set_threshold(calibration, "conformal", {"alpha": 0.05}, scheme="jackknife")
        rejected = is_anomalous(test, threshold.value)
        counted, draws = confusion(labels, rejected), self.params.evaluate.bootstrap
        found = bootstrap_intervals(labels, test, rejected, draws=draws, confidence=0.95, seed=0)["auroc"]
        shown = f"{auroc(labels, test):.4f} [{found.low:.3f}, {found.high:.3f}]"
        row = [
            self.section,
            option,
            shown,
            f"{counted.f1:.3f}",
            str(counted.false_positives),
            str(counted.false_negatives),
        ]
        print("  " + "  ".join(row), flush=True)
        return row

    def distances(self, patches: np.ndarray, bank: MemoryBank, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Maps of the calibration and of the test pictures."""
        calibration = patches[self.train[self.left_out]]
        return (
            bank.distance_maps(calibration, k=k, title="calibration", own=self.left_out),
            bank.distance_maps(patches[self.test], k=k, title="test"),
        )

    def with_copies(self, laid: Sequence[np.ndarray], test: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Scores of calibration and of test pictures, and CPU seconds per picture, where the bank holds these copies.

        `laid` are patches of the training pictures, the first as they were taken.
        """
        bank, began = MemoryBank(np.concatenate(laid, axis=1)), time.process_time()  # (n, copies * h, w, D)
        good = bank.distance_maps(laid[0][self.left_out], k=1, title="calibration", own=self.left_out)
        found = bank.distance_maps(test, k=1, title="test")
        seconds = (time.process_time() - began) / (len(good) + len(found))
        return scores(good, 3, 0.25), scores(found, 3, 0.25), seconds


def scores(maps: np.ndarray, places: int, share: float) -> np.ndarray:
    """Mean of the worst places less a share of the median."""
    worst = aggregate_maps(maps, aggregate="top", top_share=places / maps[0].size)
    return np.asarray(worst - share * np.median(maps, axis=(1, 2)))


def options() -> list[list[str]]:
    """Other ways to score the same patches."""
    rows = []
    for section, source in SOURCES.items():
        case, patches = Case(section), open_array(source / paths.PATCHES)
        for coreset in (1.0, 0.1, 0.01):
            bank = MemoryBank(patches[case.train], coreset=coreset)
            kept, found = f"coreset {coreset:g}", case.distances(patches, bank)
            for places, share in SCORES if coreset == 1 else SCORES[2:3]:
                text = f"{kept}, {places} worst places less {share:g} x median"
                rows.append(case.judge(text, *(scores(maps, places, share) for maps in found)))
            pictures = (patches[case.train[case.left_out]], patches[case.test])
            weighed = [
                bank.reweighted(*given, own=own)
                for *given, own in zip(pictures, found, (case.left_out, None), strict=True)
            ]
            rows.append(case.judge(f"{kept}, reweighted", *weighed))
    return rows


def layers() -> list[list[str]]:
    """Other layers, with the default score."""
    rows = []
    for section, choices in LAYERS.items():
        case = Case(section)
        for chosen in choices:
            embedder = case.embedder(chosen, case.params.compute.batch_size)
            patches = case.extract(embedder, np.arange(len(case.images)))
            found = case.distances(patches, MemoryBank(patches[case.train]))
            rows.append(case.judge(f"layers {list(chosen)}", *(scores(maps, 3, 0.25) for maps in found)))
    return rows


def turns(wanted: Sequence[str]) -> list[list[str]]:
    """The default score with turned copies of the training pictures in the bank; gains are against the first choice."""
    rows = []
    choices = [one for one in wanted if one not in SOURCES] or TURNS
    for section in [name for name in SOURCES if name in wanted] or SOURCES:
        case, first = Case(section), None
        labels = np.asarray(case.manifest["label"])[case.test]
        embedder = case.embedder(case.chosen.patches.layers, case.params.compute.batch_size)
        test = case.extract(embedder, case.test)
        laid: dict[Orientation, tuple[np.ndarray, float]] = {}
        for choice in choices:
            every = orientations(int(choice.removesuffix("m")), flip=choice.endswith("m"))
            for orientation in [one for one in every if one not in laid]:
                began = time.process_time()
                patches = case.extract(embedder, case.train, orientation)
                laid[orientation] = patches, time.process_time() - began
            good, found, searched = case.with_copies([laid[one][0] for one in every], test)
            row = case.judge(f"{choice}: {len(every)} orientations", good, found)
            first = found if first is None else first
            gain = delong(labels, found, first)
            shown = "-" if found is first or gain is None else f"{gain.value:+.4f} (p = {gain.p:.3f})"
            rows.append([*row, shown, f"{sum(laid[one][1] for one in every):.0f}", f"{1000 * searched:.0f}"])
            print("  " + "  ".join(rows[-1][-3:]), flush=True)
    return rows


def picture() -> None:
    """Milliseconds from the pixels of one picture to its score: network, search, aggregation.

    The network is cut behind the last layer that patches come from, as for `iad bank score`.
    """
    rows: list[list[Any]] = []
    for section, source in SOURCES.items():
        case, times = Case(section), []
        bank = MemoryBank(open_array(source / paths.PATCHES)[case.train])
        embedder = case.embedder(case.chosen.patches.layers, 1)
        for number in range(WARM_UP + TIMED):
            began = time.perf_counter()
            patches = case.extract(embedder, case.test[number : number + 1])
            scores(bank.distance_maps(patches, k=1, title="one"), 3, 0.25)
            times.append(1000 * (time.perf_counter() - began))
        side, wide = case.images.shape[1], bank.search.bank.shape
        rows.append([section, f"{side} px", f"{wide[0]:,} x {wide[1]}", f"{statistics.median(times[WARM_UP:]):.0f}"])
    print(as_markdown(["backbone", "picture", "bank", "median ms"], rows))


def main(parts: Sequence[str]) -> None:
    """Run the parts asked for and print their tables."""
    if parts[:1] == ["turns"]:
        header = [*HEADER, "AUROC gained", "CPU s to extract the training pictures", "CPU ms to search for one"]
        print(as_markdown(header, turns(parts[1:])))
        return
    for part in parts or ("picture", "options", "layers"):
        if part == "picture":
            picture()
        else:
            print(as_markdown(HEADER, {"options": options, "layers": layers}[part]()))


if __name__ == "__main__":
    main(sys.argv[1:])
