"""`dvc.yaml` against what the stages import and read: nothing missing, nothing too much."""

import shutil
from collections import defaultdict

import pytest

from iad.data.sources import SOURCES, load_pictures
from iad.decision.thresholds import STRATEGIES, set_threshold
from iad.config import load_params
from tests.conftest import merge, set_params
from tests.helpers import imported_files, load_pipeline, record_reads, run_here, undeclared, unused


@pytest.fixture(scope="module")
def project(tiny_template, tmp_path_factory):
    """The tiny project after every stage ran once, and the files of `iad` that each stage imported."""
    folder = tmp_path_factory.mktemp("deps") / "project"
    shutil.copytree(tiny_template, folder)
    return folder, {stage: imported_files(stage, folder) for stage in load_pipeline(folder).values()}


def test_each_stage_depends_on_every_module_it_imports(project):
    _, imported = project
    missing = {stage.name: undeclared(files, stage.deps) for stage, files in imported.items()}
    assert not any(missing.values()), missing


def test_no_stage_depends_on_a_module_that_its_group_does_not_import(project):
    _, imported = project
    files, deps = defaultdict(set), defaultdict(set)
    for stage, found in imported.items():
        files[stage.group] |= found
        deps[stage.group] |= stage.deps
    too_much = {group: unused(files[group], deps[group]) for group in deps}
    assert not any(too_much.values()), too_much


def choices(group):
    """The overlays of `params.yaml` under which a stage may read other leaves."""
    if group == "download":
        return [{"data": {"source": source}} for source in SOURCES]
    if group == "threshold":
        return [{"threshold": {"strategy": strategy}} for strategy in STRATEGIES]
    return [{}]


def test_each_stage_declares_the_parameters_it_reads_and_nothing_more(project, monkeypatch):
    folder, _ = project
    monkeypatch.chdir(folder)
    # which leaves are read is decided before the source is asked, and two sources would need a network
    options = {"train": 12, "good": 2, "defective": 1, "size": 64}
    monkeypatch.setattr(
        "iad.stages.download.load_pictures",
        lambda _, category, *, seed, **__: load_pictures("synthetic", category, seed=seed, options=options),
    )
    # so are the options of a strategy, and one needs more pictures than there are
    monkeypatch.setattr(
        "iad.stages.threshold.set_threshold",
        lambda scores, *_, **keywords: set_threshold(scores, "max", {"alpha": 0.5}, **keywords),
    )
    read, declared = defaultdict(set), defaultdict(set)
    chosen = folder.parent / "params.yaml"
    for stage in load_pipeline(folder).values():
        for overlay in choices(stage.group):
            set_params(folder / "params.yaml", chosen, overlay)
            found = record_reads(stage.group, load_params(chosen), monkeypatch)
            run_here(stage)
            assert found <= stage.params, f"{stage.name} reads what it does not declare: {found - stage.params}"
            read[stage.group] |= found
        declared[stage.group] |= stage.params
    assert dict(read) == dict(declared)


def test_merging_an_overlay_keeps_its_neighbours():
    values = {"a": {"b": 1, "c": 2}, "d": 3}
    merge(values, {"a": {"b": 9}})
    assert values == {"a": {"b": 9, "c": 2}, "d": 3}
