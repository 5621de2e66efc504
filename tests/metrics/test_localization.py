"""Oracles: loops over all thresholds and pixels, a flood fill by hand, scikit-learn; then closed forms."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, roc_auc_score

from iad.errors import IadError
from iad.metrics import pixels
from iad.metrics.localization import (
    area_up_to,
    aupimo,
    aupro,
    best_pixel_f1,
    metrics_of,
    pixel_auroc,
    pixel_average_precision,
    pixel_metrics,
    why_no_aupimo,
)
from iad.metrics.pixels import PixelPictures, count_pixels, label_regions


def regions_oracle(mask):
    """Flood fill over the eight neighbours: a list of sets of pixels."""
    left, found = set(zip(*np.nonzero(mask), strict=True)), []
    while left:
        region, front = set(), [left.pop()]
        while front:
            row, column = front.pop()
            region.add((row, column))
            near = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= near
            front += near
        found.append(region)
    return found


def area_oracle(points, limit):
    """Trapezoids between points of rising x, the last one cut at the limit."""
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= limit or x1 == x0:
            continue
        end = min(x1, limit)
        area += (end - x0) * (y0 + y0 + (y1 - y0) * (end - x0) / (x1 - x0)) / 2
    return area


def pro_points(maps, masks):
    """One point per distinct score of any pixel, from the definition."""
    points = [(0.0, 0.0)]
    good = np.concatenate([one[mask == 0] for one, mask in zip(maps, masks, strict=True)])
    for threshold in sorted({float(value) for one in maps for value in one.ravel()}, reverse=True):
        overlaps = [
            np.mean([one[pixel] >= threshold for pixel in region])
            for one, mask in zip(maps, masks, strict=True)
            for region in regions_oracle(mask)
        ]
        points.append((float(np.mean(good >= threshold)), float(np.mean(overlaps))))
    return points


def aupimo_oracle(maps, masks, labels, picture, low, high, steps=200_001):
    """Riemann sum over log x; the height at x is that of the step curve, thresholds tried one by one."""
    normal = [one.ravel() for one, label in zip(maps, labels, strict=True) if label == 0]
    thresholds = sorted({float(value) for one in maps for value in one.ravel()}, reverse=True)
    x = np.array([0.0] + [np.mean([np.mean(one >= t) for one in normal]) for t in thresholds])
    y = np.array([0.0] + [np.mean(maps[picture][masks[picture] != 0] >= t) for t in thresholds])
    at = np.exp(np.linspace(np.log(low), np.log(high), steps))
    left = np.searchsorted(x, at, side="left") - 1  # the line that holds x, never an upright one
    height = y[left] + (y[left + 1] - y[left]) * (at - x[left]) / (x[left + 1] - x[left])
    return np.trapezoid(height, np.log(at)) / np.log(high / low)


def pictures_of(maps, masks, **more):
    return PixelPictures(maps, masks, np.array([int(np.any(mask)) for mask in masks]), **more)


def counts_of(maps, masks):
    return count_pixels(pictures_of(maps, masks))


def flat(maps, masks):
    return np.concatenate([np.ravel(m) != 0 for m in masks]), np.concatenate([np.ravel(m) for m in maps])


@st.composite
def sets(draw, scores):
    shape = (draw(st.integers(2, 4)), draw(st.integers(2, 5)), draw(st.integers(2, 5)))
    maps = draw(arrays(np.float32, shape, elements=scores))
    masks = draw(arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 255])))
    masks[0] = 0
    masks[-1, 0, 0] = 255
    return maps, masks


TIED = st.integers(0, 3).map(float)
DISTINCT = st.floats(-1e6, 1e6, width=32)
SETS = st.one_of(sets(TIED), sets(DISTINCT))


@given(SETS)
def test_auroc_and_average_precision_of_pixels_are_those_of_scikit_learn(found):
    counts = counts_of(*found)
    defect, scores = flat(*found)
    assert pixel_auroc(counts) == pytest.approx(roc_auc_score(defect, scores), abs=1e-12)
    assert pixel_average_precision(counts) == pytest.approx(average_precision_score(defect, scores), abs=1e-12)


@given(SETS)
def test_the_oracle_f1_is_the_best_of_all_thresholds_and_reached_at_its_own(found):
    defect, scores = flat(*found)
    best = best_pixel_f1(counts_of(*found))
    f1 = {float(t): 2 * np.sum(defect & (scores >= t)) / (np.sum(scores >= t) + defect.sum()) for t in scores}
    assert best.value == pytest.approx(max(f1.values()), abs=1e-12)
    assert f1[best.threshold] == pytest.approx(best.value, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(SETS, st.sampled_from([0.05, 0.3, 1.0]))
def test_aupro_equals_the_loop_over_thresholds_and_regions(found, limit):
    expected = area_oracle(pro_points(*found), limit) / limit
    assert aupro(counts_of(*found), limit) == pytest.approx(expected, abs=1e-9)


@given(SETS, st.floats(1e-6, 1.0))
def test_aupro_never_leaves_0_to_1(found, limit):
    assert 0 <= aupro(counts_of(*found), limit) <= 1


@settings(deadline=None, max_examples=25)
@given(SETS)
def test_aupimo_equals_a_fine_sum_over_the_log_of_the_shared_rate(found):
    maps, masks = (np.repeat(np.repeat(part, 3, axis=1), 3, axis=2) for part in found)  # enough normal pixels
    pictures = pictures_of(maps, masks)
    areas = aupimo(count_pixels(pictures), 0.1, 0.95)
    assert set(areas) == set(np.flatnonzero(pictures.gt_label)) or why_no_aupimo(count_pixels(pictures), 0.1, 0.95)
    for row, area in areas.items():
        assert area == pytest.approx(aupimo_oracle(maps, masks, pictures.gt_label, row, 0.1, 0.95), abs=1e-4)


def test_aupimo_takes_the_rate_of_each_normal_picture_whatever_its_size():
    normal = [np.linspace(0, 1, 400).reshape(20, 20), np.linspace(0.2, 0.8, 100).reshape(10, 10)]
    bad = np.linspace(0, 1.2, 64).reshape(8, 8)
    masks = [np.zeros((20, 20)), np.zeros((10, 10)), np.pad(np.ones((3, 8)), ((5, 0), (0, 0)))]
    maps, labels = [*normal, bad], [0, 0, 1]
    found = aupimo(counts_of(maps, masks), 0.01, 0.3)
    assert found[2] == pytest.approx(aupimo_oracle(maps, masks, labels, 2, 0.01, 0.3), abs=1e-4)


def test_aupimo_looks_at_the_good_pixels_of_normal_pictures_alone():
    rng = np.random.default_rng(0)
    maps, masks = rng.random((3, 40, 40)), np.zeros((3, 40, 40), np.uint8)
    masks[2, :5] = 1
    worse = maps.copy()
    worse[2, 5:] = 9.0  # every good pixel of the defective picture on top
    assert aupimo(counts_of(maps, masks), 0.01, 0.1) == aupimo(counts_of(worse, masks), 0.01, 0.1) != {}
    assert aupro(counts_of(worse, masks)) < aupro(counts_of(maps, masks))


@given(SETS)
def test_a_strictly_increasing_transform_changes_nothing(found):
    maps, masks = found
    ranks = np.unique(maps, return_inverse=True)[1].reshape(maps.shape)
    assert metrics_of(counts_of(np.exp2(ranks), masks)).aupro == metrics_of(counts_of(maps, masks)).aupro
    assert pixel_auroc(counts_of(np.exp2(ranks), masks)) == pixel_auroc(counts_of(maps, masks))


@given(SETS)
def test_batches_of_good_pixels_change_nothing(found):
    whole = count_pixels(pictures_of(*found))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixels, "BATCH_PIXELS", 1)
        single = count_pixels(pictures_of(*found))
    np.testing.assert_array_equal(whole.good_reaching, single.good_reaching)
    np.testing.assert_allclose(whole.normal_above, single.normal_above, atol=1e-15)


def masked(pictures=4, side=32):
    masks = np.zeros((pictures, side, side), np.uint8)
    masks[1, 3:9, 4:7], masks[2, 20:30, 20:30], masks[2, 2, 2] = 1, 1, 1
    return masks


def test_a_perfect_map_has_1_everywhere():
    masks = masked(pictures=400, side=32)
    found = pixel_metrics(pictures_of(masks.astype(np.float32), masks))
    assert (found.auroc, found.average_precision, found.oracle_f1.value) == (1, 1, 1)
    assert found.aupro == pytest.approx(1, abs=1e-12)
    assert found.aupimo == pytest.approx(1, abs=1e-12)
    assert (found.regions, found.absent) == (3, {})


def test_a_map_of_one_value_has_half_the_limit():
    counts = counts_of(np.full((4, 32, 32), 7.0, np.float32), masked())
    assert pixel_auroc(counts) == 0.5
    assert aupro(counts, 0.3) == pytest.approx(0.15, abs=1e-12)


def test_a_random_map_has_half_and_half_the_limit():
    masks = np.zeros((6, 200, 200), np.uint8)
    masks[1:, 50:150, 50:150] = 1
    counts = counts_of(np.random.default_rng(0).random(masks.shape, np.float32), masks)
    assert pixel_auroc(counts) == pytest.approx(0.5, abs=0.01)
    assert aupro(counts, 0.3) == pytest.approx(0.15, abs=0.01)


def test_a_map_of_two_levels_by_hand():
    # 40 good pixels, 10 of them high: x = 0.25. Regions of 1 and 4 pixels; all of the first, 1 of the second are high.
    masks, maps = np.zeros((2, 1, 25), np.uint8), np.zeros((2, 1, 25), np.float32)
    masks[1, 0, 0], masks[1, 0, 2:6] = 1, 1
    maps[1, 0, 0] = maps[1, 0, 2] = 1
    maps[0, 0, :9] = 1  # of 25 + 20 good pixels, 9 are high: x = 0.2
    counts = counts_of(maps, masks)
    overlap = (1 + 1 / 4) / 2
    rising = 0.2 * overlap / 2
    at_limit = overlap + (1 - overlap) * (0.3 - 0.2) / 0.8
    assert aupro(counts, 0.3) == pytest.approx((rising + 0.1 * (overlap + at_limit) / 2) / 0.3, abs=1e-12)
    assert pixel_auroc(counts) == pytest.approx(0.2 * 0.4 / 2 + 0.8 * (0.4 + 1) / 2, abs=1e-12)


def test_every_region_weighs_the_same_and_a_good_picture_adds_none():
    masks = masked()
    maps = np.zeros(masks.shape, np.float32)
    maps[2, 2, 2] = 1  # one of three regions, and one pixel of 119
    assert aupro(counts_of(maps, masks), 1e-9) == pytest.approx(1 / 3, abs=1e-6)
    more_good = np.zeros((50, 32, 32), np.uint8)
    with_good = counts_of(np.concatenate([maps, more_good]), np.concatenate([masks, more_good]))
    assert aupro(with_good, 1e-9) == pytest.approx(1 / 3, abs=1e-6)


@given(arrays(np.bool_, (6, 7)))
def test_regions_are_those_of_the_flood_fill(mask):
    numbered, count = label_regions(mask)
    found = {frozenset(zip(*np.nonzero(numbered == one), strict=True)) for one in range(1, count + 1)}
    assert found == {frozenset(region) for region in regions_oracle(mask)}


def test_pixels_that_touch_at_a_corner_are_one_region():
    assert label_regions(np.eye(4, dtype=bool))[1] == 1


def test_area_up_to_takes_many_curves_at_once():
    x, y = np.array([[0, 0.5, 1.0], [0, 0.1, 1.0]]), np.array([[0, 1, 1.0], [0, 0, 1.0]])
    expected = [area_oracle(list(zip(*curve, strict=True)), 0.3) for curve in zip(x, y, strict=True)]
    np.testing.assert_allclose(area_up_to(x, y, 0.3), expected, atol=1e-15)


def test_without_any_defect_pixel_every_metric_says_why_it_is_absent():
    labels, zeros = np.array([0, 1, 1]), np.zeros((3, 4, 4), np.uint8)
    found = pixel_metrics(PixelPictures(zeros.astype(np.float32), zeros, labels))
    assert (found.auroc, found.average_precision, found.aupro, found.aupimo, found.oracle_f1) == (None,) * 5
    assert set(found.absent) == {"auroc", "average_precision", "aupro", "aupimo", "oracle_f1"}
    assert all("no mask" in reason for reason in found.absent.values())


def test_without_a_good_pixel_every_metric_says_why_it_is_absent():
    found = pixel_metrics(pictures_of(np.zeros((2, 3, 3), np.float32), np.ones((2, 3, 3), np.uint8)))
    assert found.aupro is None
    assert "every pixel" in found.absent["aupro"]


def test_too_few_normal_pixels_leave_aupimo_out_and_the_rest_in():
    masks = masked()
    found = pixel_metrics(pictures_of(masks.astype(np.float32), masks))
    assert found.auroc == 1
    assert found.aupimo is None
    assert list(found.absent) == ["aupimo"]
    assert "2048 pixels" in found.absent["aupimo"]


def refusal(*args, **options):
    with pytest.raises(IadError) as caught:
        count_pixels(PixelPictures(*args, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bad_input_is_refused_in_one_line_that_names_the_picture():
    masks, labels = masked(3), np.array([0, 1, 1])
    maps, names = masks.astype(np.float32), ["good/0.png", "hole/1.png", "hole/2.png"]
    assert "3 maps, 3 masks and 2 labels" in refusal(maps, masks, labels[:2])
    assert "label 2" in refusal(maps, masks, np.array([0, 1, 2]))
    assert "good/0.png has shape (8, 8), its mask (32, 32)" in refusal(
        [maps[0, :8, :8], *maps[1:]], masks, labels, names=names
    )
    broken = maps.copy()
    broken[0, 0, :2] = np.nan, np.inf
    assert "2 of 1024 pixels of good/0.png are not finite" in refusal(broken, masks, labels, names=names)
    empty = masks.copy()
    empty[1] = 0
    assert "hole/1.png marks no pixel, but the picture" in refusal(maps, empty, labels, names=names)
    assert "hole/2.png marks 101 pixels" in refusal(maps, masks, np.array([0, 1, 0]), names=names)
