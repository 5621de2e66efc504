"""Graphs of every method, on pictures as files. The oracle is the bundle: scores, p-values, verdicts, maps."""

import numpy as np
import pytest

from iad.bundles.bundle import read_bundle
from iad.bundles.predictor import load
from iad.data.decode import decode_to_show
from iad.detectors import detector_names
from iad.errors import IadError
from iad.export.graph import Whole
from iad.export.heads import FILES, head_of
from iad.export.runner import Graph
from tests.bundled import METHODS, PICTURES, WITH_MAPS

APART = 1e-4  # of the threshold, and of the largest value of a map


def compare(graph, predictor, files):
    scale = max(abs(predictor.threshold), predictor.bundle.calibration.scores.std())
    for verdict in predictor.predict(files):
        limits = predictor.bundle.preprocess.limits
        data, name = verdict.path.read_bytes(), verdict.path.name
        prepared, whole = graph.decode(data, name), decode_to_show(data, name, 10_000, **limits)
        first = graph.inspect(prepared)
        assert abs(first.score - verdict.pred_score) <= APART * scale
        assert first.rejected == verdict.rejected
        assert first.p_value == pytest.approx(verdict.p_value, abs=1.5 / (1 + len(predictor.bundle.calibration.scores)))
        second = graph.inspect(whole)  # the graph prepares it to the same bytes
        assert second.score == first.score
        if verdict.anomaly_map is None:
            assert first.anomaly_map is None
        else:
            apart = np.abs(first.anomaly_map - verdict.anomaly_map).max()
            assert first.anomaly_map.shape == verdict.anomaly_map.shape
            assert apart <= 5 * APART * np.abs(verdict.anomaly_map).max()


@pytest.mark.parametrize("method", METHODS)
def test_a_graph_says_what_its_bundle_says(method, bundle_at, exported, here):
    made = exported(method)
    assert made.checked.flipped == 0
    predictor = load(bundle_at(method))
    compare(Graph(made.graph), predictor, sorted((PICTURES / "test").rglob("*.png")))
    assert (predictor.bundle.maps is not None) == (method in WITH_MAPS)


@pytest.mark.parametrize("method", ["ae", "resnet", "patch_vit", "isolation_forest"])
def test_openvino_says_the_same(method, bundle_at, exported, here):
    pytest.importorskip("openvino")
    made = exported(method, "openvino")
    compare(Graph(made.graph), load(bundle_at(method)), sorted((PICTURES / "test").rglob("*.png")))


def test_every_detector_has_a_head_but_the_hybrid_which_is_made_of_them():
    assert sorted([*FILES, "hybrid"]) == detector_names()


def test_a_detector_without_head_is_refused_by_name_with_those_that_have_one():
    with pytest.raises(IadError, match=r"m: the detector flow cannot be exported; those that can are .*hybrid.*patch"):
        head_of("flow", None, "m")


def test_the_threshold_and_p_values_in_float32_say_what_they_say_in_float64(bundle_at):
    bundle, _ = read_bundle(bundle_at("zscore"))
    whole, scores = Whole(bundle), bundle.calibration.scores
    for score in np.float32([*scores, *np.nextafter(np.float32(scores), np.float32(9e9)), bundle.threshold.value]):
        assert (score >= np.float32(whole.threshold)) == (float(score) >= bundle.threshold.value)
        assert int((whole.calibration.numpy() >= score).sum()) == int((scores >= float(score)).sum())
