"""Patch embeddings against the layers themselves, joined by hand; contributions against the pooled embeddings.

Those of a class token are held to what attention adds to it, patch by patch.
"""

import numpy as np
import pytest
import timm
import torch

from iad.data.image_size import ImageSize
from iad.errors import IadError
from iad.features import Backbone
from iad.features.backbone import FrozenBackbone
from iad.features.embedder import Embedder
from iad.features.embeddings import (
    added_by_attention,
    blank_pass,
    join_layers,
    lack_of_contributions,
    last_block,
    run_network,
)
from iad.features.quantization import quantize_layers
from iad.features.tokens import split_tokens

FINE = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
COARSE = torch.randn(2, 5, 2, 2, generator=torch.Generator().manual_seed(1))


def model(name, **options):
    torch.manual_seed(0)
    options |= {"dynamic_img_size": True} if "vit" in name else {}
    return timm.create_model(name, pretrained=False, num_classes=0, **options).eval().requires_grad_(False)


def unit(vector):
    return vector / vector.norm()


def test_each_layer_has_unit_length_at_each_location_of_the_coarsest_grid():
    joined = join_layers([FINE, COARSE], 1)
    assert joined.shape == (2, 2, 2, 8)
    torch.testing.assert_close(joined[1, 1, 0, :3], unit(FINE[1, :, 2:4, 0:2].mean((1, 2))))
    torch.testing.assert_close(joined[1, 1, 0, 3:], unit(COARSE[1, :, 1, 0]))


def test_layers_may_keep_their_length_as_in_patchcore():
    joined = join_layers([FINE, COARSE], 1, unit_length=False)
    torch.testing.assert_close(joined[1, 1, 0, :3], FINE[1, :, 2:4, 0:2].mean((1, 2)))
    torch.testing.assert_close(joined[1, 1, 0, 3:], COARSE[1, :, 1, 0])


def test_layers_meet_on_the_finest_grid_where_that_is_asked_for():
    joined = join_layers([FINE, COARSE], 1, unit_length=False, grid="finest")
    assert joined.shape == (2, *FINE.shape[2:], 8)
    torch.testing.assert_close(joined[..., :3], FINE.permute(0, 2, 3, 1))
    # place (1, 1) of 4 lies at 0.75 of 2: a quarter of the way from the first location to the second, on both sides
    corner = COARSE[1, :, :2, :2]
    wanted = (9 * corner[:, 0, 0] + 3 * corner[:, 0, 1] + 3 * corner[:, 1, 0] + corner[:, 1, 1]) / 16
    torch.testing.assert_close(joined[1, 1, 1, 3:], wanted)


def test_the_neighbourhood_is_a_mean_over_the_locations_that_exist():
    joined = join_layers([FINE], 3)
    torch.testing.assert_close(joined[0, 0, 0], unit(FINE[0, :, :2, :2].mean((1, 2))))
    torch.testing.assert_close(joined[0, 2, 1], unit(FINE[0, :, 1:4, 0:3].mean((1, 2))))


def test_a_transformers_class_token_is_left_out():
    module, pixels = model("test_vit"), torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        blocks = module.patch_embed(pixels).flatten(1, 2)
        tokens = module.norm_pre(module.patch_drop(module._pos_embed(module.patch_embed(pixels))))
        for block in module.blocks[:3]:
            tokens = block(tokens)
        _, layers = run_network(module, pixels, [2])
    assert tokens.shape[1] == blocks.shape[1] + 1
    torch.testing.assert_close(layers[0].flatten(2).transpose(1, 2), tokens[:, 1:])


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
@pytest.mark.parametrize("layers", [(), (1,), (1, 2)])
def test_the_last_layer_is_the_same_with_patches_and_without(name, layers):
    module, pixels = model(name), torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(run_network(module, pixels, layers)[0], module.forward_features(pixels))


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_a_pass_that_ends_early_gives_the_same_layers(name):
    module, pixels = model(name), torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        last, layers = run_network(module, pixels, (1, 2), last=False)
        assert last is None
        assert all(map(torch.equal, layers, run_network(module, pixels, (1, 2))[1]))
    assert run_network(module, pixels, (), last=False) == (None, [])


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_a_blank_pass_gives_the_same(name):
    module, pixels = model(name), torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        for layers in ((), (1, 2)):
            (last, found), (expected, others) = (
                blank_pass(module, name, pixels, layers),
                run_network(module, pixels, layers),
            )
            assert torch.equal(last, expected)
            assert all(map(torch.equal, found, others))


def test_a_layer_that_is_not_there_is_refused_by_name():
    with pytest.raises(IadError, match=r"patches\.layers: no layer 6 in test_vit; it has 0 to 5"):
        blank_pass(model("test_vit"), "test_vit", torch.zeros(1, 3, 64, 64), (2, 6))


def test_a_model_that_hides_its_layers_is_refused_by_name():
    with pytest.raises(IadError, match=r"patches\.layers: odd_net does not show its layers; choose another model"):
        blank_pass(torch.nn.Identity(), "odd_net", torch.zeros(1, 3, 64, 64), (2,))


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)


def embedded(name, pooling, module=None):
    """Pooled embeddings and contributions `(N, T, D)` of the pictures, in batches of two."""
    backbone = FrozenBackbone(name, module or model(name), ImageSize.of(64), (0.5,) * 3, (0.5,) * 3, "")
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
    assert lack_of_contributions(module, name, Backbone(model=name, pooling="cls"), (4, 4)).startswith(name)
    assert lack_of_contributions(module, name, Backbone(model=name, pooling="avg"), (4, 4)) == ""


def test_patches_on_no_known_grid_have_no_map():
    options = Backbone(model="net", pooling="avg")
    found = lack_of_contributions(torch.nn.Identity(), "net", options, None)
    assert found == "net does not show what patches add to avg"


@pytest.mark.parametrize("shape", [(2, 5, 3, 4), (2, 3, 4, 5)])
def test_maps_are_split_into_patches_whichever_way_they_lie(shape):
    module = torch.nn.Identity()
    module.output_fmt = "NCHW" if shape[1] == 5 else "NHWC"
    given = torch.arange(120.0).view(shape)
    prefix, patches = split_tokens(module, given)
    expected = given if shape[1] == 3 else given.permute(0, 2, 3, 1)
    assert prefix.shape == (2, 0, 5)
    assert torch.equal(patches, expected.reshape(2, 12, 5))
