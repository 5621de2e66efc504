"""The region of interest as people draw it: masks that a reader can see, and files as tools write them."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from iad.data.polygons import drawn
from iad.data.region import as_region, find_region, is_region, keep_region, prepared_region, read_region, region_at
from iad.errors import IadError

SIZES, NAMES = np.array([[20, 40], [10, 20]]), ["a.png", "b.png"]  # height and width: one shape, two sizes
LEFT = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]


def read(path, sizes=SIZES, names=NAMES):
    return read_region(path, sizes, names, max_megapixels=1)


def labelme(*shapes, width=40, height=20):
    said = [{"label": label, "shape_type": kind, "points": points} for label, kind, points in shapes]
    return {"version": "5.4.1", "shapes": said, "imagePath": "a.png", "imageHeight": height, "imageWidth": width}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
def test_white_counts_in_a_mask_of_any_kind(mode, tmp_path):
    mask = np.zeros((20, 40), dtype=bool)
    mask[5:, :8] = True
    Image.fromarray(mask).convert(mode).save(tmp_path / "roi.png")
    assert np.array_equal(read(tmp_path / "roi.png"), mask)


def test_polygons_in_shares_are_drawn_on_the_size_of_most_pictures(tmp_path):
    found = read(write(tmp_path / "roi.json", [LEFT]), np.array([[20, 40], [20, 40], [9, 9]]), ["a", "b", "c"])
    assert found.shape == (20, 40)
    assert found[:, :20].all()
    assert not found[:, 20:].any()


def test_polygons_in_pixels_are_those_of_the_pictures(tmp_path):
    file = write(tmp_path / "roi.json", [[[4, 2], [12, 2], [12, 8], [4, 8]], [[30, 0], [40, 0], [40, 20], [30, 20]]])
    found = read(file, SIZES[:1], NAMES[:1])
    expected = np.zeros((20, 40), dtype=bool)
    expected[2:8, 4:12] = expected[:, 30:] = True
    assert np.array_equal(found, expected)


def test_labelme_draws_polygons_rectangles_circles_and_takes_away_what_is_to_be_ignored(tmp_path):
    given = labelme(
        ("part", "rectangle", [[0, 0], [20, 20]]), ("part", "circle", [[30, 10], [30, 14]]),
        ("ignore", "polygon", [[0, 0], [20, 0], [20, 5], [0, 5]]),
    )  # fmt: skip
    found = read(write(tmp_path / "roi.json", given))
    assert not found[:5, :20].any()
    assert found[5:, :20].all()
    assert found[10, 30]
    assert not found[2, 30]


def test_shapes_to_be_ignored_alone_leave_the_rest(tmp_path):
    found = read(write(tmp_path / "roi.json", labelme(("ignore", "rectangle", [[0, 0], [10, 20]]))))
    assert not found[:, :10].any()
    assert found[:, 11:].all()


def test_a_corner_a_little_outside_is_cut_at_the_border():
    assert drawn([[[-3, -3], [50, -3], [50, 30], [-3, 30]]], SIZES[:1], "roi.json")[0].all()


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("roi.json", '{"shapes": [', r"roi.json: cut short or not JSON .*; give a mask picture, LabelMe's JSON, or"),
        ("roi.json", {"boxes": []}, "not what is read as polygons"),
        ("roi.json", 7, "not what is read as polygons"),
        ("roi.json", {"shapes": {"a": 1}, "imageHeight": 20, "imageWidth": 40}, "not what is read as polygons"),
        ("roi.json", [[[0, 0], [1, 1]]], "not what is read as polygons"),
        ("roi.json", [[0, 0], [1, 0], [1, 1]], "not what is read as polygons"),
        ("roi.json", [], "no polygon"),
        ("roi.json", [[[0, 0], [1e300, 0], [5, 5]]], "polygons in pixels, of pictures of 2 sizes"),
        ("roi.json", [[[0, 0], [float("nan"), 0], [5, 5]]], "polygons in pixels|a corner far outside"),
        ("roi.json", labelme(), "no shape"),
        ("roi.json", labelme(("x", "line", [[0, 0], [1, 1]])), "a shape of the kind 'line'; draw one of polygon, rect"),
        ("roi.json", labelme(("x", "rectangle", [[0, 0], [1e9, 1]])), "a corner far outside of a picture of 40 x 20"),
        ("roi.json", labelme(("x", "rectangle", [[0, 0], [4, 4]]), width=None), "does not say imageHeight and image"),
        ("roi.json", labelme(("x", "rectangle", [[0, 0], [4, 4]]), width=10**9), "draw it at the size of a picture"),
        ("roi.json", labelme(("x", "rectangle", [[50, 5], [60, 9]])), "keeps nothing of the picture"),
        ("roi.json", labelme(("x", "rectangle", [[0, 0], [9, 9]]), width=30),
         r"drawn for pictures of the shape 30 x 20 px, but a.png has 40 x 20, and 2 of 2 pictures another shape"),
        ("roi.png", "no picture", "roi.png"),
    ],
)  # fmt: skip
def test_what_is_no_region_is_refused_in_one_line(name, content, line, tmp_path):
    with pytest.raises(IadError, match=line) as refusal:
        read(write(tmp_path / name, content))
    assert "\n" not in str(refusal.value)


def test_a_black_mask_and_one_of_another_shape_are_refused(tmp_path):
    Image.new("L", (40, 20)).save(tmp_path / "roi.png")
    with pytest.raises(IadError, match=r"roi.png: keeps nothing of the picture; what is white"):
        read(tmp_path / "roi.png")
    Image.new("L", (20, 20), 255).save(tmp_path / "roi.png")
    with pytest.raises(IadError, match=r"drawn for pictures of the shape 20 x 20 px, but a.png has 40 x 20"):
        read(tmp_path / "roi.png")


def test_two_regions_are_refused_and_none_is_none(tmp_path):
    assert find_region(tmp_path) is None
    assert find_region(tmp_path / "nowhere") is None
    (tmp_path / "roi.png").touch()
    assert find_region(tmp_path) == tmp_path / "roi.png"
    (tmp_path / "ROI.json").touch()
    with pytest.raises(IadError, match=r"two regions of interest, ROI.json and roi.png; delete one of them"):
        find_region(tmp_path)


def test_only_the_file_beside_the_pictures_is_the_region():
    assert [is_region(name) for name in ("roi.tif", "roi.json", "good/roi.png", "roi2.png", "roi.txt")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_a_region_is_kept_for_the_stages_and_forgotten_with_its_file(tmp_path):
    manifest = pd.DataFrame({"image_id": NAMES, "height": SIZES[:, 0], "width": SIZES[:, 1]})
    folder, target = tmp_path / "data", tmp_path / "roi.png"
    folder.mkdir()
    Image.new("L", (40, 20), 255).save(folder / "roi.png")
    line = keep_region(folder, manifest, target, max_megapixels=1)
    assert line.endswith("roi.png: the whole picture counts, as without it")
    write(folder / "roi.json", [LEFT])
    (folder / "roi.png").unlink()
    assert keep_region(folder, manifest, target, max_megapixels=1).endswith("roi.json: 50 % of the picture counts")
    assert prepared_region(target, (10, 10))[:, :5].all()
    assert not prepared_region(target, (10, 10))[:, 5:].any()
    (folder / "roi.json").unlink()
    assert keep_region(folder, manifest, target, max_megapixels=1) is None
    assert prepared_region(target, 10) is None


def test_a_region_thinner_than_a_pixel_of_the_prepared_picture_is_refused():
    thin = np.zeros((100, 100), dtype=bool)
    thin[50] = True
    with pytest.raises(IadError, match=r"roi: so thin that no pixel of 10 x 10 px counts; draw it wider"):
        region_at(thin, 10, origin="roi")


@pytest.mark.parametrize("given", [np.zeros((2, 2, 3), bool), np.ones((20, 40)), np.zeros((0, 4), np.uint8)])
def test_an_array_that_is_no_mask_is_refused(given):
    with pytest.raises(IadError, match=r"roi: an array of .*; give a mask \(height, width\)"):
        as_region(given, SIZES, NAMES, max_megapixels=1)
