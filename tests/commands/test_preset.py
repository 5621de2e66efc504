"""`iad preset` changes the values of a preset in `params.yaml` and leaves comments and order as they are."""

import re
import shutil

import pytest

from iad.commands.preset import preset
from iad.config import load_params
from iad.detectors import detector_names, section_of
from iad.errors import IadError
from iad.options import flat
from iad.paths import PARAMS
from iad.presets import WHOLE, overlay
from tests.helpers import ROOT, read_yaml

COMMITTED = (ROOT / "params.yaml").read_bytes()
PRESETS = {path.stem: path for path in sorted((ROOT / "presets").glob("*.yaml"))}


def test_lists_that_dvc_wrote_in_lines_are_replaced_too(repository):
    from dvc.utils.hydra import apply_overrides

    apply_overrides("params.yaml", ["method.k=10"])
    assert "layers: [5, 7]" not in PARAMS.read_text()
    preset("report")
    found = load_params()
    assert (found.vit.patches.layers, found.method.k) == ((), 1)
    assert without_values(PARAMS.read_text()) == without_values(COMMITTED.decode())


@pytest.mark.parametrize("new", ["[1, 2]", "[]"])
def test_lines_below_a_list_in_lines_stay(new):
    text = "a:\n  layers:\n  - 5\n  - 7\n\n  # below\n  tile: 0\nb: 1   # why\n"
    assert overlay(text, f"a: {{layers: {new}}}", "here")[0] == (
        f"a:\n  layers: {new}\n\n  # below\n  tile: 0\nb: 1   # why\n"
    )


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    (tmp_path / "params.yaml").write_bytes(COMMITTED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def values_of(path):
    """Every value by its key with dots; what counts as one value is one."""
    values = read_yaml(path)
    return flat({name: [value] if name in WHOLE else value for name, value in values.items()})


def without_values(text):
    """Comments, keys and blank lines, without what stands in the sections that are replaced as a whole."""
    outside = re.sub(rf"^({'|'.join(WHOLE)}):.*\n(?:  .*\n)*", r"\1:\n", text, flags=re.MULTILINE)
    return re.sub(r"^( *[a-z_0-9]+:)[^#\n]*", r"\1", outside, flags=re.MULTILINE)


def test_offline_is_what_the_repository_comes_with(capsys):
    preset("offline")
    assert PARAMS.read_bytes() == COMMITTED
    assert capsys.readouterr().out == "params.yaml already equals preset 'offline'\n"


def test_every_preset_sets_every_key_that_any_preset_sets():
    keys = {name: set(values_of(path)) for name, path in PRESETS.items()}
    assert len(keys) >= 2
    assert all(found == keys["offline"] for found in keys.values())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_writes_its_values_and_leaves_the_rest(name):
    preset(name)
    assert values_of(PARAMS) == values_of(ROOT / "params.yaml") | values_of(PRESETS[name])
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
    classical = [name for name in detector_names() if section_of(name).startswith("classical.")]
    assert added == {
        name: {"detector": name, "reads": "extract_vit", "params": f"classical.{name}"} for name in classical
    }
    assert len(classical) == 8
    assert params.model_dump(exclude={"methods"}) == usual.model_dump(exclude={"methods"})
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "params.yaml now equals preset 'classical':",
        f"  methods: ae, resnet, vit, patch_resnet, patch_vit, hybrid -> {', '.join(params.methods)}",
    ]


def test_a_document_that_is_not_changed_stays_as_it_is_to_the_byte():
    for text in (COMMITTED.decode(), COMMITTED.decode().replace("\n", "\r\n")):
        assert overlay(text, "", "here") == (text, [])


NEW = "methods:\n  b: {reads: y}\n  c: {reads: z}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # before another section, with comments of the old methods and below them
        (
            "methods:   # which\n  a: {reads: x}  # old\n\n# below\nseed: 0\n",
            "methods:   # which\n  b: {reads: y}\n  c: {reads: z}\n\n# below\nseed: 0\n",
        ),
        # every level in block style
        ("methods:\n  a:\n    reads:\n    - x  # old\n\n# below\nseed: 0\n", f"{NEW}\n\n# below\nseed: 0\n"),
        # in flow style, before a comment
        (
            "methods: {a: {reads: x}} # which\n\n# below\nseed: 0\n",
            "methods:                 # which\n  b: {reads: y}\n  c: {reads: z}\n\n# below\nseed: 0\n",
        ),
        # with the line ends of Windows
        ("methods: {a: {reads: x}}\r\n", NEW.replace("\n", "\r\n") + "\r\n"),
        # at the end of the file
        ("methods:\n  a: {reads: x}\n\n# end\n", f"{NEW}\n\n# end\n"),
    ],
)
def test_methods_are_replaced_as_a_whole_in_any_style_and_comments_below_stay(text, expected):
    assert overlay(text, NEW, "here") == (expected, ["methods: a -> b, c"])
    # already so
    assert overlay(expected, NEW, "here") == (expected, [])


def test_methods_in_another_order_are_a_change_and_may_become_none():
    text = "hybrids:\n  a: {how: x}\n  b: {how: y}\n\n# below\nseed: 0\n"
    turned = "hybrids:\n  b: {how: y}\n  a: {how: x}\n\n# below\nseed: 0\n"
    assert overlay(text, turned, "here") == (turned, ["hybrids: a, b -> b, a"])
    assert overlay(text, "hybrids: {}", "here") == ("hybrids: {}\n\n# below\nseed: 0\n", ["hybrids: a, b -> none"])


def test_without_a_name_the_presets_are_listed(capsys):
    preset()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PRESETS)
    assert all(len(line.split()) > 3 for line in lines)
    assert PARAMS.read_bytes() == COMMITTED


def test_values_may_be_quoted_flowing_or_absent_and_lines_may_end_as_on_windows():
    text = "a: 'it''s # x'  # c\r\nb: {c: 1, d: [1, 2]}\r\ne: null  # none\r\nf:\r\ng: 'q' # same\r\n"
    new, changes = overlay(text, "{a: new, b: {d: 3}, e: 4, f: true, g: q}", "here")
    assert new == "a: 'new'        # c\r\nb: {c: 1, d: 3}\r\ne: 4     # none\r\nf: true\r\ng: 'q' # same\r\n"
    assert changes == ["a: it's # x -> new", "b.d: [1, 2] -> 3", "e: null -> 4", "f: null -> true"]


def test_a_value_longer_than_its_column_moves_the_comment_by_one_blank():
    assert overlay("a: b  # why\n", "a: longer", "here") == ("a: longer # why\n", ["a: b -> longer"])


def test_what_the_writer_of_yaml_changes_beside_the_values_is_what_its_documentation_says():
    text = "a: 1\nempty:\nlist:\n  - x\nflow: [1,\n  2]\n"
    assert overlay(text, "a: 2", "here")[0] == "a: 2\nempty: null\nlist:\n- x\nflow: [1, 2]\n"


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
