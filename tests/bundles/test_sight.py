"""What a picture shows beside those of a bundle: each change that is made is found in its own number."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from iad.bundles.pictures import described, sharpness_of
from iad.bundles.sight import TRAITS, Sights
from iad.data.pictures import Look

SIDE = 128
LOOK = Look(SIDE, SIDE, "lossless", 0, False, 8)


def part(seed=0, angle=0.0, across=0.0, size=1.0):
    """A smooth part with a direction, and noise of its own; moved as a picture of it would be."""
    axis = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    down, right = np.meshgrid(axis, axis, indexing="ij")
    right, down = (right - across) / size, down / size
    turn = np.radians(angle)
    along, over = right * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - right * np.sin(turn)
    shape = 120 * np.exp(-((along / 0.3) ** 2) - (over / 0.15) ** 2) + 60
    noise = np.random.default_rng(seed).normal(0, 4, shape.shape)
    return np.repeat((shape + noise).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def set_of(images):
    names = [str(number) for number in range(len(images))]
    return described(names, names, [LOOK] * len(images), np.array(images))


@pytest.fixture(scope="module")
def pictures():
    return set_of([part(seed) for seed in range(20)])


@pytest.fixture(scope="module")
def sights(pictures):
    return Sights(pictures)


def shown(sights, image):
    return dict(zip(TRAITS, sights.of(np.asarray(image)), strict=True))


def test_a_usual_picture_shows_nothing_unusual(sights, pictures):
    found, usual = shown(sights, part(99)), np.median(sights.of_known(pictures), axis=0)
    for name, value in zip(TRAITS, usual, strict=True):
        assert found[name] == pytest.approx(value, abs={"light": 1, "rest": 0.5, "turn": 0.5}.get(name, 0.02))


@pytest.mark.parametrize(("trait", "made", "change"), [
    ("turn", {"angle": 3.0}, 3.0), ("turn", {"angle": -3.0}, -3.0), ("across", {"across": 0.03}, 0.03),
    ("size", {"size": 1.05}, 0.05), ("size", {"size": 0.95}, -0.05),
])  # fmt: skip
def test_a_movement_is_found_in_its_own_number(sights, trait, made, change):
    usual, found = shown(sights, part(99)), shown(sights, part(99, **made))
    assert found[trait] - usual[trait] == pytest.approx(change, rel=0.25)
    for other in {"turn", "across", "down", "size"} - {trait}:
        assert found[other] == pytest.approx(usual[other], abs=0.4 if other == "turn" else 0.01)


def test_less_light_and_blur_are_told_apart(sights):
    image = Image.fromarray(part(99))
    usual = shown(sights, image)
    dark, blurred = (
        shown(sights, image.point(lambda one: one * 0.8)),
        shown(sights, image.filter(ImageFilter.GaussianBlur(2))),
    )
    assert dark["light"] == pytest.approx(0.8 * usual["light"], rel=0.01)
    assert dark["sharpness"] == pytest.approx(usual["sharpness"], rel=0.05)
    assert blurred["light"] == pytest.approx(usual["light"], rel=0.01)
    assert blurred["sharpness"] < 0.5 * usual["sharpness"]


def test_something_else_is_left_over(sights):
    noise = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    other = Image.fromarray(noise).resize((SIDE, SIDE))
    assert shown(sights, other)["rest"] > 5 * shown(sights, part(99))["rest"]


def test_a_picture_of_the_bundle_is_measured_as_if_it_were_none(pictures):
    rows = np.arange(20)
    found = Sights(pictures).of_known(pictures)
    for row in (0, 7):
        alone = Sights(pictures.take(rows[rows != row])).of_known(pictures.take(np.array([row])))[0]
        np.testing.assert_allclose(found[row], alone, rtol=0.1, atol=0.02)


def test_pictures_of_an_older_bundle_have_no_known_sharpness(pictures):
    from iad.bundles.pictures import picture_set

    old = picture_set([row[:4] for row in pictures.rows()], pictures.grid_array())
    assert old.sharpness == (None,) * 20
    found = Sights(old).of_known(old)
    assert np.isnan(found[:, TRAITS.index("sharpness")]).all()
    assert not np.isnan(found[:, :-1]).any()
    assert picture_set(pictures.rows(), pictures.grid_array()) == pictures


def test_blank_and_tiny_pictures_have_numbers():
    blank = np.zeros((4, SIDE, SIDE, 3), np.uint8)
    found = Sights(set_of(blank)).of(blank[0])
    assert np.isfinite(found).all()
    assert sharpness_of(np.zeros((1, 1), np.uint8)) == 0
