"""Oracle: float64 products by NumPy, with the error that rounding each factor to half a step can make at most."""

from unittest.mock import patch

import numpy as np
import pytest
import timm
import torch
from torch import nn

from iad.compute import Runtime
from iad.features import quantization as quantized
from iad.features.quantization import Int8Linear, Int8Pointwise, quantize_layers, quantize_rows

SHAPES = [(1, 1, 1), (3, 7, 5), (16, 64, 32), (700, 96, 40)]  # rows, inputs, outputs; 700 rows take two turns
RNG = np.random.default_rng(0)


def drawn(*shape, dtype=torch.float32):
    return torch.from_numpy(RNG.standard_normal(shape)).to(dtype)


@pytest.fixture(params=["fused", "plain"])
def kernel(request):
    """The processor's own 8-bit products, where there are any, and the float32 products of other machines."""
    if request.param == "fused" and not quantized.int8_is_fused():
        pytest.skip("this processor has no 8-bit products")
    with patch.object(quantized, "int8_is_fused", lambda: request.param == "fused"):
        yield


def most_it_can_be_off(rows, weight):
    """|xw - x'w'| <= |x - x'| |w'| + |x| |w - w'|, summed over the inputs, with half a step for each difference."""
    row_step = np.abs(rows).max(axis=1, keepdims=True) / 127
    weight_step = np.abs(weight).max(axis=1, keepdims=True) / 127
    near = np.abs(weight) + weight_step / 2
    return row_step / 2 * near.sum(axis=1) + np.abs(rows).sum(axis=1, keepdims=True) * weight_step.T / 2


@pytest.mark.parametrize(("rows", "inputs", "outputs"), SHAPES)
def test_a_layer_is_within_the_rounding_of_its_factors(rows, inputs, outputs, kernel):
    features, layer = drawn(rows, inputs), nn.Linear(inputs, outputs)
    x, w, b = (t.detach().double().numpy() for t in (features, layer.weight, layer.bias))
    found = Int8Linear(layer.weight, layer.bias)(features).numpy()
    assert found.dtype == np.float32
    assert (np.abs(found - (x @ w.T + b)) <= most_it_can_be_off(x, w) * (1 + 1e-5) + 1e-6).all()


@pytest.mark.parametrize(("rows", "inputs", "outputs"), SHAPES)
def test_the_products_are_those_of_the_integers(rows, inputs, outputs, kernel):
    features, layer = drawn(rows, inputs), Int8Linear(drawn(outputs, inputs), None)
    integers, scale = quantize_rows(features)
    exact = integers.numpy().astype(np.int64) @ layer.weight.numpy().astype(np.int64).T
    expected = exact * layer.scale.double().numpy() * scale.double().numpy()
    np.testing.assert_allclose(layer(features).numpy(), expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_sums_do_not_saturate(sign, kernel):
    layer = Int8Linear(torch.full((16, 4096), 127.0), None)
    assert (layer(torch.full((2, 4096), sign * 127.0)) == sign * 4096 * 127 * 127).all()


def test_integers_keep_their_range_and_are_within_half_a_step():
    values = torch.cat([drawn(50, 33), 1e-20 * drawn(5, 33), 1e6 * drawn(5, 33)])
    integers, scale = quantize_rows(values)
    assert integers.abs().amax(1).tolist() == [127] * 60
    off = (integers.double() * scale.double() - values.double()).abs()
    assert (off <= scale.double() * (0.5 + 1e-4)).all()


def test_a_row_of_zeros_gives_the_bias(kernel):
    layer = nn.Linear(8, 16)
    np.testing.assert_array_equal(Int8Linear(layer.weight, layer.bias)(torch.zeros(1, 8))[0], layer.bias.detach())


def test_a_row_does_not_depend_on_its_neighbours(kernel):
    layer, features = Int8Linear(drawn(32, 16), drawn(32)), drawn(5, 16)
    features[1] *= 1000
    np.testing.assert_array_equal(layer(features)[:1], layer(features[:1]))


def test_a_1x1_convolution_is_the_same_product_at_every_place(kernel):
    convolution, maps = nn.Conv2d(6, 16, 1), drawn(2, 6, 5, 3)
    layer = Int8Pointwise(convolution.weight.flatten(1), convolution.bias)
    found = layer(maps)
    assert found.shape == (2, 16, 5, 3)
    one = Int8Linear(convolution.weight.flatten(1), convolution.bias)(maps[1, :, 4, 2])
    np.testing.assert_array_equal(found[1, :, 4, 2], one)


def test_autocast_decides_the_type_of_the_result(kernel):
    layer, features = Int8Linear(drawn(16, 24), drawn(16)), drawn(9, 24)
    with Runtime("cpu", "bf16", 1).lower_precision():
        found = layer(features)
    assert found.dtype == torch.bfloat16
    np.testing.assert_allclose(found.float(), layer(features), rtol=0.02, atol=0.02)


def test_linear_layers_and_plain_1x1_convolutions_are_replaced_and_nothing_else():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), nn.Sequential(nn.Conv2d(8, 8, 1, stride=2), nn.BatchNorm2d(8)),
        nn.Conv2d(8, 8, 1, groups=2), nn.Conv2d(8, 8, 1, padding=1), nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip
    assert quantize_layers(network) == 2
    assert [type(layer).__name__ for layer in network] == [
        "Conv2d", "Int8Pointwise", "Sequential", "Conv2d", "Conv2d", "Flatten", "Int8Linear",
    ]  # fmt: skip


def test_the_weights_of_a_transformer_take_a_quarter_of_the_bytes_and_load_again():
    def size(model):
        return sum(tensor.nbytes for tensor in model.state_dict().values())

    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0).eval()
    whole = size(model)
    assert quantize_layers(model) == 48
    assert 0.25 < size(model) / whole < 0.32
    again = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0).eval()
    quantize_layers(again)
    again.load_state_dict(model.state_dict())
    picture = drawn(1, 3, 224, 224)
    with torch.inference_mode():
        np.testing.assert_array_equal(again(picture), model(picture))
