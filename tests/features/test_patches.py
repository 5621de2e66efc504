"""Patch embeddings against the layers themselves, joined by hand."""

import pytest
import timm
import torch

from iad.errors import IadError
from iad.features.embeddings import blank_pass, join_layers, run_network

FINE = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
COARSE = torch.randn(2, 5, 2, 2, generator=torch.Generator().manual_seed(1))


def model(name):
    options = {"dynamic_img_size": True} if name == "test_vit" else {}
    torch.manual_seed(0)
    return timm.create_model(name, pretrained=False, num_classes=0, **options).eval()


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
