"""Oracles: the losses computed again from the returned weights, and the split counted by hand."""

import numpy as np
import pytest
import torch

from iad.compute import Runtime
from iad.detectors.autoencoder import Training
from iad.detectors.autoencoder import training as module
from iad.detectors.autoencoder.network import build_autoencoder, to_pixels
from iad.detectors.autoencoder.training import Epoch, best_epoch, hold_out, train_autoencoder
from iad.errors import IadError

FP32 = Runtime("cpu", "fp32", 2)
SHARES = {"early_stopping": 0.1, "calibration": 0.2}


def striped(count=16, side=32):
    """Bright stripes of several widths: their mean is learned within an epoch or two, and no two are alike."""
    rng = np.random.default_rng(0)
    rows = np.arange(side)[None, :] // rng.integers(4, 9, (count, 1)) % 2
    grey = (170 + 40 * rows + rng.integers(0, 40, (count, 1))).astype(np.uint8)
    return np.broadcast_to(grey[:, :, None, None], (count, side, side, 3)).copy()


IMAGES = striped()
ROWS = hold_out(np.arange(16), early_stopping=0.25, calibration=0.2, seed=0)


def settings(**changes):
    chosen = {"epochs": 6, "patience": 50, "batch_size": 4, "learning_rate": 0.01, "augment": False}
    return Training(**chosen | changes)


def train(on_epoch=lambda _: None, *, images=IMAGES, seed=0, **changes):
    model = build_autoencoder(4, 4, image_size=32, seed=0)
    return train_autoencoder(model, images, ROWS, settings(**changes), FP32, on_epoch, seed=seed)


def mean_error(model, rows):
    pixels = to_pixels(IMAGES[rows], FP32)
    with torch.no_grad():
        return float(((model(pixels) - pixels) ** 2).mean())


def test_the_three_parts_share_nothing_and_cover_all():
    rows = np.arange(100, 150)
    parts = hold_out(rows, **SHARES, seed=0)
    assert [len(part) for part in (parts.early_stopping, parts.calibration, parts.train)] == [5, 10, 35]
    together = np.concatenate([parts.early_stopping, parts.calibration, parts.train])
    assert sorted(together) == rows.tolist()
    assert all((np.diff(part) > 0).all() for part in (parts.early_stopping, parts.calibration, parts.train))


