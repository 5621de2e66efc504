"""What docs/detectors.md, docs/hybrid.md and docs/patches.md say is true: links, options, and code that runs."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from iad import paths
from iad.data.manifest import read_manifest
from iad.detectors import detector_names, section_of
from iad.io import read_table
from tests.conftest import run
from tests.helpers import ROOT, leaf_keys, read_yaml
from tests.prepared import write_features, write_prepared

PAGES = ("detectors", "hybrid", "patches")
TEXTS = {page: (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in PAGES}
PAGE = TEXTS["detectors"]


def block(place):
    """The fenced block whose first line names this place, without that line."""
    return re.search(rf"^```\w+\n# {re.escape(place)}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[1]


def test_the_worked_example_adds_a_detector(tiny_template, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = {"centroid": {"detector": "centroid", "reads": "extract_vit", "params": "centroid"}}
    write_prepared(tiny_template, tmp_path, methods=methods)
    features = write_features(Path(), paths.EXTRACT_VIT).astype(np.float64)
    shutil.copytree(ROOT / "iad", "iad", ignore=shutil.ignore_patterns("__pycache__"))
    for module in ("__init__", "detector"):
        place = Path(f"iad/detectors/centroid/{module}.py")
        place.parent.mkdir(exist_ok=True)
        place.write_text(block(place.as_posix()), encoding="utf-8")
    with paths.PARAMS.open("a", encoding="utf-8") as file:
        file.write(block("params.yaml, at its end"))
    run(tmp_path, sys.executable, "-m", "iad", "score", "centroid")
    manifest = read_manifest(paths.MANIFEST)
    mean = features[manifest["split"] == "train"].mean(axis=0)
    new = features[manifest["split"] == "test"]
    wanted = [1 - row @ mean / np.sqrt(row @ row * (mean @ mean)) for row in new]
    np.testing.assert_allclose(read_table(paths.SCORE / "centroid" / paths.TEST_SCORES)["score"], wanted)
    assert set(read_table(paths.SCORE / "centroid" / paths.CALIBRATION_SCORES)["scheme"]) == {"k_fold"}


@pytest.mark.parametrize("page", PAGES)
def test_code_that_imports_what_it_needs_runs(page):
    for code in re.findall(r"^```python\n(import .*?)^```", TEXTS[page], flags=re.MULTILINE | re.DOTALL):
        exec(compile(code, page, "exec"), {})  # noqa: S102


def test_every_detector_is_in_the_table_with_its_section():
    rows = dict(re.findall(r"^\| \[`(\w+)`\]\(\S+\) \| `([\w.*]+)`", PAGE, flags=re.MULTILINE))
    assert rows == {name: section_of(name) for name in detector_names()}


@pytest.mark.parametrize("page", PAGES)
def test_every_option_that_is_named_exists(page):
    known = leaf_keys(read_yaml(ROOT / paths.PARAMS))
    sections = {key.rpartition(".")[0] for key in known}
    sections |= {part for section in sections for part in (section, section.rpartition(".")[2]) if part}
    changed = set(re.findall(r"-S '?([a-z_.0-9]+)=", TEXTS[page]))
    assert changed - known == set()
    named = {name for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", TEXTS[page]) if not name.endswith(FILES)}
    missing = {name for name in named if not any(key == name or key.endswith(f".{name}") for key in known | sections)}
    assert missing == set()


FILES = (".py", ".md", ".yaml", ".json", ".npy", ".parquet", ".safetensors")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_and_heading_that_is_linked_exists(page):
    for target, heading in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", TEXTS[page]):
        place = (ROOT / "docs" / target) if target else ROOT / "docs" / f"{page}.md"
        assert place.is_file(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert heading in {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in headings}
