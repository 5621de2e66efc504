"""Oracles: the layers one by one, in float64; and the network before anything in it was fused."""

import copy

import numpy as np
import pytest
import timm
import torch
from timm.layers import BatchNormAct2d, Conv2dSame
from torch import nn

from iad.features import fusion
from iad.features.fusion import FusedConvolution, fuse_convolutions

pytestmark = pytest.mark.skipif(not fusion._can_fuse(), reason="this PyTorch has no oneDNN")
PIXELS = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
NAMES = ["test_resnet", "test_efficientnet", "mobilenetv3_small_050", "regnety_002", "tf_efficientnet_lite0"]


def unsettled(module):
    """The same network with norms that do something, frozen."""
    generator = torch.Generator().manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor, low, high in (
                (layer.running_mean, -1, 1), (layer.running_var, 0.5, 2), (layer.weight, 0.5, 2), (layer.bias, -1, 1),
            ):  # fmt: skip
                tensor.data.uniform_(low, high, generator=generator)
    return module.eval().requires_grad_(False)


def fuse(module, pixels=PIXELS):
    """How many were fused, and what the network gave before and gives now."""
    with torch.inference_mode():
        before = module(pixels)
        count = fuse_convolutions(module, lambda: {"patches": module(pixels)})
        return count, before, module(pixels)


@pytest.mark.parametrize("activation", [nn.Identity(), nn.ReLU(), nn.ReLU6(), nn.SiLU()])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 16, 3),
        nn.Conv2d(8, 16, 1, bias=False),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False),
        nn.Conv2d(8, 8, (1, 3), padding=(0, 2), dilation=2, groups=2),
        Conv2dSame(8, 16, 3, stride=2),
        Conv2dSame(8, 8, 5, stride=2, groups=8),
        Conv2dSame(8, 16, (3, 1), stride=(2, 1)),
    ],
    ids=str,
)
def test_one_call_gives_what_the_three_layers_give(layer, activation):
    layers = unsettled(nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels), activation))
    fused, exact = FusedConvolution(*layers), copy.deepcopy(layers).double()
    for height, width in ((11, 11), (12, 12), (9, 14)):
        maps = torch.randn(3, 8, height, width, generator=torch.Generator().manual_seed(2))
        wanted = exact(maps.double())
        for given in (maps, maps.to(memory_format=torch.channels_last), maps[:1]):
            torch.testing.assert_close(fused(given).double(), wanted[: len(given)], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_stays_what_it_was_but_for_rounding(name):
    module = unsettled(timm.create_model(name, num_classes=0)).to(memory_format=torch.channels_last)
    norms = sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())
    fused, before, after = fuse(module)
    assert fused == norms
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())
    torch.testing.assert_close(after, before, rtol=0, atol=5e-5 * float(before.abs().max()))


class Branching(nn.Module):
    """A network whose layers are joined in ways that a list of them would not show."""

    def __init__(self, how):
        super().__init__()
        self.how, self.layer, self.norm, self.activation = (
            how,
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
        )

    def forward(self, pixels):
        maps = self.layer(pixels)
        if self.how == "taken twice":
            return self.activation(self.norm(maps)) + maps
        if self.how == "changed before the norm":
            maps += 1
            return self.activation(self.norm(maps))
        normed = self.norm(maps)
        if self.how == "changed before the activation":
            normed += maps.mean()
        if self.how == "normed twice":
            normed = self.norm(normed)
        return self.activation(normed)


@pytest.mark.parametrize(("how", "count"), [
    ("taken twice", 0), ("changed before the norm", 0), ("changed before the activation", 0), ("normed twice", 0),
    ("one after the other", 1),
])  # fmt: skip
def test_only_what_follows_one_upon_the_other_is_fused(how, count):
    module = unsettled(Branching(how))
    layers = list(module.children())
    fused, before, after = fuse(module)
    assert fused == count
    if count == 0:
        assert list(module.children()) == layers
        assert torch.equal(after, before)
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


def test_an_addition_between_norm_and_activation_keeps_the_activation_behind_it():
    class Residual(Branching):
        def forward(self, pixels):
            normed = self.norm(self.layer(pixels))
            normed += pixels.mean()
            return self.activation(normed)

    module = unsettled(Residual(""))
    fused, before, after = fuse(module)
    assert fused == 1
    assert isinstance(module.activation, nn.ReLU)
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


def test_an_activation_that_the_kernel_lacks_stays_behind_it():
    module = unsettled(nn.Sequential(nn.Conv2d(3, 8, 3), BatchNormAct2d(8, act_layer=nn.ELU)))
    fused, before, after = fuse(module)
    assert fused == 1
    assert isinstance(module[1], nn.ELU)
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        Conv2dSame(3, 8, 3, dilation=2),
        nn.Conv2d(3, 8, 3, padding="same"),
        nn.Conv2d(3, 8, 3, 1, 1, padding_mode="reflect"),
    ],
)
def test_other_ways_to_pad_are_left_alone(layer):
    assert fuse(unsettled(nn.Sequential(layer, nn.BatchNorm2d(8))))[0] == 0


def test_without_the_kernel_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(fusion, "_can_fuse", lambda: False)
    module = unsettled(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    assert fuse(module)[0] == 0
    assert [type(layer) for layer in module] == [nn.Conv2d, nn.BatchNorm2d]


def test_no_hook_is_left_behind():
    module = unsettled(timm.create_model("test_resnet", num_classes=0))
    fuse(module)
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in module.modules())


def test_a_picture_is_the_same_to_the_bit_in_any_company():
    module = unsettled(timm.create_model("test_efficientnet", num_classes=0)).to(memory_format=torch.channels_last)
    fuse(module)
    pixels = torch.from_numpy(np.random.default_rng(3).random((5, 3, 64, 64), dtype=np.float32))
    with torch.inference_mode():
        assert torch.equal(module(pixels)[1:3], module(pixels[1:3]))
