"""Pooled nearest neighbours as a detector: what it says of itself, its maps, and more good pictures."""

import numpy as np
import pytest

from iad.detectors.embeddings import Embeddings
from iad.detectors.knn import Options
from iad.detectors.knn.detector import Detector
from iad.errors import IadError
from tests.detectors.oracles import knn_scores

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(20, 2, 3, 5)).astype(np.float16)
POOLED = VECTORS.astype(np.float32).mean(axis=(1, 2))
ALL = Embeddings(pooled=POOLED, contributions=VECTORS, pooling="avg")
GOOD, NEW = ALL.take(np.arange(14)), ALL.take(np.arange(14, 20))


def fit(good=GOOD, **options):
    return Detector(Options(**options)).fit(good)


def test_maps_come_with_contributions_on_both_sides_and_sum_to_the_score():
    found = fit(k=3).predict(NEW)
    np.testing.assert_allclose(found.pred_score, knn_scores(POOLED[:14], POOLED[14:], k=3), rtol=1e-6)
    assert (found.anomaly_map.shape, found.anomaly_map.dtype) == ((6, 2, 3), np.float32)
    np.testing.assert_allclose(found.anomaly_map.sum(axis=(1, 2)), found.pred_score, rtol=1e-5)
    bare = Embeddings(pooled=POOLED[14:])
    for said in (fit(k=3).predict(bare), fit(POOLED[:14], k=3).predict(NEW)):
        assert said.anomaly_map is None
        np.testing.assert_array_equal(said.pred_score, found.pred_score)


@pytest.mark.parametrize(
    ("options", "falls"),
    [({}, True), ({"metric": "cosine"}, True), ({"k": 9, "aggregate": "kth"}, True), ({"standardize": True}, False),
     ({"pca": 3}, False), ({"pca": 0.5}, False)],
)  # fmt: skip
def test_only_distances_in_a_space_that_does_not_move_can_do_nothing_but_fall(options, falls):
    detector = fit(**options)
    assert (detector.leaves_one_out, detector.only_falls, detector.map_only_falls) == (True, falls, False)


@pytest.mark.parametrize("index", ["hnsw", "ivfpq"])
def test_an_approximate_index_proves_nothing(index):
    pytest.importorskip("faiss", reason="FAISS, the extra iad[faiss], is not installed")
    assert not fit(POOLED, k=1, index=index).only_falls


def test_the_record_says_how_many_good_pictures_there_are():
    assert fit().record() == {"bank": 14}
    assert list(fit(pca=2).record()) == ["components", "explained", "bank"]


def test_good_pictures_of_another_width_or_only_partly_with_contributions_are_refused():
    detector = fit()
    with pytest.raises(IadError, match=r"^method: embeddings of 3 features, but the good pictures have 5; embed all"):
        detector.add(Embeddings(pooled=POOLED[:2, :3]))
    with pytest.raises(IadError, match=r"^method: only some of the good pictures have what each patch adds"):
        detector.add(Embeddings(pooled=POOLED[:2]))
    with pytest.raises(IadError, match=r"^method: no good picture to compare with; add good pictures$"):
        detector.drop(np.zeros(14, dtype=bool))