def test_the_seed_decides_the_split():
    first, again, other = (hold_out(np.arange(50), **SHARES, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.calibration, again.calibration)
    np.testing.assert_array_equal(first.early_stopping, again.early_stopping)
    assert first.calibration.tolist() != other.calibration.tolist()


def test_each_part_holds_at_least_one_picture():
    parts = hold_out(np.arange(3), early_stopping=0.01, calibration=0.01, seed=0)
    assert (len(parts.early_stopping), len(parts.calibration), len(parts.train)) == (1, 1, 1)


def test_no_calibration_share_holds_none():
    parts = hold_out(np.arange(10), early_stopping=0.1, calibration=0, seed=0)
    assert (len(parts.early_stopping), len(parts.calibration), len(parts.train)) == (1, 0, 9)


@pytest.mark.parametrize(
    ("count", "shares", "counts", "remedy"),
    [
        (2, SHARES, "1 + 1 of 2", "add good pictures: it takes 3 at least"),
        (1, SHARES, "1 + 1 of 1", "add good pictures: it takes 3 at least"),
        (1, {"early_stopping": 0.1, "calibration": 0}, "1 + 0 of 1", "add good pictures: it takes 2 at least"),
        (
            10, {"early_stopping": 0.5, "calibration": 0.5}, "5 + 5 of 10",
            "lower the shares, or add good pictures: it takes 3 at least",
        ),
    ],
)  # fmt: skip
def test_too_few_pictures_are_refused_with_the_counts_and_a_remedy_that_helps(count, shares, counts, remedy):
    with pytest.raises(IadError) as refused:
        hold_out(np.arange(count), **shares, seed=0)
    assert str(refused.value) == (
        f"ae.held_out: {counts} good pictures would be held out, which leaves none to train on; {remedy}"
    )
    least = {name: min(share, 0.01) for name, share in shares.items()}
    assert len(hold_out(np.arange(int(remedy.split()[-3])), **least, seed=0).train) == 1


def test_training_lowers_both_losses():
    before = mean_error(build_autoencoder(4, 4, image_size=32, seed=0), ROWS.train)
    model, history = train(epochs=8)
    assert [entry.epoch for entry in history] == list(range(1, 9))
    assert mean_error(model, ROWS.train) < before / 2
    assert history[-1].train_loss < history[0].train_loss / 2
    assert history[-1].validation_loss < history[0].validation_loss / 2


def test_the_weights_of_the_best_epoch_are_kept_even_if_later_ones_are_worse(monkeypatch):
    real, calls = module._mean_error, []

    def first_two_epochs_are_best(*arguments):
        calls.append(real(*arguments))
        return calls[-1] if len(calls) <= 2 else 100.0 + len(calls)

    monkeypatch.setattr(module, "_mean_error", first_two_epochs_are_best)
    model, history = train(epochs=5)
    assert len(history) == 5
    best = min(entry.validation_loss for entry in history)
    assert best == min(calls[:2])
    assert mean_error(model, ROWS.early_stopping) == pytest.approx(best, rel=1e-5)
    assert calls[4] < 0.98 * best  # the last weights differ, so keeping them would be seen


def test_the_lowest_validation_loss_is_that_of_the_returned_weights():
    model, history = train(epochs=8, learning_rate=0.05)
    assert mean_error(model, ROWS.early_stopping) == pytest.approx(
        min(entry.validation_loss for entry in history), rel=1e-5
    )


@pytest.mark.parametrize("patience", [1, 3])
def test_patience_stops_after_so_many_epochs_without_a_better_loss(patience, monkeypatch):
    losses = iter([3.0, 2.0, 2.5, 2.0, 2.2, 1.0, 1.0, 1.0, 1.0, 1.0])
    monkeypatch.setattr(module, "_mean_error", lambda *_: next(losses))
    _, history = train(epochs=10, patience=patience)
    assert len(history) == {1: 3, 3: 5}[patience]  # the best is epoch 2; an equal loss is not better
    assert best_epoch(history) == 2


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_training_that_diverges_is_refused_with_the_learning_rate(loss, monkeypatch):
    monkeypatch.setattr(module, "_mean_error", lambda *_: loss)
    with pytest.raises(IadError, match=r"^ae\.learning_rate = 0\.01: .* lower it$"):
        train(epochs=3)


@pytest.mark.parametrize("augment", [False, True])
def test_the_same_seed_gives_bit_identical_weights_and_another_does_not(augment):
    first, again, other = (train(epochs=2, augment=augment, seed=seed)[0].state_dict() for seed in (7, 7, 8))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_no_epochs_return_the_untrained_network():
    model, history = train(epochs=0)
    start = build_autoencoder(4, 4, image_size=32, seed=0).state_dict()
    assert history == []
    assert best_epoch(history) is None
    assert all(torch.equal(tensor, start[name]) for name, tensor in model.state_dict().items())


def test_the_listener_sees_the_history_grow():
    seen = []
    _, history = train(lambda so_far: seen.append(list(so_far)), epochs=3)
    assert seen == [history[:1], history[:2], history]


def test_the_first_of_equal_epochs_is_best():
    assert best_epoch([Epoch(1, 1, 0.5), Epoch(2, 1, 0.3), Epoch(3, 1, 0.3)]) == 2


def test_only_the_training_pictures_reach_the_weights():
    other = IMAGES.copy()
    other[ROWS.calibration] = 255
    first, second = (train(images=images, epochs=2)[0].state_dict() for images in (IMAGES, other))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_augmentation_turns_and_mirrors_squares_and_keeps_their_pixels():
    pixels = torch.arange(48.0).reshape(1, 3, 4, 4)
    generator = np.random.default_rng(0)
    seen = {tuple(module._augment(pixels, generator)[0, 0].flatten().tolist()) for _ in range(100)}
    assert len(seen) == 8  # the symmetries of the square
    assert {tuple(sorted(view)) for view in seen} == {tuple(map(float, range(16)))}


def test_augmentation_is_a_quarter_turn_to_the_left_so_often_and_then_perhaps_a_flip():
    pixels, drawn = torch.rand(2, 3, 6, 6), np.random.default_rng(1)
    for _ in range(30):
        generator = np.random.default_rng(drawn.integers(1000))
        again = np.random.default_rng(generator.bit_generator.seed_seq.entropy)
        rotated = torch.rot90(pixels, int(again.integers(4)), (2, 3))
        expected = rotated.flip(3) if again.integers(2) else rotated
        assert torch.equal(module._augment(pixels, generator), expected)
