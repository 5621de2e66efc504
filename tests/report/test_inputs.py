"""Oracles: files that `score` and `threshold` leave, read here by hand; pictures whose order can be read off."""

import numpy as np
import pytest

from iad import paths
from iad.errors import IadError
from iad.io import read_table, write_table
from iad.report.inputs import Images, Masks, read_maps, read_outcome
from iad.stages.threshold import threshold
from tests.outcomes import outcome
from tests.scored import SIDE, write_maps, write_scored


@pytest.fixture
def project(tmp_path, monkeypatch):
    write_scored(tmp_path, methods=("ae",))
    monkeypatch.chdir(tmp_path)
    threshold("ae")
    return tmp_path


def calibrate(**columns):
    file = paths.SCORE / "ae" / paths.CALIBRATION_SCORES
    write_table(file, read_table(file).assign(**columns))


def test_an_outcome_holds_the_columns_of_the_files(project):
    found, test = read_outcome("ae", Images()), read_table(paths.SCORE / "ae" / paths.TEST_SCORES)
    assert found.image_id.tolist() == list(test["image_id"])
    assert found.gt_label.tolist() == list(test["label"])
    assert found.pred_score.tolist() == list(test["score"])
    assert found.defect.tolist() == list(test["defect"])
    assert found.rejected.tolist() == [score >= found.threshold["value"] for score in test["score"]]
    assert (len(found.calibration), found.backbone, len(found.history)) == (40, "net of ae", 3)


@pytest.mark.parametrize("scheme", ["leave_one_out", "split", "k_fold"])
def test_how_maps_were_made_stands_beside_the_calibration_scores(project, scheme):
    assert read_outcome("ae", Images()).map_scheme == "jackknife"
    calibrate(map_scheme=[scheme] * 40)
    assert read_outcome("ae", Images()).map_scheme == scheme


@pytest.mark.parametrize(
    ("schemes", "problem"),
    [
        (["split"] * 39 + ["k_fold"], "2 schemes of calibration instead of one"),
        (["kfold"] * 40, "did you mean 'k_fold'"),
    ],
)
def test_maps_made_in_several_or_unknown_ways_are_refused_with_the_file(project, schemes, problem):
    calibrate(map_scheme=schemes)
    with pytest.raises(IadError, match=rf"ae.calibration\.parquet: .*{problem}"):
        read_outcome("ae", Images())


def test_pictures_are_found_by_their_ids(project):
    images = Images()
    expected = np.load(paths.IMAGES)[[3, 1]]
    np.testing.assert_array_equal(images.of(["pictures/003.png", "pictures/001.png"]), expected)
    assert images.size == (SIDE, SIDE)


def test_masks_are_known_where_the_manifest_names_them_and_nothing_is_read_without_the_array(project):
    write_maps(project, "ae")
    masks, ids = Masks(), np.array(["pictures/041.png", "pictures/060.png"], dtype=object)
    assert masks.known(ids).tolist() == masks.marking(ids).tolist() == [False, True]
    assert masks.shown("pictures/060.png", 1).sum() == np.load(paths.MASKS)[60].sum()
    assert not masks.shown("pictures/041.png", 0).any()
    paths.MASKS.unlink()
    assert Masks().known(ids).tolist() == [False, False]
    assert Masks().shown("pictures/060.png", 1) is None


def test_maps_come_at_the_size_of_the_pictures_and_only_where_they_were_written(project):
    outcome = read_outcome("ae", Images())
    assert read_maps(outcome, Images(), 0.01) is None
    write_maps(project, "ae")
    found = read_maps(outcome, Images(), 0.01)
    assert (len(found.calibration), len(found.test), found.test[0].shape) == (40, 30, (SIDE, SIDE))


def test_the_worst_misses_score_lowest_and_the_worst_false_alarms_highest():
    labels, scores = [1, 1, 1, 0, 0, 0], [0.3, 0.1, 0.9, 0.7, 0.9, 0.2]
    found = outcome(labels=labels, scores=scores)
    assert found.worst_misses(5).tolist() == [1, 0]
    assert found.worst_misses(1).tolist() == [1]
    assert found.worst_false_alarms(5).tolist() == [4, 3]


def test_typical_pictures_lie_at_the_quartiles_of_their_class():
    scores = np.random.default_rng(0).permutation(40).astype(float)
    found = outcome(labels=[0] * 20 + [1] * 20, scores=scores)
    chosen = found.typical(1, 3)
    assert set(found.gt_label[chosen]) == {1}
    ranks = [int((scores[20:] < scores[row]).sum()) for row in chosen]
    assert ranks == [5, 10, 15]


@pytest.mark.parametrize(("pictures", "expected"), [(0, 0), (1, 1), (2, 2)])
def test_a_class_with_few_pictures_shows_those_it_has(pictures, expected):
    found = outcome(labels=[0] * 3 + [1] * pictures, scores=np.arange(3.0 + pictures))
    assert len(found.typical(1, 3)) == expected


def test_scores_that_cannot_be_ranked_are_refused_with_the_file():
    with pytest.raises(IadError, match=r"^a/test: 1 of 2 scores are not finite"):
        outcome(labels=[0, 1], scores=[np.nan, 1]).check("a/test")
