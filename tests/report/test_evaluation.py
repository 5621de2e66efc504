"""Oracle: the files of others, byte for byte."""

import json

import pytest

from iad import paths
from iad.report.evaluation import OWN, leftover_note, remove_own

OTHERS = (
    (paths.METRICS, "mine.json"), (paths.METRICS, "notes.txt"), (paths.PLOTS, "knn.csv"), (paths.SCORES_CSV, "old.csv"),
    (paths.SCORES_CSV, "knn.xlsx"), (paths.GALLERIES, "poster.png"), (paths.HISTOGRAMS, "mine/knn.png"),
    (paths.MISSES, "knn.jpg"), (paths.SCORE, "readme.txt"), (paths.SCORE, "knn/test.parquet"),
    (paths.THRESHOLD, "knn/threshold.json"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(path, text="of a user"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def ran(*methods):
    """A run by hand that wrote everything for these methods."""
    for method in methods:
        for folder, ending in OWN:
            write(folder / f"{method}{ending}", "of evaluate")
    write(paths.REPORT, json.dumps({"methods": {method: {"name": method} for method in methods}}))


def test_what_the_run_before_wrote_for_a_method_goes_when_it_is_not_listed_any_more():
    ran("knn", "vit")
    remove_own(["vit"])
    left = {path.name for room in (paths.METRICS, paths.PLOTS) for path in room.rglob("*") if path.is_file()}
    assert left == {"vit.json", "vit.csv", "vit.png", paths.REPORT.name}


def test_files_that_others_put_beside_them_stay():
    ran("knn", "vit")
    others = [write(folder / name) for folder, name in OTHERS]
    remove_own(["vit"])
    assert [other for other in others if not other.is_file() or other.read_text() != "of a user"] == []


def test_files_of_a_method_that_no_report_names_stay():
    file = write(paths.METRICS / "knn.json")
    ran("vit")
    remove_own(["vit"])
    assert file.is_file()


@pytest.mark.parametrize(
    "former",
    [None, "", "{", "[]", "3", '{"methods": 3}', '{"methods": ["knn"]}', '{"methods": {"../knn": {}, "a/knn": {}}}'],
)
def test_a_report_that_is_missing_broken_or_names_other_folders_removes_nothing(former):
    others = [
        write(paths.METRICS / "knn.json"),
        write(paths.METRICS.parent / "knn.json"),
        write(paths.METRICS / "a/knn.json"),
    ]
    if former is not None:
        write(paths.REPORT, former)
    remove_own(["vit"])
    assert all(other.is_file() for other in others)


def test_folders_of_other_stages_are_named_with_the_way_to_remove_them():
    for method in ("vit", "knn", "old one"):
        write(paths.SCORE / method / paths.TEST_SCORES)
    write(paths.THRESHOLD / "knn" / paths.THRESHOLD_FILE)
    write(paths.SCORE / "readme.txt")
    note = leftover_note(["vit"])
    named = ("stages/score/knn", "'stages/score/old one'", "stages/threshold/knn")
    assert note.startswith(f"left over, of no method in params.yaml: {', '.join(named)}; dvc.lock records")
    assert note.endswith(f"to remove it: rm -r {' '.join(named)}")
    assert (paths.SCORE / "knn").is_dir()


def test_where_every_folder_is_of_a_listed_method_nothing_is_said():
    assert leftover_note(["vit"]) is None
    write(paths.SCORE / "vit" / paths.TEST_SCORES)
    assert leftover_note(["vit", "knn"]) is None
