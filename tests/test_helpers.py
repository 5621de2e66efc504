"""The tests' own tools, held to answers that can be seen."""

import shutil

import numpy as np
import pytest
from dvc.repo import Repo

from iad.config import load_params
from iad.detectors import lof
from iad.io import write_table
from iad.paths import CALIBRATION_SCORES, SCORE
from tests.helpers import (
    ROOT,
    Recorder,
    Stage,
    expand,
    imported_files,
    leaf_keys,
    load_pipeline,
    package_modules,
    record_reads,
    run_here,
    undeclared,
    unused,
)


@pytest.fixture
def found():
    return set()


@pytest.fixture
def recorder(found):
    return Recorder(load_params(ROOT / "params.yaml"), found)


def a_stage(name, *arguments):
    return Stage(name, ("python", "-m", "iad", name, *arguments), frozenset(), frozenset(), frozenset())


def test_a_leaf_is_recorded_when_it_is_read_and_keeps_its_value(recorder, found):
    assert recorder.preprocess.multiple == 14
    assert found == {"preprocess.multiple"}


def test_passing_a_section_on_records_nothing(recorder, found):
    assert recorder.data.synthetic is not None
    assert found == set()


def test_an_entry_of_a_mapping_is_recorded_alone(recorder, found):
    assert "ae" in recorder.methods
    assert recorder.methods["ae"].reads == "train_ae"
    assert found == {"methods.ae.reads"}


def test_going_through_a_mapping_or_dumping_a_section_reads_all_of_it(recorder, found):
    assert "vit" in list(recorder.methods)
    assert {"methods.ae.reads", "methods.resnet.params", "methods.vit.reads"} <= found
    found.clear()
    recorder.ae.model_dump()
    assert {"ae.epochs", "ae.held_out.calibration"} <= found


def test_options_of_a_section_are_recorded_as_they_are_read(recorder, found):
    options = recorder.options("classical.lof")
    assert isinstance(options, lof.Options)
    assert options
    assert found == set()
    assert options.n_neighbors == 10
    assert recorder.options("hybrids.hybrid").how == "mean"
    assert found == {"classical.lof.n_neighbors", "hybrids.hybrid.how"}


def test_a_missing_parameter_is_still_an_error(recorder):
    with pytest.raises(AttributeError):
        _ = recorder.preprocess.size


def test_a_section_expands_to_its_leaves_and_an_unknown_key_is_refused():
    values = {"seed": 0, "ae": {"width": 16, "held_out": {"calibration": 0.2}}}
    assert leaf_keys(values) == {"seed", "ae.width", "ae.held_out.calibration"}
    assert expand(["seed", "ae.held_out"], values) == {"seed", "ae.held_out.calibration"}
    with pytest.raises(KeyError):
        expand(["ae.widht"], values)


def test_dvc_resolves_groups_items_and_sections(tmp_path):
    (tmp_path / "params.yaml").write_text(
        "methods: {ae: {reads: train, params: tune}}\ntune: {k: 5, deep: {a: 1}}\nother: 1\n"
    )
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  score:\n    foreach: ${methods}\n    do:\n      cmd: python -m iad score ${key}\n"
        '      deps: ["stages/${item.reads}"]\n      params: ["${item.params}", "methods.${key}"]\n'
        '      outs: ["out/${key}"]\n'
    )
    Repo.init(str(tmp_path), no_scm=True).close()
    (stage,) = load_pipeline(tmp_path).values()
    assert (stage.name, stage.group, stage.arguments) == ("score@ae", "score", ("ae",))
    assert (stage.deps, stage.outs) == ({"stages/train"}, {"out/ae"})
    assert stage.params == {"tune.k", "tune.deep.a", "methods.ae.reads", "methods.ae.params"}


def test_a_stage_stands_after_those_whose_output_it_reads(tmp_path):
    stage = "  {0}:\n    cmd: python -m iad {0}\n    deps: [{1}]\n    outs: [{2}]\n"
    stages = [("last", "joined", "end"), ("middle", "parts", "joined"), ("first", "start", "parts/one")]
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    (tmp_path / "dvc.yaml").write_text("stages:\n" + "".join(stage.format(*names) for names in stages))
    Repo.init(str(tmp_path), no_scm=True).close()
    assert list(load_pipeline(tmp_path)) == ["first", "middle", "last"]


def test_a_file_is_declared_by_itself_or_by_a_folder_above_it():
    files = {"iad/io.py", "iad/data/manifest.py", "iad/database.py"}
    assert undeclared(files, {"iad/io.py", "iad/data"}) == {"iad/database.py"}
    assert unused(files, {"iad/io.py", "iad/data", "iad/features", "stages/download"}) == {"iad/features"}


def test_imports_of_a_run_are_seen_even_when_they_are_lazy(tmp_path):
    for room in ("", "commands", "stages"):
        (tmp_path / "iad" / room).mkdir(parents=True, exist_ok=True)
        (tmp_path / "iad" / room / "__init__.py").write_text('"""Only words."""\n')
    started = ("stages.work", "stages.rest", "commands.show", "io")
    contents = {
        "__main__": "import sys\n" + "".join(f"import iad.{name}\n" for name in started) + "sys.exit()\n",
        "config": "import iad.declared\nX = 1\n",
        "stages/work": "import importlib\nimportlib.import_module('iad.lazy')\n",
        # what declares parameters, plumbing, other commands, and what is never imported
        **dict.fromkeys(("lazy", "declared", "io", "stages/rest", "commands/show", "other"), "X = 1\nY = 2\n"),
    }
    for name, content in contents.items():
        (tmp_path / f"iad/{name}.py").write_text(content)
    before = package_modules()
    found = imported_files(a_stage("work"), tmp_path)
    assert found.computing == {"iad/stages/work.py", "iad/lazy.py"}
    assert found.all == {f"iad/{name}.py" for name in contents if name not in ("__main__", "other")}
    assert package_modules() == before


def test_a_run_that_fails_is_no_list_of_imports(tmp_path):
    shutil.copytree(ROOT / "iad", tmp_path / "iad", ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.raises(AssertionError, match="threshold ended with 1"):
        imported_files(a_stage("threshold", "ae"), tmp_path)


def test_the_reads_of_a_stage_are_those_of_its_function(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    scores = np.arange(40.0)
    scheme = ["split"] * len(scores)
    write_table(SCORE / "ae" / CALIBRATION_SCORES, {"image_id": scores.astype(str), "score": scores, "scheme": scheme})
    found = record_reads(load_params(), monkeypatch)
    run_here(a_stage("threshold", "ae"))
    assert found == {"threshold.strategy", "threshold.alpha"}
