"""The one reader of results, on files made by hand: what it takes, and what it refuses."""

import numpy as np
import pytest

from iad import paths
from iad.errors import IadError
from iad.gate.results import read_results, read_scores

CSV = "image_id,label,score,rejected\nb.png,1,0.1,1\nNA,0,-1e-300,0\n"
FILES = {
    paths.REPORT: '{"methods": {"vit": {"threshold": {"value": 0.05}}}}',
    paths.METRICS / "vit.json": '{"auroc": 1.0, "misses": 0, "false_alarms": 0}',
    paths.SCORES_CSV / "vit.csv": CSV,
    paths.PARAMS: "seed: 3\ndata: {source: mvtec, category: screw, mvtec: {path: null}}\n",
    paths.LOCK: (
        "stages:\n  download:\n    params:\n      params.yaml:\n        data:\n          source: mvtec\n"
        "          category: screw\n    outs:\n    - path: stages/download\n      md5: abc.dir\n"
        "  score@vit:\n    cmd: x\n"
    ),
}


def read(changed=None):
    files = FILES | (changed or {})
    return read_results("v1", lambda path: files[path].encode() if files.get(path) else None)


def test_everything_is_there():
    found = read()
    assert found.data_set == ("mvtec", "screw")
    assert found.data_hash == "abc.dir"
    assert found.settings == {"seed": 3, "data.source": "mvtec", "data.category": "screw", "data.mvtec.path": None}
    vit = found.methods["vit"]
    assert vit.threshold == {"value": 0.05}
    assert vit.contradiction() is None
    assert vit.scores.loc["b.png"].to_dict() == {"label": 1, "score": 0.1, "rejected": True}
    assert [str(vit.scores[name].dtype) for name in ("label", "score", "rejected")] == ["int64", "float64", "bool"]
    assert vit.verdicts.pred_score.tolist() == [0.1, -1e-300]


def test_scores_are_read_exactly_and_names_stay_names():
    scores = np.random.default_rng(0).normal(size=500) * 10.0 ** np.arange(-250, 250)
    lines = [f"{row:03d},0,{score!r},0" for row, score in enumerate(scores.tolist())]
    table = read_scores("\n".join(["image_id,label,score,rejected", *lines]), "x")
    assert table["score"].tolist() == scores.tolist()
    assert table.index[7] == "007"
    assert read().methods["vit"].scores.index.tolist() == ["b.png", "NA"]


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("image_id,label\na,1\n", "needs rows with image_id, label, score, rejected"),
        ("", "needs rows with"),
        ("image_id,label,score,rejected\n", "no test picture"),
        ("image_id,label,score,rejected\na,1,0.5,1\na,0,0.5,1\n", "the same image_id twice"),
        ("image_id,label,score,rejected\na,2,0.5,1\n", "label and rejected must be 0 or 1"),
        ("image_id,label,score,rejected\na,1,0.5,True\n", "label and rejected must be 0 or 1"),
        ("image_id,label,score,rejected\na,1\n", "could not convert string to float"),
        ("image_id,label,score,rejected\na,1,0.5\n", "label and rejected must be 0 or 1"),
        ("image_id,label,score,rejected\na,1,much,1\n", "could not convert string to float: 'much'"),
        ("image_id,label,score,rejected\na,1,nan,1\n", "1 of 1 scores are not finite"),
    ],
)
def test_a_broken_table_of_scores_is_refused_in_one_line(text, refusal):
    with pytest.raises(IadError, match=rf"^plots.scores.vit\.csv of v1: .*({refusal})") as caught:
        read({paths.SCORES_CSV / "vit.csv": text or "\n"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", [paths.REPORT, paths.METRICS / "vit.json", paths.SCORES_CSV / "vit.csv", paths.PARAMS])
def test_a_missing_file_is_named_with_its_revision(path):
    with pytest.raises(IadError, match=r"of v1: missing; run `dvc repro` there, or name a revision with results"):
        read({path: None})


def test_a_report_without_methods_and_broken_yaml_are_refused():
    with pytest.raises(IadError, match=r"report\.json of v1: holds no method"):
        read({paths.REPORT: '{"methods": {}}'})
    with pytest.raises(IadError, match=r"params\.yaml of v1: not valid YAML \(line 1: "):
        read({paths.PARAMS: "a: [1"})


def test_results_of_another_category_than_the_parameters_name_are_refused_on_request():
    read().check_data_set()
    read({paths.LOCK: None}).check_data_set()
    other = read({paths.PARAMS: "data: {source: mvtec, category: zipper}"})
    with pytest.raises(IadError, match=r"v1: its results are of mvtec/screw, but params\.yaml says mvtec/zipper"):
        other.check_data_set()


def test_metrics_of_another_run_contradict_the_scores():
    found = read({paths.METRICS / "vit.json": '{"auroc": 1.0, "misses": 1, "false_alarms": 0}'}).methods["vit"]
    assert found.contradiction() == "misses is 1, but the scores give 0"


def test_without_a_lock_nothing_is_known_of_the_pictures():
    assert read({paths.LOCK: None}).data_hash is None
    assert read({paths.LOCK: "stages: {}\n"}).data_hash is None
