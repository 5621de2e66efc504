"""Masks made of files, colours and shapes; run lengths as the reference implementation of COCO writes them."""

import io

import numpy as np
import pytest
from PIL import Image

from iad.data.layouts.common.masks import Saturation, drawn, joined, regions_of, uncoloured
from iad.errors import IadError
from tests.data.layouts.trees import png


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def block(rows, columns, value=255, shape=(5, 7)):
    found = np.zeros(shape, np.uint8)
    found[rows, columns] = value
    return found


def test_run_lengths_as_text_are_those_of_coco():
    # pycocotools.mask.encode of this mask; 200 random ones agreed when this was written
    wanted = block(slice(1, 4), slice(2, 5)) | block(0, 6)
    assert np.array_equal(pixels(drawn((7, 5), [], [{"size": [5, 7], "counts": ";320004NN"}])), wanted)


@pytest.mark.parametrize("counts", [[3], [40], [36, -1], "00"])
def test_run_lengths_that_do_not_fill_the_picture_are_refused(counts):
    with pytest.raises(IadError, match="pixels for a picture of 7 x 5"):
        drawn((7, 5), [], [{"size": [5, 7], "counts": counts}])


@pytest.mark.parametrize("points", [[1, 1, 2, 2], [1, 1, 2, 2, 3], [1, 1, 2, 2, float("inf"), 3]])
def test_a_polygon_needs_three_points(points):
    with pytest.raises(IadError, match="fewer than three points, or of points nowhere"):
        drawn((7, 5), [points], [])


def test_parts_are_told_apart_and_a_later_one_lies_above():
    parts = {"a.png": png(block(slice(0, 3), slice(0, 3), 200)), "b.png": png(block(slice(2, 4), slice(2, 4), 9))}
    data = joined("m.png", {name: lambda content=content: content for name, content in parts.items()}, {
        200: Saturation("missing", 4, relative=False), 9: Saturation("bent", 0.5, relative=True),
    })  # fmt: skip
    whole = pixels(data)
    assert (whole[0, 0], whole[2, 2], whole[3, 3], whole[4, 4]) == (1, 2, 2, 0)
    assert [tuple(one) for one in regions_of(data)] == [(1, "missing", 9, 4), (2, "bent", 4, 2)]


def test_a_threshold_above_the_area_is_the_area():
    data = joined("m.png", {"a.png": lambda: png(block(0, 0))}, {255: Saturation("missing", 6300, relative=False)})
    assert regions_of(data)[0].saturation == 1


def test_parts_of_different_size_are_refused_by_name():
    with pytest.raises(IadError, match=r"^b\.png: not of the size of the other masks"):
        joined("m.png", {"a.png": lambda: png(block(0, 0)), "b.png": lambda: png(block(0, 0, shape=(4, 7)))})


def test_a_colour_that_is_none_is_refused():
    with pytest.raises(IadError, match=r"^m\.png: 'white' is no colour such as #ffffff"):
        uncoloured("m.png", lambda: png(block(0, 0)), ["white"])


def test_a_torn_mask_is_refused_by_name():
    with pytest.raises(IadError, match=r"^m\.png: cut short or damaged"):
        uncoloured("m.png", lambda: png(block(0, 0, shape=(50, 70)))[:-30], ["#000000"])
