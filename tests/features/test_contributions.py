"""Vectors of places against the pooled features, and against what attention adds to the class token, place by place."""

import numpy as np
import pytest
import timm
import torch

from iad.compute import Runtime
from iad.features.backbone import Backbone, extract_features
from iad.features.contributions import last_block, place_grid, place_writer
from iad.features.quantization import quantize_layers

FP32 = Runtime("cpu", "fp32", 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)


def model(name, **options):
    torch.manual_seed(0)
    options |= {"dynamic_img_size": True} if "vit" in name else {}
    return timm.create_model(name, pretrained=False, num_classes=0, **options).eval().requires_grad_(False)


def written(name, pooling, module=None):
    """Features and vectors `(N, P, D)` of the pictures, in batches of two."""
    module = module or model(name)
    backbone = Backbone(name, module, 64, (0.5,) * 3, (0.5,) * 3, "")
    side = place_grid(module, pooling, 64)
    features = np.empty((5, module.num_features), np.float32)
    vectors = np.full((5, side, side, module.num_features), np.nan, np.float16)
    with place_writer(vectors, pooling, module) as places:
        extract_features(backbone, IMAGES, features, pooling=pooling, runtime=FP32, batch_size=2, places=places)
    return features, vectors.reshape(5, side**2, -1).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "pooling"), [("test_resnet", "avg"), ("test_vit", "patch_mean"), ("test_vit", "token_mean")]
)
def test_a_mean_is_the_mean_of_its_vectors(name, pooling):
    features, vectors = written(name, pooling)
    np.testing.assert_allclose(vectors.mean(axis=1), features, rtol=2e-3, atol=1e-3)


def test_a_maximum_is_the_maximum_of_its_vectors():
    features, vectors = written("test_resnet", "max")
    np.testing.assert_allclose(vectors.max(axis=1), features, rtol=1e-3)


def by_hand(module, image):
    """What each place adds to the class token in the last block, one head and one place at a time, and the whole."""
    block = module.blocks[-1]
    attention = block.attn
    pixels = torch.from_numpy(image)[None].permute(0, 3, 1, 2).float() / 255
    tokens = module.norm_pre(module._pos_embed(module.patch_embed((pixels - 0.5) / 0.5)))
    for one in module.blocks[:-1]:
        tokens = one(tokens)
    seen = block.norm1(tokens)[0]
    width = attention.head_dim
    queries, keys, values = attention.qkv(seen).chunk(3, dim=1)  # each (P + T, D)
    added = torch.zeros(len(seen), len(seen[0]))
    for head in range(attention.num_heads):
        part = slice(head * width, (head + 1) * width)
        products = torch.stack([queries[0, part] @ key[part] for key in keys]) / width**0.5
        for place, weight in enumerate(products.softmax(0)):
            added[place] += attention.proj.weight[:, part] @ (weight * values[place, part])
    whole = attention(seen[None])[0, 0] - attention.proj.bias
    return added[module.num_prefix_tokens :].numpy(), added.sum(0).numpy(), whole.numpy()


def test_what_attention_adds_to_the_class_token_is_split_by_place():
    module = model("test_vit")
    _, vectors = written("test_vit", "cls", module)
    for found, image in zip(vectors, IMAGES, strict=True):
        expected, total, whole = by_hand(module, image)
        np.testing.assert_allclose(total, whole, atol=1e-5)  # the oracle splits all of it
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4)


def test_register_tokens_are_no_places():
    module = model("test_vit", reg_tokens=3)
    assert module.num_prefix_tokens == 4
    _, vectors = written("test_vit", "cls", module)
    expected, _, _ = by_hand(module, IMAGES[4])
    np.testing.assert_allclose(vectors[4], expected, rtol=2e-3, atol=1e-4)


def test_the_network_is_watched_no_longer_than_needed():
    module = model("test_vit")
    written("test_vit", "cls", module)
    assert not module.blocks[-1].attn.qkv._forward_hooks


def test_integer_layers_add_about_the_same():
    module, integer = model("test_vit"), model("test_vit")
    quantize_layers(integer)
    (_, exact), (_, rounded) = written("test_vit", "cls", module), written("test_vit", "cls", integer)
    assert np.corrcoef(exact.ravel(), rounded.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("name", ["test_resnet", "test_vit3", "test_mambaout"])
def test_a_network_without_plain_attention_cannot_tell(name):
    module = model(name)
    if name == "test_vit3":
        module.blocks[-1].attn = torch.nn.Identity()
    assert last_block(module) is None
    assert place_grid(module, "cls", 64) is None
