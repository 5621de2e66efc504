"""A sheet keeps the shape of each picture, and a mask's outline lies on its defect."""

import io

import numpy as np
from PIL import Image

from iad.report.figures.samples import CAPTION, EDGE, GAP, HEAD, TILE, TITLE, Sample, sample_sheet
from iad.report.figures.style import BAD, png

RED = tuple(bytes.fromhex(BAD.removeprefix("#")))


def grey(height, width):
    return np.full((height, width, 3), 128, np.uint8)


def pixels(rows):
    return np.asarray(Image.open(io.BytesIO(png(sample_sheet("data/x", rows)))).convert("RGB")).astype(int)


def red_box(sheet):
    """Left, top, right and bottom of what is drawn in the colour of outlines."""
    rows, columns = np.nonzero(np.abs(sheet - RED).max(axis=2) < 24)
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_a_row_is_as_high_as_its_highest_picture():
    flat = pixels([("train: good", [Sample("a.png", grey(20, 80), None)] * 3)])
    square = pixels([("train: good", [Sample("a.png", grey(20, 80), None), Sample("b.png", grey(80, 80), None)])])
    assert flat.shape[:2] == (TITLE + HEAD + TILE // 4 + CAPTION + GAP + EDGE, 2 * EDGE + 3 * (TILE + GAP) - GAP)
    assert square.shape[0] - flat.shape[0] == TILE - TILE // 4


def test_an_outline_lies_where_the_mask_is_whatever_the_shape_of_the_picture():
    mask = np.zeros((64, 64), np.uint8)
    mask[32:48, 16:32] = 1  # from one half to three quarters of the height, from one to two quarters of the width
    sheet = pixels([("test: cut", [Sample("a.png", grey(50, 100), mask)])])
    wanted = (EDGE + TILE / 4, TITLE + HEAD + TILE / 4, EDGE + TILE / 2, TITLE + HEAD + 3 * TILE / 8)
    assert np.abs(np.subtract(red_box(sheet), wanted)).max() <= 3


def test_a_name_that_is_long_keeps_its_end_and_letters_without_a_shape_become_squares():
    first = pixels([("test: 良品", [Sample("良" * 60 + ".png", grey(9, 9), None)])])
    assert first.shape == pixels([("test: x", [Sample("a.png", grey(9, 9), None)])]).shape
