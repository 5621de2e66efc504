"""`dvc.yaml` against what the stages import and read, item by item: nothing missing, nothing too much."""

import ast
import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from iad.config import load_params
from iad.data.sources import load_pictures, source_names
from iad.decision.thresholds import STRATEGIES, set_threshold
from iad.detectors import detector_names, section_of
from tests.conftest import TINY, merge, set_params
from tests.helpers import PLUMBING, ROOT, imported_files, load_pipeline, record_reads, run_here, undeclared, unused
from tests.scored import list_methods

ANYWHERE = {"compute.engine"}  # where the work is done changes no byte, so that no stage runs again for it


def everything():
    """An overlay that adds each detector that is off by default, and a method on a further backbone."""
    on = {spec.detector for spec in load_params(ROOT / "params.yaml").methods.values()}
    off = [name for name in detector_names() if name not in on]
    methods = {name: {"detector": name, "reads": "extract_vit", "params": section_of(name)} for name in off}
    methods["further"] = {"detector": "knn", "reads": "extract/further", "params": "method"}
    return {"methods": methods, "classical": {"kmeans": {"clusters": 4}}}  # of few pictures


@pytest.fixture(scope="module")
def project(reproduced, tiny_template, tmp_path_factory):
    """The tiny project with all there is, after every stage ran once, and what each stage imported."""
    folder = tmp_path_factory.mktemp("deps") / "project"
    shutil.copytree(reproduced, folder, ignore=shutil.ignore_patterns("cache"))
    overlay = everything() | {"backbones": {"further": load_params(folder / "params.yaml").vit.model_dump(mode="json")}}
    set_params(folder / "params.yaml", folder / "params.yaml", overlay)
    return folder, {stage: imported_files(stage, folder) for stage in stages_of(folder)}


def stages_of(folder):
    """The stages in their order, without thresholds but one, and without scores of a detector that has one already.

    Before the last one few methods are left in the parameters, since drawing all of them shows no more.
    """
    full = (folder / "params.yaml").read_bytes()
    methods, seen = load_params(folder / "params.yaml").methods, {"evaluate", "report"}
    for stage in load_pipeline(folder).values():
        kind = f"score by {methods[stage.arguments[0]].detector}" if stage.group == "score" else stage.group
        if kind not in seen:
            yield stage
        seen.add(kind)
    list_methods(folder / "params.yaml", ("ae", "vit"))
    yield load_pipeline(folder)["evaluate"]
    yield load_pipeline(folder)["report"]
    (folder / "params.yaml").write_bytes(full)


def test_each_stage_depends_on_every_module_that_it_computes_with(project):
    _, imported = project
    missing = {stage.name: undeclared(files.computing, stage.deps) for stage, files in imported.items()}
    assert {name: files for name, files in missing.items() if files} == {}


def test_no_stage_depends_on_a_module_that_its_group_does_not_import(project):
    # of the group and not of the item: a list in dvc.yaml is one for all items of a group, so that a score depends on
    # the search for neighbours whether its detector searches or not. It runs once too often then, and never too seldom
    _, imported = project
    files, deps = defaultdict(set), defaultdict(set)
    for stage, found in imported.items():
        files[stage.group] |= found.all
        deps[stage.group] |= stage.deps
    files["download"] |= {file for source in source_names() for file in reached(source_file(source))}
    too_much = {group: unused(files[group], deps[group]) for group in deps}
    assert {group: found for group, found in too_much.items() if found} == {}
    assert not [dep for found in deps.values() for dep in found if dep in PLUMBING]


def test_a_score_depends_on_its_own_detector_alone(project):
    _, imported = project
    params = load_params(project[0] / "params.yaml")
    for stage in imported:
        if stage.group == "score":
            folders = {dep for dep in stage.deps if (ROOT / dep).is_dir() and dep.startswith("iad/detectors/")}
            assert folders == {f"iad/detectors/{params.methods[stage.arguments[0]].detector}"}


