"""A tiny project that ran as far as the thresholds of every method, its pictures as files, and bundles of it."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from typer.testing import CliRunner, Result

from iad import paths
from iad.bundles.bundle import read_bundle
from iad.bundles.pictures import PictureSet, described
from iad.bundles.sealed import read_sealed, write_sealed
from iad.cli import app
from iad.config import load_params
from iad.data.manifest import read_manifest
from iad.data.pictures import Look
from iad.detectors import detector_names, section_of
from iad.stages.align import align
from iad.stages.download import download
from iad.stages.extract_resnet import extract_resnet
from iad.stages.extract_vit import extract_vit
from iad.stages.preprocess import preprocess
from iad.stages.score import score
from iad.stages.threshold import threshold
from iad.stages.train_ae import train_ae
from tests.conftest import set_params, shared

PICTURES = Path("pictures")  # a folder of pictures per split
CLASSICAL = tuple(name for name in detector_names() if section_of(name).startswith("classical."))
OF_PLACES = ("padim", "subspace")
WITH_MAPS = ("ae", "resnet", "vit", "patch_resnet", "patch_vit", "hybrid", *OF_PLACES)
METHODS = (*WITH_MAPS, *CLASSICAL)
ADDED = {
    name: {"detector": name, "reads": "extract_vit", "params": section_of(name)} for name in (*CLASSICAL, *OF_PLACES)
}  # fmt: skip
FEW = {"lof": {"n_neighbors": 5}, "kmeans": {"clusters": 3}, "gmm": {"components": 2}, "isolation_forest": {"trees": 9}}
EVERY = {
    "compute": {"precision": "fp32"}, "evaluate": {"red_rate": 0.5}, "classical": FEW, "methods": ADDED,
}  # fmt: skip


def every_method(factory: Any, template: Path) -> Path:
    """The project in which every method ran; copy it, do not change it."""
    return shared(factory, "every_method", lambda folder: run_project(template, folder, EVERY))


def copy_of(finished: Path, folder: Path) -> Path:
    return Path(shutil.copytree(finished, folder))


def run_project(template: Path, folder: Path, overlay: dict[str, Any], methods: tuple[str, ...] = METHODS) -> None:
    """Run the stages that the methods need, in `folder`, and write every picture below `PICTURES`."""
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns("iad", ".git", ".dvc"), dirs_exist_ok=True)
    set_params(folder / paths.PARAMS, folder / paths.PARAMS, overlay)
    with chdir(folder):
        reads = {load_params().methods[method].reads for method in methods}
        download()
        preprocess()
        for stage in (train_ae, extract_resnet, extract_vit):
            if stage.__name__ in reads:
                stage()
        score_again(methods)
        write_pictures()


def score_again(methods: tuple[str, ...]) -> None:
    """Score and set thresholds in the current folder; a hybrid comes after its members."""
    for method in sorted(methods, key=lambda method: method == "hybrid"):
        if method == "hybrid":
            align(method)
        score(method)
        threshold(method)


def write_pictures() -> None:
    manifest = read_manifest(paths.MANIFEST)
    with ZipFile(paths.ORIGINALS) as archive:
        for image_id, split in zip(manifest["image_id"], manifest["split"], strict=True):
            archive.extract(image_id, PICTURES / split)


def pictures_of(split: str, part: str = "") -> list[Path]:
    """Files of a split, sorted, of which the path below its folder holds `part`."""
    folder = PICTURES / split
    return sorted(path for path in folder.rglob("*.png") if part in path.relative_to(folder).as_posix())


def plain_set(ids: Any, sha256: Any, images: Any = None) -> PictureSet:
    """Pictures of these names and hashes that show nothing, or these images; each is 8 px wide."""
    ids, sha256 = tuple(ids), tuple(sha256)
    if images is None:
        shown = [hashlib.sha256(one.encode()).digest()[:3] for one in sha256]
        images = np.array([np.full((8, 8, 3), list(colour)) for colour in shown], np.uint8).reshape(-1, 8, 8, 3)
    return described(ids, sha256, [Look(8, 8, "lossless", 0, False, 8)] * len(ids), images)


def iad(*arguments: object, code: int | None = 0) -> str:
    """Run a command and return what it printed; a refusal is raised. `code`: the exit code, None: any."""
    found: Result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert code is None or found.exit_code == code, found.output
    return found.output


def bundle_of(method: str, *options: str) -> Path:
    """Write a bundle in the current folder."""
    iad("bundle", method, "--force", *options)
    return paths.BUNDLES / f"{method}.iad"


def reseal(path: Path, change: Any, target: Path | None = None) -> Path:
    """Write a bundle again with other content and the hash that belongs to it, as somebody who means harm would."""
    values, arrays, _ = read_sealed(path, what="bundle", remedy="")
    change(values, arrays)
    write_sealed(target or path, values, arrays)
    return target or path


def pictures_in(path: Path) -> int:
    return len(read_bundle(path)[0].pictures)
