"""Contributions against the pooled embeddings, and against what attention adds to the class token, patch by patch."""

import numpy as np
import pytest
import timm
import torch

from iad.features import Backbone
from iad.features.backbone import FrozenBackbone
from iad.features.embedder import Embedder
from iad.features.embeddings import added_by_attention, lack_of_contributions, last_block, split_tokens
from iad.features.quantization import quantize_layers

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)


def model(name, **options):
    torch.manual_seed(0)
    options |= {"dynamic_img_size": True} if "vit" in name else {}
    return timm.create_model(name, pretrained=False, num_classes=0, **options).eval().requires_grad_(False)


def embedded(name, pooling, module=None):
    """Pooled embeddings and contributions `(N, T, D)` of the pictures, in batches of two."""
    backbone = FrozenBackbone(name, module or model(name), 64, (0.5,) * 3, (0.5,) * 3, "")
    found = Embedder(Backbone(model=name, pooling=pooling), 64, backbone=backbone, batch_size=2).embed(IMAGES)
    contributions = found["contributions"]
    return found["pooled"], contributions.reshape(5, -1, contributions.shape[-1]).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "pooling"), [("test_resnet", "avg"), ("test_vit", "patch_mean"), ("test_vit", "token_mean")]
)
def test_a_mean_is_the_mean_of_its_contributions(name, pooling):
    pooled, contributions = embedded(name, pooling)
    np.testing.assert_allclose(contributions.mean(axis=1), pooled, rtol=2e-3, atol=1e-3)


def test_a_maximum_is_the_maximum_of_its_contributions():
    pooled, contributions = embedded("test_resnet", "max")
    np.testing.assert_allclose(contributions.max(axis=1), pooled, rtol=1e-3)


def by_hand(module, image):
    """What each patch adds to the class token in the last block, one head and one patch at a time, and the whole."""
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
        for patch, weight in enumerate(products.softmax(0)):
            added[patch] += attention.proj.weight[:, part] @ (weight * values[patch, part])
    whole = attention(seen[None])[0, 0] - attention.proj.bias
    return added[module.num_prefix_tokens :].numpy(), added.sum(0).numpy(), whole.numpy()


def test_what_attention_adds_to_the_class_token_is_split_by_patch():
    module = model("test_vit")
    _, contributions = embedded("test_vit", "cls", module)
    for found, image in zip(contributions, IMAGES, strict=True):
        expected, total, whole = by_hand(module, image)
        np.testing.assert_allclose(total, whole, atol=1e-5)  # the oracle splits all of it
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4)


def test_register_tokens_are_no_patches():
    module = model("test_vit", reg_tokens=3)
    assert module.num_prefix_tokens == 4
    _, contributions = embedded("test_vit", "cls", module)
    expected, _, _ = by_hand(module, IMAGES[4])
    np.testing.assert_allclose(contributions[4], expected, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("sizes", [(1, 2, 3, 4, 5)])
def test_attention_is_split_for_each_picture_by_itself(sizes):
    block = model("vit_tiny_patch16_224").blocks[-1]
    seen = torch.from_numpy(np.random.default_rng(1).standard_normal((6, 197, 3 * 192), dtype=np.float32))
    with torch.inference_mode():
        expected = added_by_attention(block, seen, 1)
        for size in sizes:
            for first in range(6 - size):
                found = added_by_attention(block, seen[first : first + size].clone(), 1)
                assert torch.equal(found, expected[first : first + size])


def test_integer_layers_add_about_the_same():
    module, integer = model("test_vit"), model("test_vit")
    quantize_layers(integer)
    (_, exact), (_, rounded) = embedded("test_vit", "cls", module), embedded("test_vit", "cls", integer)
    assert np.corrcoef(exact.ravel(), rounded.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("name", ["test_resnet", "test_vit3", "test_mambaout"])
def test_a_network_without_plain_attention_cannot_tell(name):
    module = model(name)
    if name == "test_vit3":
        module.blocks[-1].attn = torch.nn.Identity()
    assert last_block(module) is None
    assert lack_of_contributions(module, name, Backbone(model=name, pooling="cls"), 16).startswith(name)
    assert lack_of_contributions(module, name, Backbone(model=name, pooling="avg"), 16) == ""


def test_patches_that_fill_no_square_have_no_map():
    options = Backbone(model="net", pooling="avg")
    assert lack_of_contributions(torch.nn.Identity(), "net", options, 15) == "net does not show what patches add to avg"


@pytest.mark.parametrize("shape", [(2, 5, 3, 4), (2, 3, 4, 5)])
def test_maps_are_split_into_patches_whichever_way_they_lie(shape):
    module = torch.nn.Identity()
    module.output_fmt = "NCHW" if shape[1] == 5 else "NHWC"
    given = torch.arange(120.0).view(shape)
    prefix, patches = split_tokens(module, given)
    expected = given if shape[1] == 3 else given.permute(0, 2, 3, 1)
    assert prefix.shape == (2, 0, 5)
    assert torch.equal(patches, expected.reshape(2, 12, 5))
