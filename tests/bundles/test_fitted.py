"""A fitted method as values and arrays, and back. The oracle is the method before."""

import json

import numpy as np
import pytest

from iad import paths
from iad.bundles.fitted import Fitted, read_fitted, unpack, write_fitted
from iad.data.manifest import read_manifest, rows_of
from iad.detectors.embeddings import Embeddings
from iad.detectors.knn import Options
from iad.detectors.knn.detector import Detector
from iad.errors import IadError
from iad.pipeline.inputs import read_embeddings
from tests.bundled import METHODS, copy_of

GOOD = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def inputs_of(fitted):
    """What the method takes of the test pictures, from what the stages left."""
    manifest = read_manifest(paths.MANIFEST)
    rows = rows_of(manifest, "test")
    return fitted.inputs({reads: read_embeddings(reads, manifest).take(rows) for reads in fitted.sources()})


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_the_same_after_it_was_packed_and_unpacked(finished, monkeypatch, method):
    monkeypatch.chdir(finished)
    before = read_fitted(method)
    values, arrays = before.pack()
    after = unpack(json.loads(json.dumps(values)), arrays)
    again, same = after.pack()
    assert again == values
    assert same.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(same[name], array)
        assert same[name].dtype == array.dtype
    given = inputs_of(before)
    one, two = before.detector.predict(given), after.detector.predict(given)
    np.testing.assert_array_equal(one.pred_score, two.pred_score)
    assert (one.anomaly_map is None) == (two.anomaly_map is None)
    if one.anomaly_map is not None:
        np.testing.assert_array_equal(one.anomaly_map, two.anomaly_map)


def test_a_hybrid_looks_at_what_its_members_look_at(finished, monkeypatch):
    monkeypatch.chdir(finished)
    fitted = read_fitted("hybrid")
    assert [member.method for member in fitted.members] == ["patch_resnet", "patch_vit"]
    assert fitted.sources() == {"extract_resnet": {"patches"}, "extract_vit": {"patches"}}
    one, two = (Embeddings(patches=np.full((1, 1, 1, 1), value)) for value in (1.0, 2.0))
    given = fitted.inputs({"extract_resnet": one, "extract_vit": two})
    assert given.members == {"patch_resnet": one, "patch_vit": two}
    assert read_fitted("vit").sources() == {"extract_vit": {"pooled"}}


def test_a_file_of_a_stage_that_was_cut_short_is_refused_with_its_name(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(copy_of(finished, tmp_path / "project"))
    file = paths.SCORE / "patch_vit" / paths.DETECTOR
    file.write_bytes(file.read_bytes()[:-5])
    for method in ("patch_vit", "hybrid"):
        with pytest.raises(IadError, match=rf"{file}: a fitted detector cut short .*run `dvc repro`"):
            read_fitted(method)
    file.unlink()
    with pytest.raises(IadError, match=rf"{file}: no such file; run `dvc repro`"):
        read_fitted("hybrid")


def packed(**changed):
    values, arrays = Fitted("vit", "knn", "extract_vit", Detector(Options(k=2)).fit(GOOD)).pack()
    return values | changed, arrays


@pytest.mark.parametrize(
    "changed",
    [
        {"detector": "knnn"},
        {"options": {"k": 0}},
        {"options": {"more": 1}},
        {"seed": "x"},
        {"state": []},
        {"members": {"a": {}}},
        {"more": 1},
        {"method": ""},
    ],
)
def test_values_of_no_method_are_refused(tmp_path, monkeypatch, changed):
    from iad.bundles.sealed import write_sealed

    monkeypatch.chdir(tmp_path)
    path = paths.SCORE / "vit" / paths.DETECTOR
    write_sealed(path, *packed())
    assert read_fitted("vit").kind == "knn"
    write_sealed(path, *packed(**changed))
    with pytest.raises(IadError, match=f"^{path}: ") as caught:
        read_fitted("vit")
    assert "\n" not in str(caught.value)


def test_an_array_that_is_missing_or_not_finite_is_refused(tmp_path, monkeypatch):
    from iad.bundles.sealed import write_sealed

    monkeypatch.chdir(tmp_path)
    path = paths.SCORE / "vit" / paths.DETECTOR
    values, arrays = packed()
    write_sealed(path, values, arrays | {"pooled": np.where(GOOD > 1, np.nan, GOOD)})
    with pytest.raises(IadError, match="'pooled' holds a number that is not finite"):
        read_fitted("vit")
    write_sealed(path, values, {name: array for name, array in arrays.items() if name != "pooled"})
    with pytest.raises(IadError, match=r"do not fit together \(KeyError: 'pooled'\)"):
        read_fitted("vit")


def test_what_is_written_is_read_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fitted = Fitted("vit", "knn", "extract_vit", Detector(Options(k=2)).fit(GOOD))
    digest = write_fitted(fitted)
    assert len(digest) == 64
    found = read_fitted("vit")
    assert (found.method, found.kind, found.reads) == ("vit", "knn", "extract_vit")
    np.testing.assert_array_equal(found.detector.predict(GOOD).pred_score, fitted.detector.predict(GOOD).pred_score)
