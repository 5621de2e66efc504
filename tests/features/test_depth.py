"""Oracle: the layers that the whole network shows on its way (`forward_intermediates`)."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch

from iad.errors import IadError
from iad.features.depth import drop_unused, keep_layers

PICTURES = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32))
MODELS = {"test_vit": 6, "test_resnet": 5, "test_efficientnet": 5, "test_byobnet": 5}


def build(name):
    torch.manual_seed(0)
    options = {"dynamic_img_size": True} if "vit" in name else {}
    return timm.create_model(name, pretrained=False, num_classes=0, **options).eval()


@torch.inference_mode()
def layers_of(model):
    return model.forward_intermediates(PICTURES)[1]


@pytest.mark.parametrize("name", MODELS)
def test_what_is_kept_computes_the_same(name):
    whole, cut = build(name), build(name)
    keep_layers(cut, name, 3)
    for expected, found in zip(layers_of(whole)[:3], layers_of(cut), strict=False):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", MODELS)
def test_layers_behind_the_deepest_wanted_go_and_those_wanted_stay(name):
    whole, cut = build(name), build(name)
    drop_unused(cut, name, (0, 2))
    sizes = [sum(weights.numel() for weights in model.parameters()) for model in (cut, whole)]
    assert sizes[0] < sizes[1]
    np.testing.assert_array_equal(layers_of(cut)[2], layers_of(whole)[2])
    uncut = torch.nn.Linear(2, 2)
    drop_unused(uncut, "linear", (0,))  # cannot be cut, and need not be
    assert uncut.weight.shape == (2, 2)


@pytest.mark.parametrize("name", MODELS)
def test_features_come_from_the_last_layer_kept(name):
    whole, cut = build(name), build(name)
    keep_layers(cut, name, 3)
    with torch.inference_mode():
        found = cut.forward_features(PICTURES)
        if name == "test_vit":
            last = whole.forward_intermediates(PICTURES, indices=[2], norm=True, output_fmt="NLC")[1][0]
            np.testing.assert_allclose(found[:, 1:], last, rtol=1e-5, atol=1e-5)  # behind the class token
        else:
            np.testing.assert_array_equal(found, layers_of(whole)[2])


@pytest.mark.parametrize("name", MODELS)
def test_a_cut_network_has_fewer_weights_and_a_whole_one_all(name):
    def weights(depth):
        model = build(name)
        keep_layers(model, name, depth)
        return sum(weight.numel() for weight in model.parameters())

    every = sum(weight.numel() for weight in build(name).parameters())
    assert weights(1) < weights(3) < weights(MODELS[name]) == every


@pytest.mark.parametrize(("name", "depth"), [("test_vit", 7), ("test_resnet", 6), ("test_resnet", 0)])
def test_more_layers_than_there_are_is_refused(name, depth):
    rule = f"^depth = {depth}: {name} has {MODELS[name]} layers; use 1 to {MODELS[name]}, or null for all$"
    with pytest.raises(IadError, match=rule):
        keep_layers(build(name), name, depth)


def test_a_model_that_cannot_be_cut_is_refused():
    with pytest.raises(IadError, match=re.escape("depth = 2: odd_net cannot be cut short; use null")):
        keep_layers(SimpleNamespace(), "odd_net", 2)
