"""What the package needs is declared, what is declared is needed, and inspecting needs less than the pipeline."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from zipfile import ZipFile

import pytest

from iad import paths
from tests.conftest import environment, run
from tests.helpers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ROOMS = ("iad", "tests", "benchmarks")
CALLED = {  # declared and not imported: where each is called instead
    "python-multipart": "iad/serve/http/app.py",
    "pip": "iad/data/wheels.py",
    "pytest-xdist": "Makefile",
    "ruff": "Makefile",
    "mypy": "Makefile",
    "uv": "Makefile",
    "hatchling": "pyproject.toml",
    "editables": "pyproject.toml",
    "pre-commit": ".pre-commit-config.yaml",
    "flask": "tests/object_storage.py",
    "flask-cors": "tests/object_storage.py",
    "ruamel-yaml-clib": "pyproject.toml",
    "onnxscript": "iad/export/writing.py",  # PyTorch's exporter imports it
}
CALLS = {
    "python-multipart": "python_multipart",
    "pytest-xdist": r"pytest -n",
    "editables": "hatchling needs it",
    "ruamel-yaml-clib": "with it ruamel.yaml reads in C",
}
PEERS = {"anomalib"}  # benchmarks import them where somebody installed them
NAMES = {"faiss": "faiss-cpu"}  # not installed everywhere, so that their distribution cannot be asked for


INSTALLED = packages_distributions()  # takes a second
OF_USERS = ("pipeline", "faiss", "ray", "serve", "mqtt", "opcua", "camera", "export", "explain")
EXTRAS = (*OF_USERS, "s3", "dev")


def distribution(module):
    found = min(INSTALLED.get(module, [NAMES.get(module, module)]), key=len)  # of several, the one without suffixes
    return re.sub(r"[._]", "-", found).lower()


@cache
def imported(room):
    """Distributions that a folder imports, at the top of a module or inside a function, with one file that does."""
    found = {}
    for file in sorted((ROOT / room).rglob("*.py")):
        beside = {path.stem for path in file.parent.glob("*.py")} if room == "benchmarks" else set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in {name.partition(".")[0] for name in names} - {
                *sys.stdlib_module_names,
                *ROOMS,
                *PEERS,
                *beside,
            }:
                found.setdefault(distribution(name), file.relative_to(ROOT).as_posix())
    return found


def declared(*extras):
    """Names of the distributions that pyproject.toml declares."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    return {re.sub(r"[._]", "-", re.match(r"[\w.-]+", line)[0]).lower() for line in lines}


def test_every_imported_package_is_declared():
    needed = {room: imported(room) for room in ROOMS}
    # the package may import what users can have
    assert needed["iad"].keys() - declared(*OF_USERS) == set(), needed["iad"]
    # its tests and benchmarks also the tools of its developers
    for room in ("tests", "benchmarks"):
        assert needed[room].keys() - declared(*EXTRAS) == set(), needed[room]


def test_every_declared_package_is_imported_or_called():
    needed = {name for room in ROOMS for name in imported(room)}
    assert declared(*EXTRAS) - needed == set(CALLED)
    assert declared(*OF_USERS) - imported("iad").keys() == {
        "dvc",
        "onnxscript",
        "pip",
        "python-multipart",
        "ruamel-yaml-clib",
    }  # dvc runs the stages
    for name, file in CALLED.items():
        assert re.search(CALLS.get(name, re.escape(name)), (ROOT / file).read_text(encoding="utf-8")), name


BLOCK = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {blocked!r} else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Without, sys.meta_path)
"""
PIPELINE_ALONE = {
    "dvc", "faiss", "fastapi", "matplotlib", "onnx", "pip", "prometheus_client", "ray", "ruamel",
    "scmrepo", "starlette", "uvicorn",
}  # fmt: skip


def without_the_pipeline(folder, code):
    """Run code in a process where the packages of the pipeline are absent."""
    command = [sys.executable, "-c", BLOCK.format(blocked=PIPELINE_ALONE) + code]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)


def test_what_inspects_pictures_imports_without_the_pipeline():
    code = (
        "import iad.features.embedder, iad.fitting\n"
        "from iad.bundles import bundle, extend, predictor, verdicts\n"
        "from iad.detectors import detector_class, detector_names\n"
        "print(*[detector_class(name).__module__ for name in detector_names()])\n"
        "sys.argv = ['iad', 'predict', '--help']\n"
        "from iad.cli import main\n"
        "main()\n"
    )
    done = without_the_pipeline(ROOT, code)
    assert done.returncode == 0, done.stderr
    assert "iad.detectors.patch.detector" in done.stdout
    assert "Exit code" in done.stdout


def test_what_is_absent_is_seen():
    done = without_the_pipeline(ROOT, "import iad.presets")
    assert "ModuleNotFoundError: No module named 'ruamel" in done.stderr


@pytest.mark.parametrize("method", ["patch_vit"])
def test_pictures_are_inspected_without_the_pipeline_and_the_repository(method, reproduced_copy, tmp_path):
    run(reproduced_copy, sys.executable, "-m", "iad", "bundle", method, "--with-weights", "--out", "line.iad")
    line = tmp_path / "line"
    line.mkdir()
    shutil.copytree(reproduced_copy / "iad", line / "iad")
    shutil.copy(reproduced_copy / "line.iad", line)
    with ZipFile(reproduced_copy / paths.ORIGINALS) as archive:
        names = [name for name in archive.namelist() if name.startswith("test/")][:3]
        archive.extractall(line / "new", names)
    code = (
        "sys.argv = ['iad', 'predict', 'line.iad', 'new', '--out', 'verdicts.csv']\nfrom iad.cli import main\nmain()\n"
    )
    done = without_the_pipeline(line, code)
    assert done.returncode in (0, 3), done.stderr
    assert len((line / "verdicts.csv").read_text().splitlines()) == 4
