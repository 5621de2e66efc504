"""What an edit reruns, edit by edit.

DVC runs a stage again if a file that it declares has another hash, or lies in a folder that it declares. So each edited
file is compared with the declared ones; at the end DVC itself is asked about all edits at once.
"""

import json
import shutil
from pathlib import Path

import pytest

from iad.config import load_params
from tests.conftest import DVC, run, set_params
from tests.helpers import ROOT, covers, load_pipeline
from tests.test_dvc_deps import everything

SCORES = "every score"  # the search counts for all of them, since a list in dvc.yaml is one for all items of a group
EXTRACTS = {"extract_resnet", "extract_vit", "extract@further"}

EDITS = {
    # what parses, writes and refuses
    "a parameter that no stage reads, in its model": ("iad/config.py", set()),
    "the description of a parameter of the report": ("iad/report/__init__.py", set()),
    "the description of a parameter of the threshold": ("iad/decision/__init__.py", set()),
    "a refusal's text": ("iad/errors.py", set()),
    "a refusal's text about files": ("iad/io.py", set()),
    "how a number and its noun are written": ("iad/words.py", set()),
    "the look of a bar": ("iad/progress.py", set()),
    "a command's help": ("iad/cli.py", set()),
    "how work is handed out": ("iad/engine/cluster.py", set()),
    "a preset": ("presets/offline.yaml", set()),
    # what no stage computes with
    "the gate's rule": ("iad/gate/rule.py", set()),
    "a table of results": ("iad/report/results_table.py", {"report"}),
    "a command": ("iad/commands/predict.py", set()),
    "the predictor": ("iad/bundles/predictor.py", set()),
    "the bundle": ("iad/bundles/bundle.py", set()),
    "words about a detector": ("iad/detectors/knn/README.md", set()),
    # data
    "the chosen source": ("iad/data/sources/synthetic.py", {"download"}),
    "another source": ("iad/data/sources/mvtec.py", set()),
    "a new source": ("iad/data/sources/camera.py", set()),
    "the user's own pictures": ("data/bolts/good/1.png", {"download"}),
    "how a folder is laid out": ("iad/data/layouts/plain.py", {"download"}),
    "a check of the data": ("iad/datacheck/copies.py", {"preprocess"}),
    "how pictures are decoded": ("iad/data/decode.py", {"download", "preprocess"}),
    # features
    "how weights are found": ("iad/features/weights.py", EXTRACTS),
    "the default of a further backbone": ("iad/features/__init__.py", {"extract@further"}),
    # detectors
    "the autoencoder's network": ("iad/detectors/autoencoder/network.py", {"train_ae", "score@ae"}),
    "one classical detector": ("iad/detectors/lof/detector.py", {"score@lof"}),
    "the options of one detector": ("iad/detectors/gmm/__init__.py", {"score@gmm"}),
    "the search of kNN methods": (
        "iad/detectors/knn/search.py", {"score@resnet", "score@vit", "score@further"},
    ),
    "the coreset": ("iad/detectors/patch/coreset.py", {"score@patch_resnet", "score@patch_vit"}),
    "the scale of a hybrid": ("iad/detectors/hybrid/evidence.py", {"align@hybrid", "score@hybrid"}),
    "a new detector": ("iad/detectors/median/detector.py", set()),
    "the exact search": ("iad/neighbors/exact.py", SCORES),
    "how scores are made out of sample": ("iad/detectors/calibrate.py", {SCORES, "align@hybrid"}),
    # verdicts and report
    "a quantile of extreme values": ("iad/decision/tail.py", {"every threshold", "evaluate"}),
    "what a wrong verdict costs": ("iad/decision/costs.py", {"evaluate"}),
    "a figure's colour": ("iad/report/figures/style.py", {"evaluate", "report"}),
    "a metric": ("iad/metrics/image.py", {"evaluate"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def pipeline(tiny_template, tmp_path_factory):
    """Every stage there can be, from all detectors and a further backbone."""
    folder = Path(shutil.copytree(tiny_template, tmp_path_factory.mktemp("edits") / "project"))
    further = {"further": load_params(folder / "params.yaml").vit.model_dump(mode="json")}
    set_params(folder / "params.yaml", folder / "params.yaml", everything() | {"backbones": further})
    return load_pipeline(folder)


def rerun_by(file, pipeline):
    """Names of the stages that declare a file, or a folder around it; words about code are in `.dvcignore`."""
    if file.startswith("iad/") and file.endswith(".md"):
        return set()
    return {name for name, stage in pipeline.items() if any(covers(dep, file) for dep in stage.deps)}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_reruns_what_it_can_change(edit, pipeline):
    file, wanted = EDITS[edit]
    named = {wanted} if isinstance(wanted, str) else wanted
    groups = {name.removeprefix("every ") for name in named if name.startswith("every ")}
    stages = {name for name in named if not name.startswith("every ")}
    assert rerun_by(file, pipeline) == stages | {name for name, stage in pipeline.items() if stage.group in groups}


def test_an_edited_file_is_there_unless_it_is_new():
    new = {file for edit, (file, _) in EDITS.items() if edit.startswith(("a new ", "the user's own"))}
    words = {file for file, _ in EDITS.values() if file.endswith(".md")}
    assert [file for file, _ in EDITS.values() if file not in new | words and not (ROOT / file).is_file()] == []


def test_the_documentation_holds_the_table():
    page = (ROOT / "docs/house.md").read_text(encoding="utf-8")
    missing = [row for row in table() if f"{row}\n" not in page]
    assert not missing, "\n".join(["put this table into docs/house.md:", *table()])


def table():
    """The edits as people read them, in Markdown."""
    rows = []
    for edit, (file, wanted) in EDITS.items():
        named = sorted({wanted} if isinstance(wanted, str) else wanted)
        rows.append(f"| {edit} | `{file}` | {', '.join(named) or 'nothing'} |")
    return ["| an edit of | in | runs again |", "|:--|:--|:--|", *rows]


def changed(folder):
    """The dependencies that DVC finds changed, by stage."""
    status = json.loads(run(folder, *DVC, "status", "--json").stdout)
    return {stage: {file for part in parts for file in part["changed deps"]} for stage, parts in status.items()}


def test_dvc_calls_changed_what_the_edits_reach_and_nothing_else(reproduced_copy):
    assert changed(reproduced_copy) == {}
    for file, _ in EDITS.values():
        place = reproduced_copy / file
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("a", encoding="utf-8") as text:
            text.write("# edited\n")
    expected = {
        name: found
        for name, stage in load_pipeline(reproduced_copy).items()
        if (
            found := {
                dep
                for dep in stage.deps
                for file, _ in EDITS.values()
                if name in rerun_by(file, {name: stage}) and covers(dep, file)
            }
        )
    }
    assert changed(reproduced_copy) == expected
    assert expected["evaluate"] == {
        "iad/decision/costs.py", "iad/decision/tail.py", "iad/metrics", "iad/report/figures",
    }  # fmt: skip
