"""Masks with black and white exchanged, and masks that mark nothing, are told by name; real defects are not."""

import numpy as np
import pandas as pd

from iad.datacheck.masks import check_masks

SIDE = 40


def found(masks, labels=None):
    names = [f"m/{row}.png" for row in range(len(masks))]
    manifest = pd.DataFrame({"label": labels or [1] * len(masks), "mask": names})
    return {finding.check: finding for finding in check_masks(manifest, np.array(masks, dtype=np.uint8))}


def square(side):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[5 : 5 + side, 2 : 2 + side] = 1
    return mask


def test_defects_of_any_size_inside_the_picture_give_no_finding():
    assert found([square(1), square(20), square(34)]) == {}


def test_black_and_white_exchanged_is_told_with_the_complement():
    told = found([1 - square(side) for side in (3, 7, 12)])
    assert [*told] == ["inverted_masks"]
    assert told["inverted_masks"].pictures == ["m/0.png", "m/1.png", "m/2.png"]
    assert told["inverted_masks"].what.startswith("3 of 3 masks mark most of the picture")
    assert "96.9 % of the pixels" in told["inverted_masks"].what  # 1 - 49 / 1600
    assert "write the complement (255 - value)" in told["inverted_masks"].advice


def test_a_few_exchanged_ones_are_told_by_name():
    told = found([square(5), 1 - square(5), square(9)])
    assert told["inverted_masks"].pictures == ["m/1.png"]


def test_masks_that_mark_nothing_are_told_by_name_but_for_good_pictures():
    nothing = np.zeros((SIDE, SIDE), np.uint8)
    told = found([nothing, square(5), nothing], labels=[1, 1, 0])
    assert [*told] == ["empty_masks"]
    assert told["empty_masks"].pictures == ["m/0.png"]


def test_a_mask_that_marks_everything_has_no_complement_to_propose():
    told = found([np.ones((SIDE, SIDE), np.uint8), square(5)])
    assert [*told] == ["full_masks"]
    assert told["full_masks"].pictures == ["m/0.png"]
    assert told["full_masks"].what == "1 mask of 2 defective test pictures with one mark everything"
