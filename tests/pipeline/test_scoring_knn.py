"""Maps of kNN methods on a tiny prepared folder. The oracle is the split of each distance, patch by patch."""

import numpy as np
import pytest

from iad import paths
from iad.data.manifest import read_manifest
from iad.io import open_array, read_json, read_table
from iad.stages.extract_resnet import extract_resnet
from iad.stages.extract_vit import extract_vit
from iad.stages.score import score
from tests.prepared import write_prepared

EXTRACT = {"resnet": extract_resnet, "vit": extract_vit}
K = 2  # of the tiny parameters


@pytest.fixture
def prepare(tiny_template, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda **options: write_prepared(tiny_template, tmp_path, **options)


def rows_of(split):
    return np.flatnonzero(read_manifest(paths.MANIFEST)["split"] == split)


def written(method):
    """Scores and maps, of good pictures and of test pictures."""
    folder = paths.SCORE / method
    return [
        (read_table(folder / table)["score"], open_array(folder / maps))
        for table, maps in ((paths.CALIBRATION_SCORES, paths.CALIBRATION_MAPS), (paths.TEST_SCORES, paths.TEST_MAPS))
    ]


@pytest.mark.parametrize(
    ("method", "pooling"),
    [("resnet", "avg"), ("resnet", "max"), ("vit", "cls"), ("vit", "patch_mean"), ("vit", "token_mean")],
)
@pytest.mark.parametrize("calibration", [0, 4])
def test_the_maps_of_a_method_sum_to_its_scores(method, pooling, calibration, prepare):
    prepare(side=64, calibration=calibration, **{method: {"pooling": pooling}})
    EXTRACT[method]()
    score(method)
    for scores, maps in written(method):
        assert (maps.dtype, maps.ndim, len(maps)) == (np.float32, 3, len(scores))
        assert (maps.reshape(len(maps), -1).std(axis=1) > 0).all()
        np.testing.assert_allclose(maps.sum(axis=(1, 2)), scores, rtol=1e-4)


@pytest.mark.parametrize("calibration", [0, 4])
def test_a_good_picture_is_compared_with_others_alone(calibration, prepare):
    prepare(side=64, calibration=calibration)
    extract_resnet()
    score("resnet")
    features, added = (open_array(paths.EXTRACT_RESNET / name) for name in (paths.FEATURES, paths.CONTRIBUTIONS))
    features, added, train = features.astype(np.float64), added.astype(np.float64), rows_of("train")
    _, maps = written("resnet")[0]
    for picture, found in zip(rows_of("calibration") if calibration else train, maps, strict=True):
        others = sorted((np.linalg.norm(features[picture] - features[one]), one) for one in train if one != picture)
        expected = np.mean(
            [
                ((added[picture] - added[one]) @ (features[picture] - features[one])) / distance / found.size
                for distance, one in others[:K]
            ],
            axis=0,
        )
        np.testing.assert_allclose(found, expected, rtol=0.02, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("section", "reason"),
    [({"attribution": False}, None), ({"patches": {"tile": 32}}, "attribution is for whole pictures")],
)
def test_without_contributions_of_patches_there_are_scores_and_no_maps(section, reason, prepare, capsys):
    prepare(side=64, resnet=section)
    extract_resnet()
    assert not (paths.EXTRACT_RESNET / paths.CONTRIBUTIONS).exists()
    line = capsys.readouterr().out
    assert (reason in line) if reason else ("no maps" not in line)
    assert read_json(paths.EXTRACT_RESNET / paths.BACKBONE_RECORD)["attribution"] is False
    score("resnet")
    assert sorted(path.name for path in (paths.SCORE / "resnet").iterdir()) == [
        paths.CALIBRATION_SCORES, paths.DETECTOR, paths.PROVENANCE, paths.TEST_SCORES,
    ]  # fmt: skip


def test_a_network_that_shows_no_patches_is_named(prepare, capsys, monkeypatch):
    monkeypatch.setattr("iad.features.embeddings.last_block", lambda _: None)
    prepare()
    extract_vit()
    line = capsys.readouterr().out
    assert line.endswith("; no maps of kNN methods: test_vit does not show what patches add to cls\n")
    assert not (paths.EXTRACT_VIT / paths.CONTRIBUTIONS).exists()


def test_an_older_file_of_contributions_goes(prepare):
    prepare()
    extract_resnet()
    assert open_array(paths.EXTRACT_RESNET / paths.CONTRIBUTIONS).shape == (21, 1, 1, 96)
    prepare(resnet={"attribution": False})
    extract_resnet()
    assert not (paths.EXTRACT_RESNET / paths.CONTRIBUTIONS).exists()
