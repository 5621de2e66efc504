"""A small project that runs in seconds: carpets of 64 px, random tiny backbones, a repository of its own.

Tests may run in several processes (`pytest -n 2 --dist loadfile`), which share what takes long to make.
"""

from __future__ import annotations

import compileall
import os

if "PYTEST_XDIST_WORKER" in os.environ:  # one thread each, before PyTorch counts the cores
    os.environ["OMP_NUM_THREADS"] = "1"

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from iad.compute import usable_cores
from tests.helpers import ROOT, load_pipeline, run_here

settings.register_profile("busy", deadline=None)  # no test fails because the machine is busy
settings.load_profile("busy")

LONGEST = ("test_pipeline.py", "test_dvc_deps.py", "test_adding.py")
"""Files of tests that take minutes; they start first, so that no process is left alone with one at the end."""

TINY = {
    "data": {
        "source": "synthetic", "category": "carpet",
        "synthetic": {"train": 16, "good": 6, "defective": 2, "size": 64},
    },
    "compute": {"device": "cpu", "threads": 1, "batch_size": 8},
    "preprocess": {"image_size": 64},
    "ae": {"width": 4, "latent_channels": 4, "epochs": 2, "batch_size": 4},
    "resnet": {"model": "test_resnet", "patches": {"layers": [1, 2]}},
    "vit": {"model": "test_vit", "patches": {"layers": [2, 4]}},
    "method": {"k": 2},
    "threshold": {"alpha": 0.25},
    "evaluate": {"bootstrap": 50, "strip": 2},
}  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes `-n auto` starts."""
    return usable_cores()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first process to ask for it makes, for all processes of this run."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared" / name
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        made = Path(f"{folder}.made")
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks this small run faster on one thread, above all beside other work; and sums come out in one order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def as_the_pipeline(one_thread, monkeypatch) -> None:
    """As many threads as the tiny pipeline has, and no card, so that the same numbers come out to the last bit."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> dict[str, Path]:
    """Random weights of two tiny timm models, as safetensors files."""
    names = ("test_resnet", "test_vit")

    def make(folder: Path) -> None:
        import timm
        import torch
        from safetensors.torch import save_file

        for seed, name in enumerate(names):
            torch.manual_seed(seed)
            model = timm.create_model(name, pretrained=False, num_classes=0)
            save_file(model.state_dict(), folder / f"{name}.safetensors")

    folder = shared(tmp_path_factory, "weights", make)
    return {name: folder / f"{name}.safetensors" for name in names}


@pytest.fixture(scope="session")
def tiny_template(tmp_path_factory, tiny_weights) -> Path:
    """A Git and DVC repository with this project's code and the tiny parameters; copy it, do not change it."""

    def make(folder: Path) -> None:
        for name in ("iad", ".dvc/plots"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(folder / "iad", quiet=1)  # once, and not in every command that a test runs
        for name in ("dvc.yaml", ".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "data/.gitignore"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        set_params(ROOT / "params.yaml", folder / "params.yaml", tiny_overlay(tiny_weights))
        run(folder, "git", "init", "--quiet")
        commit(folder, "start")

    return shared(tmp_path_factory, "template", make)


@pytest.fixture(scope="session")
def reproduced(tiny_template, tmp_path_factory) -> Path:
    """The tiny project as `dvc repro` leaves it, committed; copy it, do not change it.

    The stages run in this process, which has PyTorch in memory already; `dvc commit` then records what they left.
    """

    def make(folder: Path) -> None:
        shutil.copytree(tiny_template, folder, dirs_exist_ok=True)
        with chdir(folder):
            for stage in load_pipeline(folder).values():
                run_here(stage)
        run(folder, *DVC, "commit", "--force")
        commit(folder, "results")

    return shared(tmp_path_factory, "reproduced", make)


@pytest.fixture(scope="session")
def finished(tiny_template, tmp_path_factory) -> Path:
    """The tiny project in which every method ran; read it, do not change it."""
    from tests.bundled import every_method  # which uses this module

    return every_method(tmp_path_factory, tiny_template)


@pytest.fixture
def here(finished, monkeypatch) -> Path:
    """The current folder is that project."""
    monkeypatch.chdir(finished)
    return finished


@pytest.fixture
def reproduced_copy(reproduced, tmp_path) -> Path:
    """A copy of the reproduced project, cache included."""
    return Path(shutil.copytree(reproduced, tmp_path / "project"))


@pytest.fixture
def tiny_project(tiny_template, tmp_path) -> Path:
    """A fresh copy of the tiny repository, with nothing computed."""
    return Path(shutil.copytree(tiny_template, tmp_path / "project"))


DVC = (sys.executable, "-m", "dvc")


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
        "OMP_NUM_THREADS": "1",
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
