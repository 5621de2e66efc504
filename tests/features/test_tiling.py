"""Tiles against one pass over the whole picture: equal away from tile borders, and one tile answers for each place."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from iad.compute import Runtime
from iad.errors import IadError
from iad.features.backbone import build_backbone, extract_features, feature_size
from iad.features.patches import PatchWriter, patch_shape
from iad.features.tiling import Tiles, place_tiles

FP32 = Runtime("cpu", "fp32", 1)
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)


@given(
    places=st.integers(1, 40), more=st.integers(0, 200), stride=st.sampled_from([1, 8, 14, 16]),
    overlap=st.floats(0, 0.75),
)  # fmt: skip
def test_tiles_cover_the_picture_on_its_grid_and_overlap_enough(places, more, stride, overlap):
    size, side = stride * (places + more), stride * places
    tiles = place_tiles(size, side, overlap, places, section="resnet")
    assert (tiles.origins[0], tiles.origins[-1]) == (0, size - side)
    assert all(origin % stride == 0 for origin in tiles.origins)
    steps = [after - first for first, after in pairwise(tiles.origins)]
    assert all(0 < step <= max(stride, side * (1 - overlap) + 1e-6) for step in steps)
    assert tiles.grid(places) == size // stride
    assert not steps or max(steps) - min(steps) <= stride


def test_no_tile_more_than_the_overlap_needs():
    assert len(place_tiles(160, 64, 0.25, 8, section="vit").origins) == 3  # two reach 128 px at most, less the overlap
    assert place_tiles(112, 64, 0.25, 8, section="vit").origins == (0, 48)
    assert place_tiles(64, 64, 0.25, 8, section="vit").origins == (0,)


def test_each_place_is_answered_by_the_tile_whose_centre_is_nearest():
    tiles = place_tiles(144, 64, 0.25, 8, section="vit")
    parts = np.arange(tiles.count * 3 * 64, dtype=np.float16).reshape(-1, 8, 8, 3)[:, :, :, :1]
    parts = np.broadcast_to(np.arange(tiles.count, dtype=np.float16)[:, None, None, None], parts.shape)
    stitched = np.full((1, 18, 18, 1), -1, np.float16)
    for number in range(tiles.count):  # one by one, as batches of any size come
        tiles.stitch(parts[number : number + 1], number, stitched)
    centres = np.array(tiles.origins) / 8 + 4
    away = np.abs(np.arange(18)[:, None] + 0.5 - centres)  # (places, tiles of a line)
    chosen = stitched[0, :, :, 0].astype(int)
    for row, column in np.ndindex(18, 18):
        line, place = divmod(chosen[row, column], len(centres))
        assert away[row, line] == away[row].min()
        assert away[column, place] == away[column].min()


def test_stitching_the_pixels_themselves_gives_the_picture():
    tiles, found = Tiles(40, (0, 24, 56)), np.zeros_like(PICTURES)
    for start in range(0, 3 * tiles.count, 4):
        tiles.stitch(tiles.cut(PICTURES, start, 4), start, found)
    np.testing.assert_array_equal(found, PICTURES)


def test_pooled_features_are_the_mean_over_a_pictures_tiles():
    tiles, features = Tiles(40, (0, 56)), np.full((3, 2), np.nan, np.float32)
    parts = np.random.default_rng(1).normal(size=(12, 2)).astype(np.float32)
    for start in range(0, 12, 5):
        tiles.pool(parts[start : start + 5], start, features)
    np.testing.assert_allclose(features, parts.reshape(3, 4, 2).mean(axis=1), rtol=1e-5)


class Local(torch.nn.Module):
    """Two convolutions of 3 x 3, with strides of 2 and 4: a place sees 13 x 13 px, at most 6 px beyond its own 8."""

    num_prefix_tokens, output_fmt, pretrained_cfg = 0, "NCHW", None

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = torch.nn.Parameter(torch.randn(4, 3, 3, 3, generator=generator))
        self.second = torch.nn.Parameter(torch.randn(6, 4, 3, 3, generator=generator))

    def forward_intermediates(self, pixels, indices=None):
        fine = functional.conv2d(pixels, self.first, stride=2, padding=1)
        coarse = functional.conv2d(fine, self.second, stride=4, padding=1)
        layers = [fine, coarse]
        return coarse, layers if indices is None else [layers[index] for index in indices]

    def forward_features(self, pixels):
        return self.forward_intermediates(pixels)[0]


def backbone_of(module, size, tiny_weights):
    made = build_backbone("test_resnet", f"file:{tiny_weights['test_resnet']}", image_size=size, normalize="half")
    return type(made)("local", module, size, made.mean, made.std, "") if module else made


def patches_of(backbone, tiles, layers, batch_size=4):
    height, _, length = patch_shape(backbone.module, backbone.name, backbone.image_size, layers)
    side = tiles.grid(height) if tiles else height
    patches = np.full((len(PICTURES), side, side, length), np.nan, np.float16)
    features = np.full((len(PICTURES), feature_size(backbone, "avg")), np.nan, np.float32)
    extract_features(
        backbone, PICTURES, features, pooling="avg", runtime=FP32, batch_size=batch_size,
        patches=PatchWriter(patches, layers, 1), tiles=tiles,
    )  # fmt: skip
    return features, patches


def test_a_network_that_sees_only_a_places_surroundings_finds_the_same_as_in_one_pass(tiny_weights):
    module = Local()
    tiles = place_tiles(96, 48, 0.25, 6, section="resnet")
    assert len(tiles.origins) == 3
    _, whole = patches_of(backbone_of(module, 96, tiny_weights), None, (0, 1))
    _, stitched = patches_of(backbone_of(module, 48, tiny_weights), tiles, (0, 1))
    assert stitched.shape == whole.shape == (3, 12, 12, 10)
    np.testing.assert_allclose(stitched.astype(float), whole.astype(float), atol=2e-3)


def test_without_any_overlap_the_same_network_differs_at_the_seams_alone(tiny_weights):
    module = Local()
    tiles = place_tiles(96, 48, 0, 6, section="resnet")
    _, whole = patches_of(backbone_of(module, 96, tiny_weights), None, (0, 1))
    _, stitched = patches_of(backbone_of(module, 48, tiny_weights), tiles, (0, 1))
    differs = np.abs(stitched.astype(float) - whole.astype(float)).max(axis=(0, 3)) > 0.01
    assert differs[6].any()  # the place after the seam sees padding where the picture goes on
    away = np.delete(np.delete(differs, [5, 6], axis=0), [5, 6], axis=1)
    assert not away.any()


def test_one_tile_as_large_as_the_picture_changes_no_bit(tiny_weights):
    backbone = backbone_of(None, 96, tiny_weights)
    for found, expected in zip(
        patches_of(backbone, Tiles(96, (0,)), (1, 2)), patches_of(backbone, None, (1, 2)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_the_batch_size_does_not_change_what_is_stitched(tiny_weights):
    backbone, tiles = backbone_of(None, 64, tiny_weights), Tiles(64, (0, 32))
    (pooled, patches), (others, other) = (patches_of(backbone, tiles, (1, 2), size) for size in (1, 5))
    np.testing.assert_allclose(patches.astype(float), other.astype(float), atol=2e-3)
    np.testing.assert_allclose(pooled, others, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "side", "places", "text"),
    [
        (96, 128, 16, r"vit\.patches\.tile = 128: larger than the picture \(96 px\); lower it, or raise preprocess"),
        (96, 60, 8, r"vit\.patches\.tile = 60: must be a multiple of 8 px, .* take 56 or 64"),
        (100, 64, 8, r"preprocess\.image_size = 100: with .* must be a multiple of 8; take 96 or 104"),
    ],
)
def test_tiles_that_do_not_fit_are_refused(size, side, places, text):
    with pytest.raises(IadError, match=text):
        place_tiles(size, side, 0.25, places, section="vit")
