"""A small project that runs in seconds: carpets of 64 px, random tiny backbones, a repository of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from tests.helpers import ROOT

TINY = {
    "data": {
        "source": "synthetic", "category": "carpet",
        "synthetic": {"train": 16, "good": 6, "defective": 2, "size": 64},
    },
    "compute": {"device": "cpu", "threads": 2, "batch_size": 8},
    "preprocess": {"image_size": 64},
    "ae": {"width": 4, "latent_channels": 4, "epochs": 2, "batch_size": 4},
    "resnet": {"model": "test_resnet", "patches": {"layers": [1, 2]}},
    "vit": {"model": "test_vit", "patches": {"layers": [2, 4]}},
    "method": {"k": 2},
    "threshold": {"alpha": 0.25},
    "evaluate": {"bootstrap": 50, "strip": 2},
}  # fmt: skip


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> dict[str, Path]:
    """Random weights of two tiny timm models, as safetensors files."""
    import timm
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights")
    files = {}
    for seed, name in enumerate(("test_resnet", "test_vit")):
        torch.manual_seed(seed)
        model = timm.create_model(name, pretrained=False, num_classes=0)
        files[name] = folder / f"{name}.safetensors"
        save_file(model.state_dict(), files[name])
    return files


@pytest.fixture(scope="session")
def tiny_template(tmp_path_factory, tiny_weights) -> Path:
    """A Git and DVC repository with this project's code and the tiny parameters; copy it, do not change it."""
    folder = tmp_path_factory.mktemp("template")
    for name in ("iad", ".dvc/plots"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "data/.gitignore"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    set_params(ROOT / "params.yaml", folder / "params.yaml", tiny_overlay(tiny_weights))
    run(folder, "git", "init", "--quiet")
    commit(folder, "start")
    return folder


@pytest.fixture
def tiny_project(tiny_template, tmp_path) -> Path:
    """A fresh copy of the tiny repository, with nothing computed."""
    return Path(shutil.copytree(tiny_template, tmp_path / "project"))


def tiny_overlay(weights: dict[str, Path]) -> dict:
    overlay = {section: dict(values) for section, values in TINY.items()}
    for section in ("resnet", "vit"):
        overlay[section]["weights"] = f"file:{weights[overlay[section]['model']]}"
    return overlay


def set_params(source: Path, target: Path, overlay: dict) -> None:
    """Write `source`'s parameters, with those of `overlay` in their place, to `target`."""
    yaml = YAML(typ="rt")
    values = yaml.load(source.read_text())
    merge(values, overlay)
    with target.open("w") as file:
        yaml.dump(values, file)


def merge(values: dict, overlay: dict) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            merge(values[key], value)
        else:
            values[key] = in_one_line(value) if isinstance(value, list) else value


def in_one_line(items: list) -> CommentedSeq:
    sequence = CommentedSeq(items)
    sequence.fa.set_flow_style()
    return sequence


def environment() -> dict[str, str]:
    """The variables of a repository of its own: this Python first, its own Git identity, no user settings."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.invalid",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.invalid",
        "DVC_NO_ANALYTICS": "1",
    }


def run(folder: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command in a repository of its own, and fail with all that it printed."""
    found = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=600)
    assert not check or found.returncode == 0, (
        f"{command} ended with {found.returncode}\n{found.stdout}\n{found.stderr}"
    )
    return found


def commit(folder: Path, message: str) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--allow-empty", "--message", message)
