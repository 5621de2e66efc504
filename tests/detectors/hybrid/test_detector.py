"""A hybrid of fitted detectors. The oracle puts what its members say on one scale, and fuses it, by hand."""

import math

import numpy as np
import pytest

from iad.detectors.base import Prediction
from iad.detectors.calibrate import calibrate
from iad.detectors.embeddings import Embeddings
from iad.detectors.hybrid import Options
from iad.detectors.hybrid.detector import Detector
from iad.detectors.knn import Options as KnnOptions
from iad.detectors.knn.detector import Detector as Knn
from iad.detectors.patch import Options as PatchOptions
from iad.detectors.patch.detector import Detector as Patch
from iad.errors import IadError

RNG = np.random.default_rng(0)
POOLED = RNG.normal(size=(36, 5)).astype(np.float32)
PATCHES = RNG.normal(size=(36, 3, 4, 6)).astype(np.float16)


def pictures(rows):
    return Embeddings(members={"a": Embeddings(pooled=POOLED[rows]), "b": Embeddings(patches=PATCHES[rows])})


GOOD, NEW, APART = (pictures(slice(*rows)) for rows in ((0, 20), (20, 24), (24, 36)))


def unfitted(how="mean", weights=(), **patch):
    members = {"a": Knn(KnnOptions(k=2)), "b": Patch(PatchOptions(**patch))}
    return Detector(Options(members=("a", "b"), how=how, weights=weights), members=members)


def evidence(good, scores):
    """-log10 of the share of good pictures that score as high, by the tail of their highest fifth."""
    ranked, tail = np.sort(good), round(len(good) / 5)
    start = ranked[-tail - 1]
    excess, share = ranked[-tail:].mean() - start, tail / len(good)
    return np.array([math.log10(1 + (1 - share) / share * math.exp((one - start) / excess)) for one in scores])


def left_out(name, detector):
    member, rows = detector.members[name], np.arange(20)
    return member.predict(GOOD.members[name], leave_out=rows).pred_score


@pytest.mark.parametrize(
    ("how", "weights", "fused"),
    [
        ("mean", (), lambda a, b: (a + b) / 2), ("mean", (3, 1), lambda a, b: (3 * a + b) / 4),
        ("max", (), np.maximum), ("max", (1, 2), lambda a, b: np.maximum(a / 2, b)),
    ],
)  # fmt: skip
def test_a_score_is_the_fused_evidence_of_the_members(how, weights, fused):
    detector = unfitted(how, weights).fit(GOOD)
    said = {name: member.predict(NEW.members[name]).pred_score for name, member in detector.members.items()}
    expected = fused(*(evidence(left_out(name, detector), said[name]) for name in ("a", "b")))
    np.testing.assert_allclose(detector.predict(NEW).pred_score, expected)
    calibration = fused(*(evidence(left_out(name, detector), left_out(name, detector)) for name in ("a", "b")))
    np.testing.assert_allclose(detector.calibration.prediction.pred_score, calibration)


def test_pictures_set_apart_set_the_scale():
    detector = unfitted().fit(GOOD, calibrated_apart=True)
    with pytest.raises(IadError, match=r"^hybrid: no scale is set; fit it, and calibrate it where pictures were set a"):
        detector.predict(NEW)
    calibrate(detector, GOOD, APART, seed=0)
    parts = []
    for name, member in detector.members.items():
        apart, new = (member.predict(given.members[name]).pred_score for given in (APART, NEW))
        parts.append(evidence(apart, new))
    np.testing.assert_allclose(detector.predict(NEW).pred_score, sum(parts) / 2)


def test_there_are_maps_only_where_every_member_has_some():
    assert unfitted().fit(GOOD).predict(NEW).anomaly_map is None  # pooled embeddings alone do not say where
    both = {"a": Patch(PatchOptions()), "b": Patch(PatchOptions(map_above=0))}
    detector = Detector(Options(members=("a", "b")), members=both)
    given = [
        Embeddings(members={"a": Embeddings(patches=PATCHES[rows, :, ::2]), "b": Embeddings(patches=PATCHES[rows])})
        for rows in (slice(20), slice(20, 24))
    ]
    found = detector.fit(given[0]).predict(given[1]).anomaly_map
    assert (found.shape, found.dtype) == ((4, 3, 4), np.float32)  # on the finer of the two grids
    said = {name: member.predict(given[1].members[name]) for name, member in both.items()}
    fine = detector.map_tails["b"].evidence(said["b"].anomaly_map)
    coarse = detector.map_tails["a"].evidence(said["a"].anomaly_map)
    np.testing.assert_allclose(found[:, :, 0], (fine[:, :, 0] + coarse[:, :, 0]) / 2, rtol=1e-5)


def test_members_that_lack_something_are_named():
    detector = unfitted().fit(GOOD)
    alone = Detector.load(detector.options, detector.state())
    with pytest.raises(IadError, match=r"^hybrid: its member a is not here; load it with its members$"):
        alone.predict(NEW)
    said = {name: member.predict(NEW.members[name]) for name, member in detector.members.items()}
    np.testing.assert_array_equal(alone.combine(said).pred_score, detector.predict(NEW).pred_score)
    with pytest.raises(IadError, match=r"^hybrid: nothing given for its member b; give what each member looks at"):
        detector.predict(Embeddings(members={"a": NEW.members["a"]}))
    maps = Prediction(np.zeros(2), np.ones((2, 1, 1), dtype=np.float32))
    spread = Prediction(np.arange(12.0), np.arange(12, dtype=np.float32)[:, None, None])
    detector.align({"a": spread, "b": spread})
    with pytest.raises(IadError, match="a member of the hybrid gives no maps, although it did"):
        detector.combine({"a": maps, "b": Prediction(np.zeros(2))})


def test_too_few_pictures_that_calibrate_all_members_are_refused():
    with pytest.raises(IadError, match=r"^only 5 good pictures calibrate all members of the hybrid \(a: 20, b: 5\)"):
        unfitted(calibration=5).fit(GOOD)