def source_file(source):
    return f"iad/data/sources/{source}.py"


def reached(file):
    """The files of `iad` that a file imports, at its top or inside a function, and those that these import.

    A folder whose modules are found by listing it, as that of layouts, is imported as a whole.
    """
    found, waiting = set(), [file]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            tree = ast.parse((ROOT / here).read_text(encoding="utf-8"))
            nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
            names = {f"{node.module}.{alias.name}" for node in nodes for alias in node.names}
            places = [Path(*name.split(".")) for name in names | {node.module for node in nodes}]
            waiting += [f"{place}.py" for place in places if (ROOT / f"{place}.py").is_file()]
            waiting += [file for place in places for file in listed(place)]
    return found


@pytest.mark.parametrize("source", source_names())
def test_a_download_depends_on_the_chosen_source_and_on_what_it_computes_with(source, tiny_template, tmp_path):
    folder = Path(shutil.copytree(tiny_template, tmp_path / "project"))
    set_params(folder / "params.yaml", folder / "params.yaml", {"data": {"source": source}})
    deps = load_pipeline(folder)["download"].deps
    assert {dep for dep in deps if "/sources/" in dep} == {source_file(source)}
    own = {file for file in reached(source_file(source)) if file != "iad/compute.py"}
    assert undeclared(own - PLUMBING, deps) == set()


def listed(folder):
    """The modules of a folder that lists them, and its own; nothing of any other folder."""
    own = ROOT / folder / "__init__.py"
    if not own.is_file() or "pkgutil" not in own.read_text(encoding="utf-8"):
        return []
    return [path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob("*.py")]


def choices(group):
    """The overlays of `params.yaml` under which a stage may read other leaves."""
    if group == "download":
        return [{"data": {"source": source}} for source in source_names()]
    if group == "threshold":
        return [{"threshold": {"strategy": strategy}} for strategy in STRATEGIES]
    if group == "preprocess":
        return [{}, {"preprocess": {"image_size": "auto"}}]
    if group == "train_ae":
        return [{"ae": {"epochs": 20}}]  # patience is asked for after an epoch that was no better
    return [{}]


def test_each_stage_declares_the_parameters_it_reads_and_nothing_more(project, monkeypatch):
    folder, _ = project
    monkeypatch.chdir(folder)
    # which leaves are read is decided before the source is asked, and two sources would need a network
    options = TINY["data"]["synthetic"]
    monkeypatch.setattr(
        "iad.data.sources.load_pictures",
        lambda _, category, *, seed, root, **__: load_pictures(
            "synthetic", category, seed=seed, options=options, root=root
        ),
    )
    # so are the options of a strategy, and one needs more pictures than there are
    monkeypatch.setattr(
        "iad.pipeline.thresholds.set_threshold",
        lambda scores, *_, **keywords: set_threshold(scores, "max", {"alpha": 0.5}, **keywords),
    )
    read, declared = defaultdict(set), defaultdict(set)
    chosen = folder.parent / "params.yaml"
    for stage in stages_of(folder):
        for overlay in choices(stage.group):
            set_params(folder / "params.yaml", chosen, overlay)
            with monkeypatch.context() as patched:
                found = record_reads(load_params(chosen), patched)
                run_here(stage)
                found -= ANYWHERE
            assert found <= stage.params, f"{stage.name} reads what it does not declare: {found - stage.params}"
            read[stage.group] |= found
        declared[stage.group] |= stage.params
    assert dict(read) == dict(declared)


def test_no_stage_runs_again_where_only_the_place_of_its_work_changes(project):
    assert [stage.name for stage in load_pipeline(project[0]).values() if stage.params & ANYWHERE] == []


def test_merging_an_overlay_keeps_its_neighbours():
    values = {"a": {"b": 1, "c": 2}, "d": 3}
    merge(values, {"a": {"b": 9}})
    assert values == {"a": {"b": 9, "c": 2}, "d": 3}
