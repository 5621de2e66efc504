"""A tiny project that ran as far as the thresholds of its patch methods, and its pictures as files."""

from __future__ import annotations

import shutil
from contextlib import chdir
from pathlib import Path
from zipfile import ZipFile

from iad import paths
from iad.data.manifest import read_manifest
from iad.stages.download import download
from iad.stages.extract_resnet import extract_resnet
from iad.stages.extract_vit import extract_vit
from iad.stages.preprocess import preprocess
from iad.stages.score import score
from iad.stages.threshold import threshold
from tests.conftest import set_params

METHODS = {"patch_resnet": extract_resnet, "patch_vit": extract_vit}
PICTURES = Path("pictures")  # a folder of pictures per split


def run_project(template: Path, folder: Path, overlay: dict, methods: tuple[str, ...] = ("patch_vit",)) -> None:
    """Run the stages that patch methods need, in `folder`, and write every picture below `PICTURES`."""
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns("iad", ".git", ".dvc"))
    set_params(folder / paths.PARAMS, folder / paths.PARAMS, overlay)
    with chdir(folder):
        download()
        preprocess()
        for method in methods:
            METHODS[method]()
        score_again(methods)
        write_pictures()


def score_again(methods: tuple[str, ...] = ("patch_vit",)) -> None:
    """Score and set thresholds in the current folder."""
    for method in methods:
        score(method)
        threshold(method)


def write_pictures() -> None:
    manifest = read_manifest(paths.MANIFEST)
    with ZipFile(paths.ORIGINALS) as archive:
        for image_id, split in zip(manifest["image_id"], manifest["split"], strict=True):
            archive.extract(image_id, PICTURES / split)
