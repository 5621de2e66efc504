"""`iad export` as a user runs it: what is written, what is refused, and that nothing half-written stays."""

import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from iad.bundles.bundle import read_bundle
from iad.bundles.predictor import load
from iad.errors import IadError
from iad.export import writing
from iad.export.check import LIMITS, Checked
from iad.export.heads import head_of
from iad.export.runner import Graph
from iad.export.writing import LIGHT, PACKAGES, PROGRAM, export_bundle, program
from tests.bundled import PICTURES, iad, reseal

BLOCK = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "timm", "pydantic", "pandas", "scipy", "sklearn", "onnx", "typer"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nothing())
"""


def refused(*arguments, match, **options):
    with pytest.raises(IadError, match=match) as caught:
        export_bundle(*arguments, **{"format": "onnx"} | options)
    assert "\n" not in str(caught.value)


@pytest.fixture
def graph_copy(exported, tmp_path):
    """A folder with a graph, to do with as a test likes."""
    return shutil.copytree(exported("zscore").graph.parent, tmp_path / "graph") / exported("zscore").graph.name


def test_the_command_writes_a_graph_that_says_what_it_is(bundle_at, tmp_path, here):
    file = bundle_at("ae")
    said = iad("export", file, "--format", "onnx", "--out", tmp_path / "out", "--check", PICTURES / "test")
    graph, (bundle, digest) = Graph(tmp_path / "out/ae.onnx"), read_bundle(file)
    assert re.search(r"checked    \d+ pictures: scores differ by up to .* of the threshold.*; 0 verdicts flipped", said)
    assert graph.sha256 in said
    card = graph.card
    assert (card["threshold"], card["promise"]) == (bundle.threshold.value, bundle.threshold.guarantee)
    assert card["bundle"] == {"name": "ae.iad", "sha256": digest}
    assert card["check"]["flipped"] == 0
    assert card["check"]["score_difference"] <= LIMITS["fp32"][0]
    assert not card["check"]["generated"]
    assert set(card["outputs"]) == {"score", "p_value", "rejected", "anomaly_map"}
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["ae.onnx", PROGRAM]


def test_the_program_inspects_without_the_packages_that_fit(exported, bundle_at, tmp_path, here):
    (tmp_path / "sitecustomize.py").write_text(BLOCK)
    made = exported("patch_resnet")
    shutil.copytree(PICTURES / "test", tmp_path / "new")
    (tmp_path / "new/torn.png").write_bytes(b"no picture")
    command = [
        sys.executable,
        made.graph.parent / PROGRAM,
        made.graph,
        "new",
        "--out",
        "verdicts.csv",
        "--maps",
        "maps",
    ]
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path), "PATH": ""}
    )
    wanted = list(load(bundle_at("patch_resnet")).predict(tmp_path / "new", errors="return"))
    rejected = sum(one.rejected is True for one in wanted)
    assert ran.returncode == (3 if rejected else 4), ran.stderr
    read = sum(one.rejected is not None for one in wanted)
    assert f"{rejected} of {read} rejected" in ran.stdout
    assert "not read: new/torn.png: the content is not a picture" in ran.stdout
    assert len((tmp_path / "verdicts.csv").read_text().splitlines()) == 1 + len(wanted)
    maps = sorted((tmp_path / "maps").iterdir())
    assert len(maps) == len(wanted) - 1
    assert np.load(maps[0]).shape == wanted[0].anomaly_map.shape
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)})
    assert (again.returncode, again.stderr) == (1, "inspect: verdicts.csv: exists already; name another with --out\n")


def test_the_program_holds_all_that_it_imports_and_its_bytes_depend_on_nothing_else(tmp_path):
    assert program() == program()
    (tmp_path / PROGRAM).write_bytes(program())
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / PROGRAM)!r}); import iad.export.inspect; "
        "print(*(name for name in sys.modules if name.partition('.')[0] == 'iad'))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert {*LIGHT, *PACKAGES} == set(ran.stdout.split())


@pytest.mark.parametrize("place", [100, -100])
def test_a_graph_that_was_altered_is_refused(graph_copy, place):
    content = bytearray(graph_copy.read_bytes())
    content[place] ^= 1
    graph_copy.write_bytes(content)
    with pytest.raises(IadError, match="altered since it was exported"):
        Graph(graph_copy)


def test_a_threshold_that_was_altered_is_refused(graph_copy):
    value = json.dumps(Graph(graph_copy).threshold).encode()
    graph_copy.write_bytes(graph_copy.read_bytes().replace(value, b"9" * len(value)))
    with pytest.raises(IadError, match="altered since it was exported"):
        Graph(graph_copy)


@pytest.mark.parametrize(
    ("pixels", "match"),
    [
        (np.zeros((4, 4), np.uint8), "give uint8"),
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((0, 4, 3), np.uint8), "give uint8"),
        (np.zeros((1, 70_000, 3), np.uint8), "the graph takes up to"),
    ],
)
def test_what_is_no_picture_is_refused(exported, pixels, match):
    with pytest.raises(IadError, match=match):
        Graph(exported("zscore").graph).inspect(pixels)


def test_a_graph_that_says_something_else_is_not_written(bundle_at, tmp_path, monkeypatch, here):
    monkeypatch.setattr(writing, "check", lambda *_, **__: Checked(10, False, 2e-4, None, 1))
    refused(bundle_at("zscore"), match="1 of 10 verdicts flipped.*nothing was written", out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_pictures_that_cannot_be_read_are_told_and_the_graph_is_checked_on_the_others(bundle_at, tmp_path, here):
    new = tmp_path / "new"
    shutil.copytree(PICTURES / "test", new)
    (new / "worn.png").write_text("no picture")
    readable = len(list(new.rglob("*.png"))) - 1
    made = export_bundle(bundle_at("zscore"), format="onnx", checked_on=new, out=tmp_path / "out")
    assert (made.checked.pictures, made.checked.generated) == (readable, False)
    assert [one.partition(": ")[0] for one in made.unread] == [str(new / "worn.png")]
    (tmp_path / "worn").mkdir()
    (new / "worn.png").rename(tmp_path / "worn" / "a.png")
    refused(bundle_at("zscore"), checked_on=tmp_path / "worn", out=tmp_path / "o", match="none of 1 picture can be")


def test_options_that_do_not_fit_are_refused_before_anything_is_computed(bundle_at, tmp_path, here):
    file, out = bundle_at("zscore"), tmp_path / "out"
    refused(file, format="tflite", out=out, match="--format = tflite: use one of onnx, openvino")
    refused(file, precision="int4", out=out, match="--precision = int4: use one of fp32, int8")
    refused(file, precision="int8", out=out, match="--calibrate")
    refused(file, calibrated_on=PICTURES, out=out, match="--calibrate is for --precision int8")
    refused(file, checked_on=tmp_path / "none", out=out, match="no such file or folder")
    refused(tmp_path / "none.iad", out=out, match="no such file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    refused(file, out=tmp_path / "full", match="holds files already")
    refused(file, out=PICTURES, checked_on=PICTURES, match="is an input")


def test_with_force_files_of_one_name_are_replaced_and_others_stay(exported, bundle_at, graph_copy):
    (graph_copy.parent / "notes.txt").touch()
    graph_copy.write_bytes(b"old")
    made = export_bundle(bundle_at("zscore"), format="onnx", out=graph_copy.parent, force=True)
    assert Graph(graph_copy).sha256 == made.sha256 == exported("zscore").sha256  # the same bundle gives the same bytes
    assert (graph_copy.parent / "notes.txt").exists()


def test_what_cannot_be_exported_is_refused_by_name(bundle_at, tmp_path, here):
    def change(values, _):
        values["fitted"]["options"]["aggregate"] = "reweighted"

    file = reseal(bundle_at("patch_resnet"), change, tmp_path / "other.iad")
    match = "patch_resnet: patch.aggregate = reweighted cannot be exported; fit the method with"
    refused(file, out=tmp_path / "out", match=match)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        ("knn", {"index": "hnsw"}, "m: method.index = hnsw cannot be exported"),
        ("patch", {"aggregate": "top"}, "m: patch.foreground = pca cannot be exported"),
    ],
)
def test_a_detector_that_cannot_be_exported_is_refused_by_its_option(kind, options, match):
    detector = SimpleNamespace(options=SimpleNamespace(**options), foreground=SimpleNamespace(reason=""))
    with pytest.raises(IadError, match=match):
        head_of(kind, detector, "m")
