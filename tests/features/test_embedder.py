"""Oracle: one picture at a time through the bare timm model in float32, normalised and pooled here by hand."""

import json
from functools import partial

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from iad.compute import Runtime
from iad.data.image_size import ImageSize
from iad.detectors.embeddings import Embeddings
from iad.errors import IadError
from iad.features import Backbone, Patches
from iad.features.backbone import build_backbone
from iad.features.embedder import Embedder
from iad.features.embeddings import PARTS, POOLINGS
from tests.concurrency import run_together

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
LARGE = np.random.default_rng(1).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
CNN, VIT = "test_resnet", "test_vit"
LAYERS = {CNN: (1, 2), VIT: (2, 4)}
BY_HAND = {  # of (C, h, w) for CNNs, of (1 + T, D) with the class token first for ViTs
    (CNN, "avg"): lambda found: found.reshape(len(found), -1).mean(axis=1),
    (CNN, "max"): lambda found: found.reshape(len(found), -1).max(axis=1),
    (VIT, "cls"): lambda found: found[0],
    (VIT, "patch_mean"): lambda found: found[1:].mean(axis=0),
    (VIT, "token_mean"): lambda found: found.mean(axis=0),
}


@pytest.fixture
def build(tiny_weights):
    """An embedder of a tiny model, by name and options."""

    def built(name, *, image_size=64, patches=None, parts=PARTS, batch_size=2, **options):
        options = {"pooling": "patch_mean", "weights": f"file:{tiny_weights[name]}"} | options
        chosen = Backbone(model=name, patches={"layers": LAYERS[name]} | (patches or {}), **options)
        return Embedder(chosen, image_size, parts=parts, batch_size=batch_size, section="test")

    return built


def bare(name, weights):
    options = {"dynamic_img_size": True} if name == VIT else {}
    model = timm.create_model(name, pretrained=False, num_classes=0, **options).eval()
    model.load_state_dict(load_file(weights))
    return model


def last_layer(model, image, mean, std):
    pixels = ((image / 255 - np.array(mean)) / np.array(std)).transpose(2, 0, 1)[None].astype(np.float32)
    with torch.no_grad():
        return model.forward_features(torch.from_numpy(pixels))[0].numpy()


def assert_same(found, expected, parts=PARTS):
    for part in parts:
        np.testing.assert_array_equal(found[part], expected[part], err_msg=part)


@pytest.mark.parametrize(("name", "pooling"), BY_HAND)
def test_pooled_embeddings_equal_a_plain_forward_pass_of_each_picture(name, pooling, build, tiny_weights):
    model, half = bare(name, tiny_weights[name]), [0.5, 0.5, 0.5]
    expected = [BY_HAND[name, pooling](last_layer(model, image, half, half)) for image in IMAGES]
    found = build(name, pooling=pooling).embed(IMAGES)["pooled"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-3, atol=1e-5)


def test_every_pooling_has_an_oracle():
    assert {pooling for _, pooling in BY_HAND} == set(POOLINGS)


