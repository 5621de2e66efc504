"""Synthetic carpets, whose defects have exact masks, and methods fitted to them with tiny networks."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

import iad
from iad.data.carpet import draw

SIZE, BAD = 64, 8
KINDS = ("hole", "metal_contamination")


def carpets(stream, count, kinds=(None,)):
    return [draw(0, stream, number, SIZE, kinds[number % len(kinds)]) for number in range(count)]


def on_mask(values, mask):
    """Share of what is positive that lies on the mask, over the mask's share of the picture: 1 is chance."""
    raised, mask = np.clip(values, 0, None), mask.astype(bool)
    return raised[mask].sum() / raised.sum() / mask.mean()


@pytest.fixture(scope="module")
def good():
    return np.stack([picture for picture, _ in carpets(0, 16)])


@pytest.fixture(scope="module")
def autoencoder(good):
    return iad.fit(
        good, "ae", image_size=SIZE, device="cpu", training={"epochs": 12}, threshold={"alpha": 0.3}
    )  # fmt: skip


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A tiny network with random weights, which the bundle knows by their hash."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "test_resnet.safetensors"
    save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), file)
    return {"model": "test_resnet", "weights": f"file:{file}"}


@pytest.fixture(scope="module")
def patches(good, backbone):
    return iad.fit(
        good, "patch_resnet", image_size=SIZE, device="cpu", backbone=backbone, options={"coreset_sampling_ratio": 1.0},
        threshold={"alpha": 0.3},
    )  # fmt: skip


@pytest.fixture(scope="module")
def hybrid(good, backbone, tmp_path_factory):
    torch.manual_seed(1)
    file = tmp_path_factory.mktemp("weights") / "test_vit.safetensors"
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), file)
    networks = {
        "resnet": backbone,
        "vit": {"model": "test_vit", "weights": f"file:{file}", "patches": {"layers": [3, 4]}},
    }
    return iad.fit(good, "hybrid", image_size=SIZE, device="cpu", backbone=networks, threshold={"alpha": 0.3})
