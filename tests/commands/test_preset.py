"""`iad preset` changes the values of a preset in `params.yaml` and not one other byte."""

import shutil

import pytest

from iad.commands.preset import leaves, overlay, preset
from iad.detectors.classical import DETECTORS
from iad.errors import IadError
from iad.config import load_params
from iad.paths import PARAMS
from tests.helpers import ROOT

COMMITTED = (ROOT / "params.yaml").read_bytes()
PRESETS = {path.stem: path for path in sorted((ROOT / "presets").glob("*.yaml"))}


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    (tmp_path / "params.yaml").write_bytes(COMMITTED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def without_values(text):
    """The text with every value blanked out, and the blanks before a comment."""
    keys = leaves(text, "here")
    bare, _ = overlay(text, dict.fromkeys(keys, "x"))
    return bare


def test_offline_is_what_the_repository_comes_with(capsys):
    preset("offline")
    assert PARAMS.read_bytes() == COMMITTED
    assert capsys.readouterr().out == "params.yaml already equals preset 'offline'\n"


def test_every_preset_sets_every_key_that_any_preset_sets():
    keys = {name: set(leaves(path.read_text(), name)) for name, path in PRESETS.items()}
    assert len(keys) >= 2
    assert all(found == keys["offline"] for found in keys.values())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_writes_its_values_and_leaves_the_rest(name):
    preset(name)
    wanted, before = leaves(PRESETS[name].read_text(), name), leaves(COMMITTED.decode(), "before")
    assert leaves(PARAMS.read_text(), "after") == before | wanted
    assert without_values(PARAMS.read_text()) == without_values(COMMITTED.decode())
    load_params()


@pytest.mark.parametrize("name", PRESETS)
def test_one_preset_undoes_another_to_the_byte(name):
    preset(name)
    preset("offline")
    assert PARAMS.read_bytes() == COMMITTED


def test_report_is_the_original_studys_set_up(capsys):
    preset("report")
    params = load_params()
    assert (params.data.source, params.data.category) == ("mvtec", "screw")
    assert (params.resnet.model, params.vit.model) == ("resnet50", "vit_base_patch16_224")
    assert {params.resnet.weights, params.vit.weights} == {"hub"}
    assert {params.resnet.normalize, params.vit.normalize} == {"imagenet"}
    assert params.vit.pooling == "token_mean"
    assert params.method.model_dump() == {
        "k": 1, "metric": "cosine", "standardize": True, "aggregate": "kth", "pca": 0, "index": "exact",
    }  # fmt: skip
    assert params.reconstruction.aggregate == "mean"
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "params.yaml now equals preset 'report':"
    assert "  method.k: 5 -> 1" in said


def test_classical_switches_every_classical_detector_on_beside_the_usual_methods(capsys):
    usual = load_params()
    preset("classical")
    params = load_params()
    added = {name: dict(spec) for name, spec in params.methods.items() if name not in usual.methods}
    assert added == {name: {"reads": "extract_vit", "params": f"classical.{name}"} for name in DETECTORS}
    assert params.model_dump(exclude={"methods"}) == usual.model_dump(exclude={"methods"})
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "params.yaml now equals preset 'classical':",
        f"  methods: ae, resnet, vit, patch_resnet, patch_vit, hybrid -> {', '.join(params.methods)}",
    ]


def test_methods_are_replaced_as_a_whole_in_any_style_and_comments_below_stay():
    new = {("methods",): "\n  b: {reads: y}\n  c: {reads: z}"}
    replaced = "methods:\n  b: {reads: y}\n  c: {reads: z}"
    # in block style, before another section
    text = "methods:   # which\n  a: {reads: x}\n\n# below\nseed: 0\n"
    assert overlay(text, new) == (f"{replaced}\n\n# below\nseed: 0\n", ["methods: a -> b, c"])
    # in flow style, with the line ends of Windows
    assert overlay("methods: {a: {reads: x}}\r\n", new)[0] == replaced.replace("\n", "\r\n") + "\r\n"
    # already so
    assert overlay(f"{replaced}\n", new) == (f"{replaced}\n", [])


def test_without_a_name_the_presets_are_listed(capsys):
    preset()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PRESETS)
    assert all(len(line.split()) > 3 for line in lines)
    assert PARAMS.read_bytes() == COMMITTED


def test_values_may_be_quoted_flowing_or_absent_and_lines_may_end_as_on_windows():
    text = "a: 'it''s # x'  # c\r\nb: {c: 1, d: [1, 2]}\r\ne:   # none\r\nf:\r\n"
    new, changes = overlay(text, {("a",): "y", ("b", "d"): "3", ("e",): "4", ("f",): "5"})
    assert new == "a: y            # c\r\nb: {c: 1, d: 3}\r\ne: 4 # none\r\nf: 5\r\n"
    assert changes == ["a: 'it''s # x' -> y", "b.d: [1, 2] -> 3", "e: null -> 4", "f: null -> 5"]


def test_a_value_longer_than_its_column_moves_the_comment_by_one_blank():
    assert overlay("a: b  # why\n", {("a",): "longer"}) == ("a: longer # why\n", ["a: b -> longer"])


def refused(name=""):
    before = PARAMS.read_bytes()
    with pytest.raises(IadError) as caught:
        preset(name)
    assert PARAMS.read_bytes() == before
    assert sorted(path.name for path in PARAMS.parent.iterdir()) == ["params.yaml", "presets"]
    return str(caught.value)


def test_what_cannot_be_applied_is_refused_and_changes_nothing(repository):
    # an unknown preset
    assert refused("reprot") == "unknown preset 'reprot'; did you mean 'report'? Known: classical, offline, report"
    # a preset with a value out of range
    (repository / "presets/report.yaml").write_text("method: {k: 0}")
    assert refused("report") == (
        "params.yaml with preset 'report': method.k = 0: input should be greater than or equal to 1"
    )
    # a preset with a key that does not exist
    (repository / "presets/report.yaml").write_text("method: {kk: 1}")
    assert refused("report") == "params.yaml: 'method.kk' is missing, which the preset sets; add it"
    # a preset that is no YAML
    (repository / "presets/report.yaml").write_text("method: {k: 1")
    assert refused("report").startswith("presets/report.yaml: not valid YAML (line 1:")
    # parameters that were wrong before
    PARAMS.write_bytes(COMMITTED.replace(b"seed: 0", b"seed: -1"))
    assert "seed = -1" in refused("offline")
    # a folder without presets
    shutil.rmtree(repository / "presets")
    (repository / "presets").mkdir()
    assert "run this from the repository's top folder" in refused()
