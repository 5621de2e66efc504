"""Patch methods: AUROC with other options and layers, and the time of one picture.

Run it from the repository's top folder after `dvc repro`: python benchmarks/patches.py [options] [layers] [picture]
`options` scores the patches that the last run kept in other ways, `layers` extracts other layers, `picture` times one
picture from its pixels to its score. All three without arguments.

python benchmarks/patches.py turns [resnet] [vit] [1] [2m] [4] ... adds rotated copies of the training pictures to the
bank, so many directions, m: each flipped too. It needs `dvc repro preprocess` alone, and extracts what it compares.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Sequence

import numpy as np
from measuring import BACKBONES, Run, command, embedder, layers_of, machine, started, verdicts, with_interval

from iad import paths
from iad.config import Params, load_params
from iad.detectors.aggregation import aggregate_maps
from iad.detectors.calibrate import draw_pictures
from iad.detectors.patch.memory_bank import MemoryBank
from iad.features.embedder import Embedder
from iad.features.views import Orientation, Oriented, orientations
from iad.statistics.comparison import delong
from iad.words import as_markdown

TURNS = ("1", "2m", "4", "4m")
LAYERS = {"resnet": [(1,), (2,), (3,), (2, 3)], "vit": [(3,), (5,), (7,), (9,), (11,), (5, 7), (3, 5, 7)]}
SCORES = [(1, 0.0), (3, 0.0), (3, 0.25), (3, 0.5), (5, 0.0), (5, 0.25), (10, 0.0)]  # worst patches, share of the median
HEADER = ["backbone", "option", "AUROC [95 %]", "F1", "false alarms", "misses"]
GAINS = ["AUROC gained", "CPU s to extract the training pictures", "CPU ms to search for one"]
WARM_UP, TIMED = 3, 20
AS_TAKEN = Orientation(0, flipped=False)


class Case:
    """One backbone of params.yaml, the pictures of the last run, and those of them that calibrate."""

    def __init__(self, section: str, params: Params) -> None:
        self.section, self.params, self.run = section, params, Run()
        self.images, self.labels = self.run.array(paths.IMAGES), self.run.labels
        self.train, self.test = self.run.train, self.run.test
        self.left_out = draw_pictures(len(self.train), params.options("patch").calibration, params.seed)
        self.kept = params.options(section).patches
        self.runtime = started(params)

    def network(self, layers: Sequence[int] | None = None, batch_size: int | None = None) -> Embedder:
        """The backbone, cut behind the last of these layers; None: those of params.yaml."""
        patches = self.kept if layers is None else self.kept.model_copy(update={"layers": tuple(layers)})
        return embedder(
            self.params, self.section, self.images.shape[1], runtime=self.runtime, parts=("patches",),
            batch_size=batch_size or self.params.compute.batch_size, patches=patches, attribution=False,
        )  # fmt: skip

    def extract(self, network: Embedder, rows: np.ndarray, orientation: Orientation = AS_TAKEN) -> np.ndarray:
        """Patch embeddings of pictures, float16 `(K, h, w, D)`."""
        patches = np.empty((len(rows), *network.shapes["patches"]), np.float16)
        network.embed_into(Oriented(self.images, rows, orientation), {"patches": patches})
        return patches

    def judge(self, option: str, calibration: np.ndarray, test: np.ndarray) -> list[str]:
        """One row: the scores' AUROC, and what a conformal threshold makes of them."""
        found = verdicts(self.labels, calibration, test, alpha=self.params.threshold.alpha)
        row = [
            self.section, option, with_interval(self.labels, test, draws=self.params.evaluate.bootstrap),
            "-" if found.f1 is None else f"{found.f1:.3f}", str(found.false_positives), str(found.false_negatives),
        ]  # fmt: skip
        print("  " + "  ".join(row), flush=True)
        return row

    def distances(self, patches: np.ndarray, bank: MemoryBank) -> tuple[np.ndarray, np.ndarray]:
        """Maps of the calibration and of the test pictures, from patches of all pictures."""
        calibration = patches[self.train[self.left_out]]
        return (
            bank.distance_maps(calibration, num_neighbors=1, leave_out=self.left_out),
            bank.distance_maps(patches[self.test], num_neighbors=1),
        )

    def with_copies(self, laid: Sequence[np.ndarray], test: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Scores of calibration and of test pictures, and CPU seconds per picture, where the bank holds these copies.

        `laid` are patches of the training pictures, the first as they were taken.
        """
        bank, began = MemoryBank(np.concatenate(laid, axis=1)), time.process_time()  # (n, copies * h, w, D)
        good = bank.distance_maps(laid[0][self.left_out], num_neighbors=1, leave_out=self.left_out)
        found = bank.distance_maps(test, num_neighbors=1)
        seconds = (time.process_time() - began) / (len(good) + len(found))
        return scores(good, 3, 0.25), scores(found, 3, 0.25), seconds


def scores(maps: np.ndarray, worst: int, share: float) -> np.ndarray:
    """Mean of the worst patches less a share of the median."""
    top = aggregate_maps(maps, aggregate="top", top_share=worst / maps[0].size)
    return np.asarray(top - share * np.median(maps, axis=(1, 2)))


def other_options(params: Params) -> list[list[str]]:
    """Other ways to score the same patches."""
    rows = []
    for section, source in BACKBONES.items():
        case = Case(section, params)
        patches = case.run.array(source / paths.PATCHES)
        pictures = (patches[case.train[case.left_out]], patches[case.test])
        for ratio in (1.0, 0.1, 0.01):
            bank = MemoryBank(patches[case.train], coreset_sampling_ratio=ratio)
            kept, found = f"coreset {ratio:g}", case.distances(patches, bank)
            for worst, share in SCORES if ratio == 1 else SCORES[2:3]:
                text = f"{kept}, {worst} worst patches less {share:g} x median"
                rows.append(case.judge(text, *(scores(maps, worst, share) for maps in found)))
            weighed = [
                bank.reweighted(*given, leave_out=own)
                for *given, own in zip(pictures, found, (case.left_out, None), strict=True)
            ]
            rows.append(case.judge(f"{kept}, reweighted", *weighed))
    return rows


def other_layers(params: Params) -> list[list[str]]:
    """Other layers, with the default score."""
    rows = []
    for section, choices in LAYERS.items():
        case = Case(section, params)
        deepest = layers_of(params.options(section).model)
        for chosen in [layers for layers in choices if layers[-1] < deepest]:
            patches = case.extract(case.network(chosen), np.arange(len(case.images)))
            found = case.distances(patches, MemoryBank(patches[case.train]))
            rows.append(case.judge(f"layers {list(chosen)}", *(scores(maps, 3, 0.25) for maps in found)))
    return rows


def turns(wanted: Sequence[str], params: Params) -> list[list[str]]:
    """The default score with rotated copies of the training pictures in the bank; gains are against the first."""
    rows = []
    choices = [one for one in wanted if one not in BACKBONES] or TURNS
    for section in [name for name in BACKBONES if name in wanted] or BACKBONES:
        case, first = Case(section, params), None
        network = case.network()
        test = case.extract(network, case.test)
        laid: dict[Orientation, tuple[np.ndarray, float]] = {}
        for choice in choices:
            every = orientations(int(choice.removesuffix("m")), flip=choice.endswith("m"))
            for orientation in [one for one in every if one not in laid]:
                began = time.process_time()
                patches = case.extract(network, case.train, orientation)
                laid[orientation] = patches, time.process_time() - began
            good, found, searched = case.with_copies([laid[one][0] for one in every], test)
            row = case.judge(f"{choice}: {len(every)} orientations", good, found)
            first = found if first is None else first
            gain = delong(case.labels, found, first)
            shown = "-" if found is first or gain is None else f"{gain.value:+.4f} (p = {gain.p:.3f})"
            rows.append([*row, shown, f"{sum(laid[one][1] for one in every):.0f}", f"{1000 * searched:.0f}"])
            print("  " + "  ".join(rows[-1][-3:]), flush=True)
    return rows


def picture(params: Params) -> list[list[str]]:
    """Milliseconds from the pixels of one picture to its score: network, search, aggregation.

    The network is cut behind the last layer that patches come from, as for `iad predict`.
    """
    rows = []
    for section, source in BACKBONES.items():
        case, times = Case(section, params), []
        bank = MemoryBank(case.run.array(source / paths.PATCHES)[case.train])
        network = case.network(batch_size=1)
        for number in range(WARM_UP + TIMED):
            began = time.perf_counter()
            patches = case.extract(network, case.test[[number % len(case.test)]])
            scores(bank.distance_maps(patches, num_neighbors=1), 3, 0.25)
            times.append(1000 * (time.perf_counter() - began))
        side, wide = case.images.shape[1], bank.search.bank.shape
        rows.append([section, f"{side} px", f"{wide[0]:,} x {wide[1]}", f"{statistics.median(times[WARM_UP:]):.0f}"])
    return rows


PARTS = {
    "picture": (["backbone", "picture", "bank", "median ms"], picture),
    "options": (HEADER, other_options), "layers": (HEADER, other_layers),
}  # fmt: skip


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)} (default: all); or turns and what it takes")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the parts asked for and print their tables."""
    parser = options()
    wanted = parser.parse_args(arguments).parts
    turning = wanted[:1] == ["turns"]
    pattern = rf"{'|'.join(BACKBONES)}|[1-9]\d*m?" if turning else "|".join(PARTS)
    if unknown := [word for word in wanted[turning:] if not re.fullmatch(pattern, word)]:
        parser.error(f"no '{unknown[0]}' here; see --help")
    params = load_params()
    print(f"{machine('torch', 'timm')}\n")
    if turning:
        print(as_markdown([*HEADER, *GAINS], turns(wanted[1:], params)))
        return
    for part in wanted or PARTS:
        header, measure = PARTS[part]
        print(as_markdown(header, measure(params)))


if __name__ == "__main__":
    main()
