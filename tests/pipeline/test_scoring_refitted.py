"""`score` with detectors that are fitted again per fold. The oracle refits by hand for every picture left out."""

from pathlib import Path

import numpy as np
import pytest

from iad import paths
from iad.config import load_params
from iad.data.manifest import read_manifest
from iad.detectors import detector_names, options_of, section_of
from iad.detectors.calibrate import draw_folds
from iad.detectors.options import Refitted
from iad.errors import IadError
from iad.io import read_json, read_table
from iad.stages.score import score
from tests.helpers import expand, read_yaml, record_reads
from tests.prepared import write_features, write_prepared

NAMES = [name for name in detector_names() if issubclass(options_of(name), Refitted)]
SMALL = {"kmeans": {"clusters": 2}, "gmm": {"components": 1}, "lof": {"n_neighbors": 2}}


@pytest.fixture
def prepare(tiny_template, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(calibration=0, **classical):
        methods = {
            name: {"detector": name, "reads": "extract_vit", "params": section_of(name)} for name in NAMES
        }  # fmt: skip
        write_prepared(tiny_template, tmp_path, calibration=calibration, methods=methods, classical=SMALL | classical)
        return write_features(Path(), paths.EXTRACT_VIT).astype(np.float64)

    return write


def tables(method):
    folder = paths.SCORE / method
    return read_table(folder / paths.CALIBRATION_SCORES), read_table(folder / paths.TEST_SCORES)


def rows_of(split):
    return np.flatnonzero(read_manifest(paths.MANIFEST)["split"] == split)


def largest_z(train, row):
    return (np.abs(row - train.mean(axis=0)) / train.std(axis=0)).max()


def test_scores_equal_the_formula_and_calibration_comes_from_the_other_folds(prepare):
    features = prepare()
    score("zscore")
    train, test = rows_of("train"), rows_of("test")
    calibration, tested = tables("zscore")
    good, fold_of = features[train], draw_folds(len(train), 5, seed=0)
    wanted = [largest_z(good[fold_of != fold_of[place]], row) for place, row in enumerate(good)]
    np.testing.assert_allclose(calibration["score"], wanted)
    np.testing.assert_allclose(tested["score"], [largest_z(good, row) for row in features[test]])
    assert set(calibration["scheme"]) == {"k_fold"}
    assert read_json(paths.SCORE / "zscore" / paths.PROVENANCE)["detector"] == {
        "name": "zscore", "aggregate": "max", "fitted_to": 12, "folds": 5, "calibration_fitted_to_at_least": 9,
    }  # fmt: skip


def test_pictures_set_apart_calibrate_without_folds(prepare):
    features = prepare(calibration=3)
    score("zscore")
    good, calibration = features[rows_of("train")], tables("zscore")[0]
    np.testing.assert_allclose(calibration["score"], [largest_z(good, row) for row in features[rows_of("calibration")]])
    assert set(calibration["scheme"]) == {"split"}
    assert "calibration_fitted_to_at_least" not in read_json(paths.SCORE / "zscore" / paths.PROVENANCE)["detector"]


@pytest.mark.parametrize("method", NAMES)
def test_every_detector_reads_exactly_its_own_section_and_writes_the_same_bytes_twice(method, prepare, monkeypatch):
    prepare()
    read = record_reads(load_params(), monkeypatch)
    written = []
    for _ in range(2):
        score(method)
        written.append({path.name: path.read_bytes() for path in (paths.SCORE / method).iterdir()})
    assert written[0] == written[1]
    declared = expand(["seed", f"methods.{method}", section_of(method)], read_yaml(paths.PARAMS))
    assert read == declared | {"compute.engine", "compute.threads"}  # where the work is done


@pytest.mark.parametrize(
    ("method", "classical", "message"),
    [
        ("zscore", {"zscore": {"folds": 13}}, r"classical.zscore.folds = 13: only 12 good pictures"),
        (
            "lof",
            {"lof": {"n_neighbors": 9}},
            r"classical.lof: 12 .* leaves 9 to fit to, .* needs 10; .* 13 are enough",
        ),
        (
            "kmeans",
            {"kmeans": {"clusters": 10}},
            r"classical.kmeans: 12 .* leaves 9 to fit to, .* needs 10; .* 13 are enough",
        ),
    ],
)
def test_what_a_fold_is_too_small_for_is_refused_before_anything_is_written(method, classical, message, prepare):
    prepare(**classical)
    with pytest.raises(IadError, match=message):
        score(method)
    assert not paths.SCORE.exists()
