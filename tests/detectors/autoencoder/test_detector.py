"""The autoencoder as a detector. Oracles: error maps of the network it trained, and means over them by hand."""

import numpy as np
import pytest

from iad.compute import Runtime
from iad.detectors.autoencoder import HeldOut, Options, Training
from iad.detectors.autoencoder import detector as module
from iad.detectors.autoencoder.detector import Detector
from iad.detectors.autoencoder.network import error_maps
from iad.errors import IadError
from tests.helpers import mean_of_worst

FP32 = Runtime("cpu", "fp32", 1)
TRAINING = Training(width=4, latent_channels=4, epochs=2, batch_size=4, augment=False)
RNG = np.random.default_rng(0)
GOOD, NEW = (RNG.integers(60, 120, (number, 32, 32, 3), dtype=np.uint8) for number in (20, 5))
RAW = {"cell": 1, "normalize": False}


def unfitted(training=TRAINING, **options):
    return Detector(Options(**options), seed=3, runtime=FP32, training=training)


def errors(detector, pictures):
    return np.concatenate([*error_maps(detector.network, pictures, np.arange(len(pictures)), FP32, 8, "errors")])


@pytest.mark.parametrize(("aggregate", "share"), [("mean", 1.0), ("top", 0.1)])
def test_a_score_is_the_error_of_the_whole_picture_or_of_its_worst_share(aggregate, share):
    detector = unfitted(**RAW, aggregate=aggregate, top_share=share).fit(GOOD)
    found, maps = detector.predict(NEW), errors(detector, NEW)
    np.testing.assert_array_equal(found.anomaly_map, maps)
    np.testing.assert_allclose(found.pred_score, mean_of_worst(maps, share), rtol=1e-6)


def test_errors_are_set_against_those_of_the_pictures_that_it_learnt_from():
    detector = unfitted(cell=1).fit(GOOD)
    learnt = errors(detector, GOOD[detector.shares.train]).astype(np.float64)
    mean, deviation = learnt.mean(axis=0), learnt.std(axis=0)
    floor = 0.1 * deviation.mean()
    expected = np.maximum(errors(detector, NEW) - mean, 0) / (deviation + floor)
    np.testing.assert_allclose(detector.predict(NEW).anomaly_map, expected, rtol=1e-4, atol=1e-5)


def test_one_share_of_the_good_pictures_calibrates_unless_others_do():
    alone, apart = unfitted().fit(GOOD), unfitted().fit(GOOD, calibrated_apart=True)
    assert (len(alone.held_out), len(alone.shares.early_stopping), len(alone.shares.train)) == (4, 2, 14)
    assert not {*alone.held_out.tolist()} & {*alone.shares.train.tolist(), *alone.shares.early_stopping.tolist()}
    assert apart.held_out is None
    assert len(apart.shares.train) == 18
    assert not alone.leaves_one_out


def test_a_network_that_was_trained_before_is_taken_as_it_is(monkeypatch):
    first = unfitted().fit(GOOD)
    monkeypatch.setattr(module, "train_autoencoder", lambda *_, **__: pytest.fail("trained again"))
    again = unfitted(Training()).resume(first.trained()).fit(GOOD)
    np.testing.assert_array_equal(again.held_out, first.held_out)
    np.testing.assert_array_equal(again.predict(NEW).pred_score, first.predict(NEW).pred_score)


def test_the_listener_sees_an_empty_history_first_and_nothing_where_nothing_can_be_trained():
    seen = []
    unfitted().train(GOOD, on_epoch=lambda history: seen.append(len(history)))
    assert seen == [0, 1, 2]
    shares = TRAINING.model_copy(update={"held_out": HeldOut(early_stopping=0.5, calibration=0.5)})
    with pytest.raises(IadError, match=r"^ae\.held_out: 10 \+ 10 of 20 good pictures"):
        unfitted(shares).train(GOOD, on_epoch=lambda _: pytest.fail("told of a training that there is none of"))


def test_an_unfitted_one_is_trained_in_the_same_way():
    first = unfitted()
    assert first.unfitted().training is TRAINING
    np.testing.assert_array_equal(
        first.unfitted().fit(GOOD).predict(NEW).pred_score, first.fit(GOOD).predict(NEW).pred_score
    )


def test_pictures_of_another_size_are_refused():
    with pytest.raises(IadError, match=r"^ae: pictures of 48 x 48 px, but it was trained on 32 x 32 px; prepare all"):
        unfitted().fit(GOOD).predict(np.zeros((1, 48, 48, 3), dtype=np.uint8))
    odd = np.zeros((9, 40, 50, 3), dtype=np.uint8)  # no multiples of 16
    assert unfitted().fit(odd).predict(odd[:1]).anomaly_map.shape == (1, 10, 13)
