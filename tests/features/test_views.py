"""Tiles against one pass over the whole picture, and rotated copies against `np.rot90` and a loop over pixels.

Tiles equal the whole away from their borders, and one tile answers for each patch.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from iad.data.image_size import ImageSize
from iad.errors import IadError
from iad.features import Backbone
from iad.features.backbone import FrozenBackbone, build_backbone
from iad.features.embedder import Embedder
from iad.features.views import Orientation, Oriented, Tiles, orientations, place_tiles, rotate

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)


@given(
    patches=st.integers(1, 40), more=st.integers(0, 200), stride=st.sampled_from([1, 8, 14, 16]),
    overlap=st.floats(0, 0.75),
)  # fmt: skip
def test_tiles_cover_the_picture_on_its_grid_and_overlap_enough(patches, more, stride, overlap):
    size, side = ImageSize(stride * (patches + more), stride * (patches + more // 3)), stride * patches
    tiles = place_tiles(size, side, overlap, patches, section="resnet")
    assert tiles.grid(patches) == (size.height // stride, size.width // stride)
    for origins, length in zip((tiles.tops, tiles.lefts), size, strict=True):
        assert (origins[0], origins[-1]) == (0, length - side)
        assert all(origin % stride == 0 for origin in origins)
        steps = [after - first for first, after in pairwise(origins)]
        assert all(0 < step <= max(stride, side * (1 - overlap) + 1e-6) for step in steps)
        assert not steps or max(steps) - min(steps) <= stride


def test_no_tile_more_than_the_overlap_needs():
    tiles = place_tiles(ImageSize(160, 112), 64, 0.25, 8, section="vit")
    assert len(tiles.tops) == 3  # two reach 128 px at most, less the overlap
    assert tiles.lefts == (0, 48)
    assert place_tiles(ImageSize(64, 64), 64, 0.25, 8, section="vit").tops == (0,)


def test_each_patch_is_answered_by_the_tile_whose_centre_is_nearest():
    tiles = place_tiles(ImageSize(144, 112), 64, 0.25, 8, section="vit")
    parts = np.broadcast_to(np.arange(tiles.count, dtype=np.float16)[:, None, None, None], (tiles.count, 8, 8, 1))
    stitched = np.full((1, 18, 14, 1), -1, np.float16)
    for number in range(tiles.count):  # one by one, as batches of any size come
        tiles.stitch(parts[number : number + 1], number, stitched)
    down, along = (  # how far each patch is from the middle of each tile of a column, and of a line
        np.abs(np.arange(count)[:, None] + 0.5 - np.array(origins) / 8 - 4)
        for count, origins in ((18, tiles.tops), (14, tiles.lefts))
    )
    chosen = stitched[0, :, :, 0].astype(int)
    for row, column in np.ndindex(18, 14):
        line, within = divmod(chosen[row, column], len(tiles.lefts))
        assert down[row, line] == down[row].min()
        assert along[column, within] == along[column].min()


def test_stitching_the_pixels_themselves_gives_the_picture():
    tiles, found = Tiles(ImageSize(40, 48), (0, 24, 56), (0, 48)), np.zeros_like(PICTURES)
    for start in range(0, 3 * tiles.count, 4):
        tiles.stitch(tiles.cut(PICTURES, start, 4), start, found)
    np.testing.assert_array_equal(found, PICTURES)


def test_pooled_features_are_the_mean_over_a_pictures_tiles():
    tiles, features = Tiles(ImageSize(40, 40), (0, 56), (0, 56)), np.full((3, 2), np.nan, np.float32)
    parts = np.random.default_rng(1).normal(size=(12, 2)).astype(np.float32)
    for start in range(0, 12, 5):
        tiles.pool(parts[start : start + 5], start, features)
    np.testing.assert_allclose(features, parts.reshape(3, 4, 2).mean(axis=1), rtol=1e-5)


class Local(torch.nn.Module):
    """Two convolutions of 3 x 3, with strides of 2 and 4: a patch sees 13 x 13 px, at most 6 px beyond its own 8."""

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


def embedded(module, patches, tiny_weights):
    """Pooled embeddings and patches of the pictures by a module, or by test_resnet where there is none."""
    options = Backbone(
        model="test_resnet", weights=f"file:{tiny_weights['test_resnet']}", pooling="avg", attribution=False,
        patches={"layers": (0, 1) if module else (1, 2)} | patches,
    )  # fmt: skip
    backbone = build_backbone(options, 96)
    if module:
        backbone = FrozenBackbone(
            "local", module, ImageSize.of(options.patches.tile or 96), backbone.mean, backbone.std, ""
        )
    embedder = Embedder(options, 96, backbone=backbone, batch_size=4)
    found = embedder.embed(PICTURES)
    return embedder, found["pooled"], found["patches"].astype(float)


def test_a_network_that_sees_only_a_patchs_surroundings_finds_the_same_as_in_one_pass(tiny_weights):
    _, _, whole = embedded(Local(), {}, tiny_weights)
    embedder, _, stitched = embedded(Local(), {"tile": 48}, tiny_weights)
    assert embedder.tiles.count == 9
    assert stitched.shape == whole.shape == (3, 12, 12, 10)
    np.testing.assert_allclose(stitched, whole, atol=2e-3)


def test_without_any_overlap_the_same_network_differs_at_the_seams_alone(tiny_weights):
    _, _, whole = embedded(Local(), {}, tiny_weights)
    _, _, stitched = embedded(Local(), {"tile": 48, "overlap": 0}, tiny_weights)
    differs = np.abs(stitched - whole).max(axis=(0, 3)) > 0.01
    assert differs[6].any()  # the patch after the seam sees padding where the picture goes on
    away = np.delete(np.delete(differs, [5, 6], axis=0), [5, 6], axis=1)
    assert not away.any()


def test_one_tile_as_large_as_the_picture_changes_no_bit(tiny_weights):
    _, *found = embedded(None, {"tile": 96}, tiny_weights)
    _, *expected = embedded(None, {}, tiny_weights)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("size", "side", "patches", "text"),
    [
        (
            96,
            128,
            16,
            r"vit\.patches\.tile = 128: larger than the picture \(96 x 96 px\); lower it, or raise preprocess",
        ),
        (96, 60, 8, r"vit\.patches\.tile = 60: must be a multiple of 8 px, .* take 56 or 64"),
        (100, 64, 8, r"preprocess\.image_size = 100: with .* must be a multiple of 8; take 96 or 104"),
    ],
)
def test_tiles_that_do_not_fit_are_refused(size, side, patches, text):
    with pytest.raises(IadError, match=text):
        place_tiles(ImageSize.of(size), side, 0.25, patches, section="vit")


PICTURE = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)


def reflected(place, size):
    """A coordinate (pixel middles at whole numbers) brought back into the picture by mirrors at its two borders."""
    place = (place + 0.5) % (2 * size)
    return min(max((2 * size - place if place > size else place) - 0.5, 0), size - 1)


def by_hand(picture, degrees):
    size, turn = len(picture), math.radians(degrees)
    found, middle = np.zeros(picture.shape), (size - 1) / 2
    for row, column in np.ndindex(size, size):
        x, y = column - middle, row - middle  # y points down, so a counterclockwise turn brings this from
        from_x = reflected(math.cos(turn) * x - math.sin(turn) * y + middle, size)
        from_y = reflected(math.sin(turn) * x + math.cos(turn) * y + middle, size)
        left, top = min(int(from_x), size - 2), min(int(from_y), size - 2)
        across, down = from_x - left, from_y - top
        for dy, dx in np.ndindex(2, 2):
            weight = (down if dy else 1 - down) * (across if dx else 1 - across)
            found[row, column] += weight * picture[top + dy, left + dx]
    return found


def rotated(picture, degrees):
    return rotate(torch.from_numpy(np.array(picture)).permute(2, 0, 1), degrees).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_quarter_turn_only_moves_pixels(quarters):
    found = Orientation(90.0 * quarters, flipped=False)(PICTURE)
    np.testing.assert_array_equal(found, np.rot90(PICTURE, quarters))
    assert found.flags.c_contiguous


@pytest.mark.parametrize("degrees", [45.0, 120.0, 300.0, 7.5])
def test_other_angles_are_interpolated_and_reflected_at_the_border(degrees):
    found = Orientation(degrees, flipped=False)(PICTURE)
    assert found.dtype == np.uint8
    assert np.abs(found - by_hand(PICTURE, degrees)).max() <= 0.51


def test_both_ways_of_turning_agree_on_the_direction():
    np.testing.assert_array_equal(rotated(PICTURE, 90), np.rot90(PICTURE))


def test_nothing_but_texture_of_the_picture_comes_into_its_corners():
    stripes = np.broadcast_to(np.where(np.arange(64) % 8 < 4, 200, 50)[:, None, None], (64, 64, 3)).astype(np.uint8)
    corner = rotated(stripes, 45)[:10, :10]
    assert corner.std() > 40  # a repeated border pixel, or a fill, would be nearly even


def test_orientations_are_even_and_flipped_ones_follow():
    assert [one.degrees for one in orientations(3, flip=False)] == [0, 120, 240]
    every = orientations(2, flip=True)
    assert [(one.degrees, one.flipped) for one in every] == [(0, False), (180, False), (0, True), (180, True)]
    np.testing.assert_array_equal(every[0](PICTURE), PICTURE)
    np.testing.assert_array_equal(every[3](PICTURE), PICTURE[::-1])
    assert len({one(PICTURE).tobytes() for one in orientations(8, flip=True)}) == 16


def test_oriented_pictures_are_those_of_their_rows():
    images = np.stack([PICTURE, PICTURE + 1, PICTURE + 2])
    some = Oriented(images, np.array([2, 0]), Orientation(90, flipped=True))
    assert len(some) == 2
    np.testing.assert_array_equal(some[0], np.rot90(images[2][:, ::-1]))
    np.testing.assert_array_equal(some[1:][0], np.rot90(images[0][:, ::-1]))


def test_a_quarter_turn_keeps_the_shape_of_a_picture_that_is_no_square():
    picture = np.zeros((9, 15, 3), np.uint8)
    picture[:, 7] = 200  # a bar from top to bottom in the middle lies down
    turned = Orientation(90, flipped=False)(picture)
    assert turned.shape == picture.shape
    expected = np.zeros((9, 15), np.uint8)
    expected[4] = 200
    np.testing.assert_array_equal(turned[:, 3:12, 0], expected[:, 3:12])


def test_pictures_that_are_no_squares_have_patches_and_contributions_in_their_shape(tiny_weights):
    for name, grid in (("test_resnet", (3, 5)), ("test_vit", (6, 10))):
        options = Backbone(
            model=name, weights=f"file:{tiny_weights[name]}", patches={"layers": (2,)},
            pooling="avg" if name == "test_resnet" else "patch_mean",
        )  # fmt: skip
        embedder = Embedder(options, (96, 160))
        assert embedder.shapes["contributions"][:2] == grid
        pictures = np.random.default_rng(0).integers(0, 256, (2, 96, 160, 3), dtype=np.uint8)
        found = embedder.embed(pictures)
        height, width = found["patches"].shape[1:3]
        assert height / width == 96 / 160
        np.testing.assert_allclose(found["contributions"].mean((1, 2)), found["pooled"], atol=2e-2)
        again = Embedder.from_record(embedder.record(), weights=options.weights, device="cpu")
        np.testing.assert_array_equal(again.embed(pictures)["patches"], found["patches"])
