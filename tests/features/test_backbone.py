"""Oracle: one picture at a time through the bare timm model in float32, normalised and pooled here by hand."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from iad.compute import Runtime
from iad.errors import IadError
from iad.features.backbone import POOLINGS, build_backbone, extract_features, feature_size

FP32 = Runtime("cpu", "fp32", 2)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
CNN, VIT = "test_resnet", "test_vit"
BY_HAND = {  # of (C, h, w) for CNNs, of (1 + T, D) with the class token first for ViTs
    (CNN, "avg"): lambda found: found.reshape(len(found), -1).mean(axis=1),
    (CNN, "max"): lambda found: found.reshape(len(found), -1).max(axis=1),
    (VIT, "cls"): lambda found: found[0],
    (VIT, "patch_mean"): lambda found: found[1:].mean(axis=0),
    (VIT, "token_mean"): lambda found: found.mean(axis=0),
}


def build(name, weights, *, image_size=64, normalize="model", **options):
    return build_backbone(name, f"file:{weights}", image_size=image_size, normalize=normalize, **options)


def features_of(backbone, pooling, images=IMAGES, batch_size=2):
    features = np.full((len(images), feature_size(backbone, pooling)), np.nan, dtype=np.float32)
    extract_features(backbone, images, features, pooling=pooling, runtime=FP32, batch_size=batch_size)
    return features


def bare(name, weights):
    options = {"dynamic_img_size": True} if name == VIT else {}
    model = timm.create_model(name, pretrained=False, num_classes=0, **options).eval()
    model.load_state_dict(load_file(weights))
    return model


def last_layer(model, image, mean, std):
    pixels = ((image / 255 - np.array(mean)) / np.array(std)).transpose(2, 0, 1)[None].astype(np.float32)
    with torch.no_grad():
        return model.forward_features(torch.from_numpy(pixels))[0].numpy()


@pytest.mark.parametrize(("name", "pooling"), BY_HAND)
def test_features_equal_a_plain_forward_pass_of_each_picture(name, pooling, tiny_weights):
    model, half = bare(name, tiny_weights[name]), [0.5, 0.5, 0.5]
    expected = [BY_HAND[name, pooling](last_layer(model, image, half, half)) for image in IMAGES]
    found = features_of(build(name, tiny_weights[name]), pooling)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-3, atol=1e-5)


def test_every_pooling_has_an_oracle():
    assert {pooling for _, pooling in BY_HAND} == set(POOLINGS)


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
    expected = BY_HAND[CNN, "avg"](last_layer(bare(CNN, tiny_weights[CNN]), IMAGES[0], mean, std))
    np.testing.assert_allclose(features_of(backbone, "avg", IMAGES[:1])[0], expected, rtol=1e-3, atol=1e-5)


def test_a_model_is_normalised_as_its_own_weights_were_trained(tmp_path):
    name = "test_byobnet"  # ImageNet's statistics, unlike test_resnet
    save_file(timm.create_model(name, pretrained=False, num_classes=0).state_dict(), tmp_path / "w.safetensors")
    assert build(name, tmp_path / "w.safetensors").mean == (0.485, 0.456, 0.406)
    assert build(name, tmp_path / "w.safetensors", normalize="half").mean == (0.5, 0.5, 0.5)


def test_the_batch_size_does_not_change_the_features(tiny_weights):
    backbone = build(VIT, tiny_weights[VIT])
    one, all_at_once = (features_of(backbone, "cls", batch_size=size) for size in (1, 8))
    np.testing.assert_allclose(one, all_at_once, rtol=1e-4, atol=1e-5)


def test_twice_the_same_gives_the_same_bits(tiny_weights):
    first, again = (features_of(build(CNN, tiny_weights[CNN]), "avg") for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_the_network_is_frozen_and_in_evaluation_mode(tiny_weights):
    module = build(CNN, tiny_weights[CNN]).module
    assert not module.training
    assert not any(weight.requires_grad for weight in module.parameters())


def test_a_cnn_has_no_class_token(tiny_weights):
    with pytest.raises(IadError, match=r"^pooling = cls: test_resnet has no class token; use patch_mean"):
        feature_size(build(CNN, tiny_weights[CNN]), "cls")


def test_an_unknown_model_is_refused_with_close_names():
    with pytest.raises(IadError, match=r"^unknown timm model 'resnet5'; did you mean '\w*resnet\w*'\? Known: .*resnet"):
        build_backbone("resnet5", "hub", image_size=64, normalize="model")
    with pytest.raises(IadError, match=r"^unknown timm model '0000000000000000'"):
        build_backbone("0000000000000000", "hub", image_size=64, normalize="model")


@pytest.mark.parametrize(("size", "lower", "upper"), [(70, 64, 80), (33, 32, 48)])
def test_a_size_that_is_no_multiple_of_the_patch_is_refused_with_two_that_are(size, lower, upper, tiny_weights):
    with pytest.raises(
        IadError, match=rf"image_size = {size}: test_vit wants a multiple of 16, such as {lower} or {upper}$"
    ):
        build(VIT, tiny_weights[VIT], image_size=size)


@pytest.mark.parametrize("size", [64, 80, 160])
def test_a_vit_takes_other_sizes_than_its_own(size, tiny_weights):
    images = np.zeros((1, size, size, 3), dtype=np.uint8)
    backbone = build(VIT, tiny_weights[VIT], image_size=size)
    assert features_of(backbone, "patch_mean", images).shape == (1, 64)


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


def test_the_record_holds_plain_values(tiny_weights):
    backbone = build(CNN, tiny_weights[CNN])
    assert backbone.record() == {
        "name": CNN, "weights_sha256": backbone.weights_sha256, "image_size": 64,
        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "depth": None, "quantize": "none",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "pooling"), [(CNN, "avg"), (VIT, "cls")])
def test_int8_features_are_near_those_in_float32_and_the_record_says_so(name, pooling, tiny_weights):
    exact = features_of(build(name, tiny_weights[name]), pooling)
    backbone = build(name, tiny_weights[name], quantize="int8")
    found = features_of(backbone, pooling)
    assert 0 < np.linalg.norm(found - exact) / np.linalg.norm(exact) < 0.05
    assert backbone.record()["quantize"] == "int8"


@pytest.mark.parametrize(("name", "pooling"), [(CNN, "avg"), (VIT, "patch_mean")])
def test_a_backbone_cut_short_gives_the_features_of_its_last_layer(name, pooling, tiny_weights):
    backbone = build(name, tiny_weights[name], depth=3, quantize="int8")
    assert features_of(backbone, pooling).shape == (5, 48 if name == CNN else 64)
    assert backbone.record()["depth"] == 3
    assert backbone.weights_sha256 == build(name, tiny_weights[name]).weights_sha256


def test_a_depth_that_is_not_there_is_refused(tiny_weights):
    with pytest.raises(IadError, match=r"^depth = 7: test_vit has 6 layers; use 1 to 6, or null for all$"):
        build(VIT, tiny_weights[VIT], depth=7)


@pytest.mark.parametrize(
    ("name", "pooling", "sizes", "dimensions"),
    [("mobilevit_xxs", "avg", (64, 96, 224), 320), ("vit_tiny_patch16_224", "cls", (64, 224), 192)],
)
def test_other_models_run_by_name_at_other_sizes(name, pooling, sizes, dimensions, tmp_path):
    weights = tmp_path / "weights.safetensors"
    save_file(timm.create_model(name, pretrained=False, num_classes=0).state_dict(), weights)
    for size in sizes:
        backbone = build(name, weights, image_size=size)
        images = np.random.default_rng(size).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
        found = features_of(backbone, pooling, images)
        assert found.shape == (2, dimensions)
        assert np.isfinite(found).all()
        assert not np.array_equal(found[0], found[1])