def test_pixels_are_normalised_as_the_options_say(build, tiny_weights):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    expected = BY_HAND[CNN, "avg"](last_layer(bare(CNN, tiny_weights[CNN]), IMAGES[0], mean, std))
    found = build(CNN, pooling="avg", normalize="imagenet").embed(IMAGES[:1])["pooled"][0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", [CNN, VIT])
@pytest.mark.parametrize("size", [1, 3, 4, 32])
def test_neither_the_batch_nor_the_order_changes_a_bit(name, size, build):
    for pooling in ("cls", "token_mean") if name == VIT else ("avg", "max"):
        embedder = build(name, pooling=pooling)
        expected, order = embedder.embed(IMAGES), np.array([3, 0, 4, 2, 1])
        embedder.batch_size = size
        assert_same(embedder.embed(IMAGES), expected)
        assert_same(embedder.embed(IMAGES[order]), {part: expected[part][order] for part in PARTS})


@pytest.mark.parametrize("name", [CNN, VIT])
@pytest.mark.parametrize("size", [1, 5, 12])
def test_nor_does_either_change_what_is_made_of_tiles(name, size, build):
    embedder = build(name, image_size=96, patches={"tile": 64})
    expected = embedder.embed(LARGE)
    embedder.batch_size = size
    assert_same(embedder.embed(LARGE), expected, ("pooled", "patches"))
    assert_same(embedder.embed(LARGE[::-1]), {part: expected[part][::-1] for part in ("pooled", "patches")},
                ("pooled", "patches"))  # fmt: skip


class Otherwise(torch.nn.Module):
    """A network that, like some libraries, computes a batch of one otherwise."""

    num_prefix_tokens, output_fmt = 0, "NCHW"

    def forward_features(self, pixels):
        return pixels + (2**-10 if len(pixels) == 1 else 0)

    def forward_intermediates(self, pixels, **_):
        return self.forward_features(pixels), [self.forward_features(pixels)]


@pytest.mark.parametrize("size", [1, 4, 5])
def test_a_picture_alone_goes_through_twice_where_that_makes_a_difference(size, build):
    embedder = build(CNN)
    embedder.embed(IMAGES[:1])
    assert embedder._in_pairs is False
    backbone = embedder.backbone.__class__("otherwise", Otherwise(), ImageSize(64, 64), (0.5,) * 3, (0.5,) * 3, "")
    options = Backbone(model=CNN, pooling="avg", attribution=False, patches={"layers": [0]})
    odd = Embedder(options, 64, backbone=backbone, batch_size=2)
    expected = odd.embed(IMAGES[:4])
    odd.batch_size = size
    found = odd.embed(IMAGES)
    odd.embed(IMAGES[:1])
    assert odd._in_pairs
    assert_same({part: found[part][:4] for part in ("pooled", "patches")}, expected, ("pooled", "patches"))


def test_twice_the_same_gives_the_same_bits(build):
    assert_same(build(CNN).embed(IMAGES), build(CNN).embed(IMAGES))


@pytest.mark.parametrize("name", [CNN, VIT])
@pytest.mark.parametrize("parts", [("pooled",), ("patches",), ("pooled", "contributions"), ()])
def test_the_parts_that_are_wanted_are_as_in_company(name, parts, build):
    embedder = build(name, parts=parts)
    found = embedder.embed(IMAGES)
    assert embedder.parts == parts
    assert {part for part in PARTS if found[part] is not None} == set(parts)
    assert_same(found, build(name).embed(IMAGES), parts)


def test_layers_that_no_wanted_part_needs_are_dropped(build):
    def weights(parts):
        return sum(tensor.numel() for tensor in build(VIT, parts=parts).backbone.module.parameters())

    assert weights(("patches",)) < 0.9 * weights(("pooled",)) == 0.9 * weights(PARTS)


def test_options_decide_which_parts_there_are(build):
    assert build(CNN).shapes == {"pooled": (96,), "patches": (8, 8, 80), "contributions": (2, 2, 96)}
    assert build(CNN, patches={"layers": ()}).parts == ("pooled", "contributions")
    without = build(CNN, attribution=False)
    assert (without.parts, without.lacks) == (("pooled", "patches"), "")
    tiled = build(VIT, image_size=96, patches={"tile": 64})
    assert tiled.shapes == {"pooled": (64,), "patches": (6, 6, 128)}
    assert tiled.lacks == "attribution is for whole pictures, and patches.tile is set"


def test_why_a_network_has_no_contributions_is_told(tmp_path):
    state = timm.create_model("test_mambaout", pretrained=False, num_classes=0).state_dict()
    options = Backbone(model="test_mambaout", pooling="avg")
    assert Embedder(options, 64, backbone=build_backbone(options, 64, weights=state)).lacks == ""
    state = timm.create_model("test_vit", pretrained=False, num_classes=0).state_dict()
    options = Backbone(model="test_vit", pooling="cls")
    backbone = build_backbone(options, 64, weights=state)
    backbone.module.blocks[-1].attn.gate = torch.nn.Identity()
    assert Embedder(options, 64, backbone=backbone).lacks == "test_vit does not show what patches add to cls"


def test_augmented_patches_are_those_of_the_pictures_laid_that_way(build):
    embedder = build(CNN, patches={"rotations": 4, "flip": True})
    found = embedder.embed(IMAGES, augmented=True)
    assert (found["augmented"].dtype, found["augmented"].shape) == (np.float16, (5, 7, 8, 8, 80))
    for number, change in ((0, np.rot90), (3, np.fliplr), (4, lambda picture: np.rot90(np.fliplr(picture)))):
        laid = embedder.embed(np.stack([change(picture) for picture in IMAGES]))
        np.testing.assert_array_equal(found["augmented"][:, number], laid["patches"])
    assert embedder.embed(IMAGES)["augmented"] is None
    assert build(CNN).embed(IMAGES, augmented=True)["augmented"] is None


def test_a_class_token_is_refused_where_there_is_none(build, tiny_weights):
    with pytest.raises(IadError, match=r"^pooling = cls: test_resnet has no class token; use patch_mean"):
        build(CNN, pooling="cls")
    model = timm.create_model(VIT, pretrained=False, num_classes=0, reg_tokens=2, class_token=False, global_pool="avg")
    backbone = build(VIT).backbone.__class__(VIT, model.eval(), ImageSize(160, 160), (0.5,) * 3, (0.5,) * 3, "")
    with pytest.raises(IadError, match=r"^pooling = cls: test_vit has no class token"):  # its prefix is all registers
        Embedder(Backbone(model=VIT, pooling="cls"), 160, backbone=backbone)


@pytest.mark.parametrize("images", [IMAGES[:, :32], IMAGES.astype(np.float32), IMAGES[..., :1]])
def test_pictures_of_another_kind_are_refused(images, build):
    with pytest.raises(IadError, match=r"^pictures: \w+ of the shape .*; give uint8 of the shape \(64, 64, 3\)$"):
        build(CNN).embed(images)


def test_detectors_take_what_is_embedded_as_it_is(build):
    found = Embeddings(**build(CNN, patches={"rotations": 2}).embed(IMAGES, augmented=True))
    assert (len(found), found.pooling, found.augmented.shape) == (5, "patch_mean", (5, 1, 8, 8, 80))


def test_no_pictures_give_no_embeddings(build):
    assert build(CNN).embed(IMAGES[:0])["patches"].shape == (0, 8, 8, 80)


@pytest.mark.parametrize("size", [64, 80, 160])
def test_a_vit_takes_other_sizes_than_its_own(size, build):
    images = np.zeros((1, size, size, 3), dtype=np.uint8)
    assert build(VIT, image_size=size).embed(images)["pooled"].shape == (1, 64)


@pytest.mark.parametrize(("name", "pooling"), [(CNN, "avg"), (VIT, "cls")])
def test_int8_embeddings_are_near_those_in_float32(name, pooling, build):
    exact, found = (build(name, pooling=pooling, quantize=kind).embed(IMAGES)["pooled"] for kind in ("none", "int8"))
    assert 0 < np.linalg.norm(found - exact) / np.linalg.norm(exact) < 0.05


@pytest.mark.parametrize("name", [CNN, VIT])
def test_a_backbone_cut_short_gives_the_embeddings_of_its_last_layer(name, build):
    found = build(name, depth=3, quantize="int8", patches={"layers": ()}).embed(IMAGES)["pooled"]
    assert found.shape == (5, 48 if name == CNN else 64)


@pytest.mark.parametrize(
    ("name", "pooling", "sizes", "dimensions"),
    [("mobilevit_xxs", "avg", (64, 96, 224), 320), ("vit_tiny_patch16_224", "cls", (64, 224), 192)],
)
def test_other_models_run_by_name_at_other_sizes(name, pooling, sizes, dimensions, tmp_path):
    weights = tmp_path / "weights.safetensors"
    save_file(timm.create_model(name, pretrained=False, num_classes=0).state_dict(), weights)
    for size in sizes:
        images = np.random.default_rng(size).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
        found = Embedder(Backbone(model=name, pooling=pooling, weights=f"file:{weights}"), size).embed(images)["pooled"]
        assert found.shape == (2, dimensions)
        assert np.isfinite(found).all()
        assert not np.array_equal(found[0], found[1])


CASES = {
    "plain": {},
    "imagenet": {"normalize": "imagenet", "pooling": "cls"},
    "as PatchCore": {"patches": {"layers": [2, 4], "unit_length": False}},
    "small": {"depth": 5, "quantize": "int8", "attribution": False},
    "finest": {"patches": {"layers": [2, 4], "grid": "finest"}, "stride": 8},
    "deeper": {"patches": {"layers": [1, 2], "deeper_from": 48}},
    "tiles": {"image_size": 96, "patches": {"tile": 64, "rotations": 2, "flip": True}},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("given", ["origin", "weights", "elsewhere"])
def test_a_record_and_the_weights_make_the_same_embedder_again(case, given, build, tiny_weights, tmp_path):
    first = build(VIT, **CASES[case])
    record = json.loads(json.dumps(first.record()))
    state = first.state_dict()
    assert list(state) == list(bare(VIT, tiny_weights[VIT]).state_dict())
    save_file({name: torch.from_numpy(array) for name, array in state.items()}, tmp_path / "moved.safetensors")
    weights = {"origin": None, "weights": state, "elsewhere": f"file:{tmp_path / 'moved.safetensors'}"}[given]
    again = Embedder.from_record(record, weights=weights, device="cpu")
    origin = {"weights": weights} if given == "elsewhere" else {}
    assert again.record() == first.record() | origin
    images = LARGE if case == "tiles" else IMAGES
    assert_same(again.embed(images), first.embed(images))
    np.testing.assert_array_equal(again.embed(images, augmented=True)["augmented"],
                                  first.embed(images, augmented=True)["augmented"])  # fmt: skip


def test_the_record_says_how_it_was_computed(build):
    embedder = build(CNN, pooling="avg", batch_size=7)
    assert embedder.record() == embedder.backbone.record() | {
        "image_size": 64, "weights": embedder.options.weights, "pooling": "avg", "dimensions": 96, "attribution": True,
        "patches": {
            "layers": [1, 2], "neighbourhood": 1, "unit_length": True, "grid": "coarsest", "deeper_from": 0, "tile": 0,
            "overlap": 0.25, "rotations": 1, "flip": False,
        },
        "stride": None, "precision": "fp32", "batch_size": 7,
    }  # fmt: skip
    lower = Embedder(embedder.options, 64, runtime=Runtime("cpu", "bf16", 1)).record()
    assert Embedder.from_record(lower, device="cpu").runtime.precision == "bf16"


def test_other_weights_than_the_record_names_are_refused(build, tiny_weights, tmp_path):
    record, state = build(CNN).record(), load_file(tiny_weights[CNN])
    next(iter(state.values())).view(-1)[0] += 1
    save_file(state, tmp_path / "other.safetensors")
    text = r"^bolts\.iad: made with other weights of test_resnet \(\w{12}\) than those here \(\w{12}\); name the right"
    for weights in (state, f"file:{tmp_path / 'other.safetensors'}"):
        with pytest.raises(IadError, match=text):
            Embedder.from_record(record, weights=weights, section="bolts.iad")
    with pytest.raises(IadError, match=r"^bolts\.iad: weights file none is missing"):
        Embedder.from_record(record, weights="file:none", section="bolts.iad")


def test_weights_that_changed_at_their_origin_are_not_handed_out(build, tiny_weights, tmp_path):
    state = load_file(tiny_weights[CNN])
    save_file(state, tmp_path / "w.safetensors")
    embedder = build(CNN, weights=f"file:{tmp_path / 'w.safetensors'}")
    next(iter(state.values())).view(-1)[0] += 1
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(IadError, match="made with other weights"):
        embedder.state_dict()


def test_threads_share_an_embedder_and_a_host_s_settings_stay(build):
    images = [np.roll(IMAGES, number, axis=1) for number in range(4)]
    embedder = build(VIT, pooling="cls")
    expected = [embedder.embed(some) for some in images]

    def embed(number):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=number % 2 == 0):
            return embedder.embed(images[number])

    found = run_together([partial(embed, number) for number in range(4)], rounds=5)
    assert set(found) == set(range(4))
    for number, every in found.items():
        for one in every:
            assert_same(one, expected[number])


def test_of_large_pictures_the_next_layer_joins_on_the_grid_of_those_named(build):
    plain = build(CNN, patches={"layers": [1, 2]})
    small = build(CNN, patches={"layers": [1, 2], "deeper_from": 65})
    large = build(CNN, patches={"layers": [1, 2], "deeper_from": 64})
    named = build(CNN, patches={"layers": [1, 2, 3], "grid": 2})
    assert small.record() == plain.record()
    assert large.record() == named.record()
    assert large.shapes["patches"][:2] == plain.shapes["patches"][:2]
    assert_same(large.embed(IMAGES), named.embed(IMAGES))


def test_behind_the_last_layer_there_is_none_to_join(build):
    for options in ({"patches": {"layers": [4]}}, {"patches": {"layers": [2]}, "depth": 3}):
        deeper = options | {"patches": options["patches"] | {"deeper_from": 1}}
        assert build(CNN, **deeper).options.patches.layers == tuple(options["patches"]["layers"])


def test_a_grid_of_no_layer_is_refused():
    with pytest.raises(ValueError, match=r"3 is none of the layers \[1, 2\]; name one of them, coarsest or finest"):
        Patches(layers=(1, 2), grid=3)
