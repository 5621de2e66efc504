"""Oracle: the squared difference between a picture and its reconstruction, averaged over channels, one by one."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from iad.compute import Runtime
from iad.detectors.autoencoder.network import build_autoencoder, error_maps, squared_error, to_pixels

FP32 = Runtime("cpu", "fp32", 2)
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
ROWS = np.array([5, 0, 3, 6])


def network(**options):
    return build_autoencoder(4, 2, image_size=32, **options).eval()


def by_hand(model, rows):
    maps = []
    for row in rows:
        pixels = torch.from_numpy(IMAGES[row].transpose(2, 0, 1)[None] / np.float32(127.5) - 1)
        with torch.no_grad():
            maps.append(((model(pixels) - pixels) ** 2).mean(dim=1)[0].numpy())
    return np.stack(maps)


@pytest.mark.parametrize("side", [16, 32, 80])
def test_pictures_keep_their_shape_and_the_code_is_a_sixteenth(side):
    model = build_autoencoder(4, 2, image_size=side)
    pixels = torch.zeros(2, 3, side, side)
    assert model.encoder(pixels).shape == (2, 2, side // 16, side // 16)
    assert model(pixels).shape == pixels.shape


@pytest.mark.parametrize(("height", "width"), [(100, 33), (16, 50), (7, 7)])
def test_pictures_of_any_size_are_rebuilt_as_if_their_last_lines_went_on(height, width):
    model = build_autoencoder(4, 2, image_size=(height, width)).eval()
    pixels = torch.rand(1, 3, height, width)
    rows, columns = (torch.arange(-(-length // 16) * 16).clamp(max=length - 1) for length in (height, width))
    with torch.no_grad():
        expected = model(pixels[:, :, rows][:, :, :, columns])[:, :, :height, :width]
        np.testing.assert_array_equal(model(pixels).numpy(), expected.numpy())


def test_the_encoder_is_four_times_convolution_pooling_and_relu():
    encoder = list(network().encoder)
    assert [type(layer) for layer in encoder] == [nn.Conv2d, nn.MaxPool2d, nn.ReLU] * 4
    assert [(layer.in_channels, layer.out_channels) for layer in encoder[::3]] == [(3, 4), (4, 8), (8, 16), (16, 2)]
    assert {layer.kernel_size for layer in encoder[1::3]} == {2}


def in_the_order_of_the_study(model, pixels):
    """Convolution, ReLU and pooling; then upsampling and convolution, one after the other."""
    for layer in model.encoder[::3]:
        pixels = functional.max_pool2d(functional.relu(layer(pixels)), 2)
    return nn.Sequential.forward(model.decoder, pixels)


@pytest.mark.parametrize("side", [16, 80])
def test_pooling_first_and_upsampling_within_the_convolution_change_rounding_alone(side):
    model = build_autoencoder(4, 2, image_size=side).double()
    pixels = torch.randn(3, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = {}
    for forward in (model, partial(in_the_order_of_the_study, model)):
        rebuilt = forward(pixels)
        gradients = torch.autograd.grad(torch.square(rebuilt - pixels).mean(), list(model.parameters()))
        found[forward] = [rebuilt, *gradients]
    for ours, told in zip(*found.values(), strict=True):
        torch.testing.assert_close(ours, told, rtol=1e-12, atol=1e-14)


def test_the_decoder_mirrors_the_encoder_and_ends_linear():
    decoder = list(network().decoder)
    assert [type(layer) for layer in decoder] == ([nn.Upsample, nn.Conv2d, nn.ReLU] * 4)[:-1]
    assert [(layer.in_channels, layer.out_channels) for layer in decoder[1::3]] == [(2, 16), (16, 8), (8, 4), (4, 3)]


def test_black_is_minus_one_and_white_is_plus_one():
    images = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    images[0, 0, 1] = [255, 0, 255]
    pixels = to_pixels(images, FP32)
    assert pixels.shape == (1, 3, 2, 2)
    assert pixels.dtype == torch.float32
    assert pixels[0, :, 0, 1].tolist() == [1, -1, 1]
    assert pixels[0, :, 1, 0].tolist() == [-1, -1, -1]


def test_the_given_pictures_are_not_changed():
    images = IMAGES.copy()
    to_pixels(images, FP32)
    np.testing.assert_array_equal(images, IMAGES)


def test_squared_error_is_zero_for_a_perfect_copy_and_four_for_black_against_white():
    pixels = to_pixels(IMAGES[:2], FP32)
    assert squared_error(nn.Identity(), pixels, FP32).max() == 0
    white = torch.ones(1, 3, 16, 16)
    assert squared_error(lambda x: -x, white, FP32).unique().tolist() == [4]


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_error_maps_equal_those_by_hand_whatever_the_batch_size(batch_size):
    model = network(seed=3)
    found = list(error_maps(model, IMAGES, ROWS, FP32, batch_size, "errors"))
    assert [len(batch) for batch in found] == {1: [1, 1, 1, 1], 3: [3, 1], 64: [4]}[batch_size]
    assert {batch.dtype for batch in found} == {np.dtype(np.float32)}
    np.testing.assert_allclose(np.concatenate(found), by_hand(network(seed=3), ROWS), rtol=1e-5, atol=1e-6)


def test_the_seed_decides_the_weights():
    first, again, other = (network(seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["encoder.0.weight"], other["encoder.0.weight"])
