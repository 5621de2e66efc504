"""Networks by name: weights, statistics of pixels, layers dropped. Oracle: the bare timm model and its own layers."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from iad.data.image_size import ImageSize
from iad.errors import IadError
from iad.features import Backbone
from iad.features.backbone import _check_size, build_backbone, drop_unused, keep_layers, overlap_patches
from tests.process_state import process_state, unusual_settings

CNN, VIT = "test_resnet", "test_vit"
PICTURES = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32))
MODELS = {"test_vit": 6, "test_resnet": 5, "test_efficientnet": 5, "test_byobnet": 5}


def build(name, weights, *, image_size=64, **options):
    return build_backbone(Backbone(model=name, weights=f"file:{weights}", **options), image_size)


def bare(name):
    torch.manual_seed(0)
    options = {"dynamic_img_size": True} if "vit" in name else {}
    return timm.create_model(name, pretrained=False, num_classes=0, **options).eval()


@torch.inference_mode()
def layers_of(model):
    return model.forward_intermediates(PICTURES)[1]


@pytest.mark.parametrize(
    ("normalize", "mean", "std"),
    [
        ("imagenet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("half", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ("model", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ],
)
def test_normalize_chooses_the_mean_and_deviation(normalize, mean, std, tiny_weights):
    backbone = build(CNN, tiny_weights[CNN], normalize=normalize)
    assert (backbone.mean, backbone.std) == (mean, std)


def test_a_model_is_normalised_as_its_own_weights_were_trained(tmp_path):
    name = "test_byobnet"  # ImageNet's statistics, unlike test_resnet
    save_file(timm.create_model(name, pretrained=False, num_classes=0).state_dict(), tmp_path / "w.safetensors")
    assert build(name, tmp_path / "w.safetensors").mean == (0.485, 0.456, 0.406)
    assert build(name, tmp_path / "w.safetensors", normalize="half").mean == (0.5, 0.5, 0.5)


def test_the_network_is_frozen_and_in_evaluation_mode(tiny_weights):
    module = build(CNN, tiny_weights[CNN]).module
    assert not module.training
    assert not any(weight.requires_grad for weight in module.parameters())


def test_building_leaves_the_process_as_it_is_and_is_the_same_under_any_settings(tiny_weights):
    usual = build(VIT, tiny_weights[VIT])
    with unusual_settings():
        before = process_state()
        built = build(VIT, tiny_weights[VIT])
        assert process_state() == before
    assert built.weights_sha256 == usual.weights_sha256
    assert {tensor.dtype for tensor in built.module.state_dict().values()} == {torch.float32}


def test_an_unknown_model_is_refused_with_close_names():
    with pytest.raises(IadError, match=r"^unknown timm model 'resnet5'; did you mean '\w*resnet\w*'\? Known: .*resnet"):
        build_backbone(Backbone(model="resnet5", weights="hub"), 64)
    with pytest.raises(IadError, match=r"^unknown timm model '0000000000000000'"):
        build_backbone(Backbone(model="0000000000000000", weights="hub"), 64)


@pytest.mark.parametrize(("size", "lower", "upper"), [(70, 64, 80), (33, 32, 48)])
def test_a_size_that_is_no_multiple_of_the_patch_is_refused_with_two_that_are(size, lower, upper, tiny_weights):
    end = rf" = {size}: test_vit wants a multiple of 16, such as {lower} or {upper}$"
    with pytest.raises(IadError, match=rf"^preprocess.image_size{end}"):
        build(VIT, tiny_weights[VIT], image_size=size)
    with pytest.raises(IadError, match=rf"^backbone.patches.tile{end}"):
        build(VIT, tiny_weights[VIT], image_size=512, patches={"tile": size})


def test_the_fingerprint_follows_the_weights_and_nothing_else(tiny_weights, tmp_path):
    state = load_file(tiny_weights[CNN])
    copied, changed = tmp_path / "copy.safetensors", tmp_path / "changed.safetensors"
    save_file(dict(reversed(state.items())), copied, metadata={"note": "another file, the same weights"})
    name = next(name for name in state if name.endswith("conv1.weight"))
    state[name].view(-1)[0] += 1e-3
    save_file(state, changed)
    first, same, other = (build(CNN, path).weights_sha256 for path in (tiny_weights[CNN], copied, changed))
    assert first == same
    assert first != other
    assert len(first) == 64


def test_weights_are_taken_from_memory_too(tiny_weights):
    state = {name: tensor.numpy() for name, tensor in load_file(tiny_weights[CNN]).items()}
    built = build_backbone(Backbone(model=CNN, weights="hub"), 64, weights=state)
    assert built.weights_sha256 == build(CNN, tiny_weights[CNN]).weights_sha256


def test_the_record_holds_plain_values(tiny_weights):
    backbone = build(CNN, tiny_weights[CNN])
    assert backbone.record() == {
        "name": CNN, "weights_sha256": backbone.weights_sha256, "image_size": 64,
        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "depth": None, "quantize": "none",
    }  # fmt: skip


@pytest.mark.parametrize("name", [CNN, VIT])
def test_a_backbone_cut_short_and_quantised_says_so_and_names_the_whole_weights(name, tiny_weights):
    backbone = build(name, tiny_weights[name], depth=3, quantize="int8")
    assert (backbone.record()["depth"], backbone.record()["quantize"]) == (3, "int8")
    assert backbone.weights_sha256 == build(name, tiny_weights[name]).weights_sha256


def test_a_depth_that_is_not_there_is_refused(tiny_weights):
    with pytest.raises(IadError, match=r"^depth = 7: test_vit has 6 layers; use 1 to 6, or null for all$"):
        build(VIT, tiny_weights[VIT], depth=7)


@pytest.mark.parametrize("name", MODELS)
def test_layers_that_are_kept_compute_the_same(name):
    whole, cut = bare(name), bare(name)
    keep_layers(cut, name, 3)
    for expected, found in zip(layers_of(whole)[:3], layers_of(cut), strict=False):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", MODELS)
def test_layers_behind_the_deepest_wanted_go_and_those_wanted_stay(name):
    whole, cut = bare(name), bare(name)
    drop_unused(cut, name, (0, 2))
    sizes = [sum(weights.numel() for weights in model.parameters()) for model in (cut, whole)]
    assert sizes[0] < sizes[1]
    np.testing.assert_array_equal(layers_of(cut)[2], layers_of(whole)[2])
    uncut = torch.nn.Linear(2, 2)
    drop_unused(uncut, "linear", (0,))  # cannot be cut, and need not be
    assert uncut.weight.shape == (2, 2)


@pytest.mark.parametrize("name", MODELS)
def test_features_come_from_the_last_layer_kept(name):
    whole, cut = bare(name), bare(name)
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
        model = bare(name)
        keep_layers(model, name, depth)
        return sum(weight.numel() for weight in model.parameters())

    every = sum(weight.numel() for weight in bare(name).parameters())
    assert weights(1) < weights(3) < weights(MODELS[name]) == every


@pytest.mark.parametrize(("name", "depth"), [("test_vit", 7), ("test_resnet", 6), ("test_resnet", 0)])
def test_more_layers_than_there_are_is_refused(name, depth):
    rule = f"^depth = {depth}: {name} has {MODELS[name]} layers; use 1 to {MODELS[name]}, or null for all$"
    with pytest.raises(IadError, match=rule):
        keep_layers(bare(name), name, depth)


def test_a_model_that_cannot_be_cut_is_refused():
    with pytest.raises(IadError, match=re.escape("depth = 2: odd_net cannot be cut short; use null")):
        keep_layers(SimpleNamespace(), "odd_net", 2)


def test_a_size_that_does_not_suit_a_transformer_is_refused_with_the_option_to_change():
    module = SimpleNamespace(patch_embed=SimpleNamespace(patch_size=(14, 14)))
    with pytest.raises(IadError, match=r"preprocess.image_size = 240: .* multiple of 14, such as 238 or 252$"):
        _check_size(module, "vit_small_patch14_dinov2", ImageSize(240, 300), "preprocess.image_size")
    with pytest.raises(IadError, match=r"^300 x 224 px: .* multiples of 14; set preprocess.multiple to 14$"):
        _check_size(module, "vit_small_patch14_dinov2", ImageSize(224, 300), "preprocess.image_size")
    for size in (ImageSize(224, 336), ImageSize(546, 224)):
        assert _check_size(module, "vit_small_patch14_dinov2", size, "preprocess.image_size") is None


def test_overlapping_patches_hold_those_side_by_side(tiny_weights):
    whole, overlapping = (build(VIT, tiny_weights[VIT], image_size=64, stride=stride).module for stride in (None, 8))
    with torch.inference_mode():
        apart, dense = whole.patch_embed(PICTURES), overlapping.patch_embed(PICTURES)
        assert dense.shape[1:3] == (7, 7)
        torch.testing.assert_close(dense[:, ::2, ::2], apart)
        layer = overlapping.forward_intermediates(PICTURES, [3], intermediates_only=True)[0]
    assert layer.shape[2:] == (7, 7)


def test_a_stride_as_wide_as_a_patch_changes_nothing():
    plain, strided = bare(VIT), bare(VIT)
    overlap_patches(strided, VIT, 16)
    for one, other in zip(layers_of(plain), layers_of(strided), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        (
            CNN,
            {"stride": 8},
            r"^backbone\.stride = 8: test_resnet has no patches that could overlap; set stride to null$",
        ),
        (
            VIT,
            {"stride": 17},
            r"^backbone\.stride = 17: the patches of test_vit are 16 px wide, and gaps .*; use at most",
        ),
        (
            VIT,
            {"stride": 8, "patches": {"layers": [2], "tile": 32}},
            r"^backbone\.stride = 8: tiles want patches side by",
        ),
    ],
)
def test_a_stride_that_cannot_be_is_refused(name, options, text, tiny_weights):
    with pytest.raises(IadError, match=text):
        build(name, tiny_weights[name], **options)
