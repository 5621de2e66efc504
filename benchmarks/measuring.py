"""What benchmarks share: command lines, the machine's name, a run's results, intervals, and the cost of a process.

Imports stand in the functions that need them: some scripts measure the memory of their own process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iad import paths
from iad.compute import usable_cores

if TYPE_CHECKING:
    import pandas as pd

    from iad.compute import Runtime
    from iad.config import Params
    from iad.detectors.base import Prediction
    from iad.features.embedder import Embedder
    from iad.features.embeddings import Part
    from iad.metrics.confusion import Confusion

ROOT = Path(__file__).resolve().parents[1]
INSTRUCTIONS = {  # widest first, by their names in /proc/cpuinfo
    "amx_bf16": "AMX-BF16", "avx512_bf16": "AVX512-BF16", "avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON",
}  # fmt: skip
BACKBONES = {"resnet": paths.EXTRACT_RESNET, "vit": paths.EXTRACT_VIT}
"""Sections of `params.yaml`, and the stages that embed with them."""


def command(doc: str | None, file: str) -> argparse.ArgumentParser:
    """A command line whose `--help` is the script's docstring."""
    return argparse.ArgumentParser(
        prog=f"python benchmarks/{Path(file).name}", description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip


def choose(parser: argparse.ArgumentParser, name: str, known: Iterable[str], text: str) -> None:
    """An argument that takes any number of these words, none of them included (where `choices` refuses none)."""

    def one(word: str) -> str:
        if word not in known:
            raise argparse.ArgumentTypeError(f"no '{word}'; there are {', '.join(known)}")
        return word

    parser.add_argument(name, nargs="*", type=one, metavar=name.removesuffix("s"), help=text)


def machine(*packages: str, cores: int = 0) -> str:
    """Cores, processor, its widest instructions, system and packages: what a figure was measured on, in one line."""
    info = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    name = re.search(r"model name\s*:\s*(.+)", info)
    flags = re.search(r"(?:flags|Features)\s*:\s*(.+)", info)
    known = set(flags[1].split()) if flags else set()
    widest = next((title for flag, title in INSTRUCTIONS.items() if flag in known), platform.machine())
    processor = f"{name[1] if name else platform.processor() or platform.machine()} ({widest})"
    versions = [f"Python {platform.python_version()}", *(f"{package} {version(package)}" for package in packages)]
    return f"{cores or usable_cores()} cores of {processor}, {platform.system()}; {', '.join(versions)}"


class Run:
    """What a finished run left in a folder of stages, read when asked for.

    Attributes:
        stages: the folder.
        manifest: of all pictures.
        train: int64, rows of the training pictures.
        test: int64, rows of the test pictures.
        labels: int64, of the test pictures: 0 good, 1 defective.
    """

    def __init__(self, stages: Path = paths.STAGES) -> None:
        from iad.data.manifest import read_manifest, rows_of

        self.stages = stages
        self.manifest = read_manifest(self.within(paths.MANIFEST))
        self.train, self.test = rows_of(self.manifest, "train"), rows_of(self.manifest, "test")
        self.labels = np.asarray(self.manifest["label"])[self.test]

    def within(self, path: Path) -> Path:
        """Where an artefact of `iad.paths` is in this run."""
        return self.stages / path.relative_to(paths.STAGES)

    def array(self, path: Path) -> np.ndarray:
        """An array, memory-mapped."""
        from iad.io import open_array

        return open_array(self.within(path))

    def scores(self, method: str, name: str) -> pd.DataFrame:
        """A table of scores of a method: `paths.CALIBRATION_SCORES` or `paths.TEST_SCORES`."""
        from iad.io import read_table

        return read_table(self.within(paths.SCORE / method / name))

    def methods(self, name: str) -> list[str]:
        """Methods whose stage `score` left a file of this name, sorted."""
        return sorted(path.parent.name for path in self.within(paths.SCORE).glob(f"*/{name}"))


def unpack(archive: Path, image_ids: Iterable[str], folder: Path) -> None:
    """Write some of the pictures that `download` packed as files, called below the folder as in the manifest."""
    from zipfile import ZipFile

    with ZipFile(archive) as packed:
        packed.extractall(folder, members=list(image_ids))  # an archive of our own


def started(params: Params) -> Runtime:
    """This process set up as a stage would set it up."""
    from iad.compute import start

    chosen = params.compute
    return start(device=chosen.device, precision=chosen.precision, threads=chosen.threads, seed=params.seed)


def embedder(
    params: Params, section: str, image_size: int, *, runtime: Runtime, parts: tuple[Part, ...] = ("pooled",),
    batch_size: int = 32, **changes: Any,
) -> Embedder:  # fmt: skip
    """The backbone of a section of `params.yaml`, with some of its options changed."""
    from iad.features.embedder import Embedder

    options: Any = params.options(section).model_copy(update=changes)
    return Embedder(options, image_size, parts=parts, batch_size=batch_size, runtime=runtime, section=section)


def layers_of(model: str) -> int:
    """How many layers a timm model has, as `patches.layers` and `depth` count them."""
    import timm

    network: Any = timm.create_model(model, pretrained=False, num_classes=0)
    return len(network.feature_info)


def maps_of(prediction: Prediction) -> np.ndarray:
    """The anomaly maps of a prediction that has some."""
    if prediction.anomaly_map is None:
        raise SystemExit("the detector gives no maps")
    return prediction.anomaly_map


def with_interval(
    labels: np.ndarray, scores: np.ndarray, *, draws: int, confidence: float = 0.95, seed: int = 0, digits: int = 4
) -> str:
    """AUROC and its bootstrap interval, as a cell of a table; "-" where one class is missing."""
    from iad.metrics.image import auroc
    from iad.statistics.bootstrap import bootstrap_intervals

    scores = np.asarray(scores, dtype=np.float64)
    if (value := auroc(labels, scores)) is None:
        return "-"
    rejected = scores >= np.median(scores)  # no verdict is asked for here
    found = bootstrap_intervals(labels, scores, rejected, draws=draws, confidence=confidence, seed=seed)["auroc"]
    return f"{value:.{digits}f} [{found.low:.3f}, {found.high:.3f}]"


def verdicts(labels: np.ndarray, calibration: np.ndarray, test: np.ndarray, *, alpha: float) -> Confusion:
    """What a conformal threshold from calibration scores makes of test scores.

    Raises:
        IadError: if there are too few calibration scores for alpha.
    """
    from iad.decision.thresholds import is_anomalous, set_threshold
    from iad.metrics.confusion import confusion

    found = set_threshold(calibration, "conformal", {"alpha": alpha}, scheme="jackknife", origin="benchmark")
    return confusion(labels, is_anomalous(test, found.value))


def write_params(folder: Path, *changes: Mapping[str, Any]) -> None:
    """Write the current folder's `params.yaml` with other values, the last ones last, into another folder."""
    from iad.presets import overlay

    text = paths.PARAMS.read_text(encoding="utf-8")
    for values in changes:
        text, _ = overlay(text, json.dumps(values), "benchmark")  # JSON is YAML
    (folder / paths.PARAMS).write_text(text, encoding="utf-8")


def python(*words: str) -> list[str]:
    """A command of this Python, as `python("-m", "iad", "score", "ae")`."""
    return [sys.executable, *words]


def with_this_iad() -> dict[str, str]:
    """The variables of a process that imports this repository's `iad`, wherever it runs."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def stage(folder: Path, *words: str) -> None:
    """Run a stage of this repository's `iad` in a folder that has parameters, as `stage(folder, "score", "ae")`.

    Raises:
        SystemExit: if it fails.
    """
    if code := subprocess.run(python("-m", "iad", *words), cwd=folder, env=with_this_iad()).returncode:
        raise SystemExit(f"iad {' '.join(words)} ended with {code} in {folder}")


def clone(folder: Path) -> Path:
    """The last commit of the repository that is the current folder, inside of another folder."""
    target = folder / "iad"
    subprocess.run(["git", "clone", "--quiet", ".", str(target)], check=True)
    return target


def private_mib(pid: int) -> float:
    """Private memory of a process in MiB: RssAnon of /proc (Linux), in which mapped files do not count; 0 once gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return max([0.0, *(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("RssAnon"))])


def watched(words: list[str], folder: Path | None = None) -> tuple[str, float]:
    """Run a command to its end: what it printed, and the peak of its private memory in MiB, sampled.

    Raises:
        SystemExit: if it fails.
    """
    peak = 0.0
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(words, cwd=folder, env=with_this_iad(), stdout=printed)
        while process.poll() is None:
            peak = max(peak, private_mib(process.pid))
            time.sleep(0.01)
        if process.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
        printed.seek(0)
        return printed.read(), peak
