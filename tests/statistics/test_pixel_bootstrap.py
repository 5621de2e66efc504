"""Oracle: repeat the drawn pictures and compute the exact metrics of `iad.metrics.localization`."""

import numpy as np
import pytest

from iad.metrics.localization import aupro, pixel_auroc
from iad.metrics.pixels import PixelPictures, count_pixels
from iad.statistics.pixel_bootstrap import (
    grid_counts,
    grid_error,
    grid_metrics,
    pixel_bootstrap_intervals,
    pixel_bootstrap_samples,
)


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    labels, masks = np.array([0, 1, 1, 0, 1, 0]), np.zeros((6, 40, 40), np.uint8)
    masks[1, 3:9, 4:7], masks[2, 20:30, 20:30], masks[2, 2, 2], masks[4, :6, 30:] = 1, 1, 1, 1
    return PixelPictures((rng.normal(size=masks.shape) + 1.5 * masks).astype(np.float32), masks, labels)


def exactly(pictures, weights):
    rows = np.repeat(np.arange(len(pictures)), weights)
    counts = count_pixels(PixelPictures(pictures.anomaly_map[rows], pictures.gt_mask[rows], pictures.gt_label[rows]))
    return {"pixel_auroc": pixel_auroc(counts), "aupro": aupro(counts)}


DRAWS = np.array([[1, 1, 1, 1, 1, 1], [0, 2, 0, 3, 1, 0], [2, 0, 3, 0, 0, 1]])


def test_a_grid_of_all_thresholds_gives_every_draw_exactly(pictures):
    grid = grid_counts(pictures, count_pixels(pictures), bins=1_000_000)
    found = grid_metrics(grid, DRAWS)
    for row, weights in enumerate(DRAWS):
        for name, value in exactly(pictures, weights).items():
            assert found[name][row] == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("bins", [5, 50, 500])
def test_a_coarse_grid_is_off_by_no_more_than_its_bound(pictures, bins):
    grid = grid_counts(pictures, count_pixels(pictures), bins=bins)
    found, bound = grid_metrics(grid, DRAWS[:1]), grid_error(grid)
    for name, value in exactly(pictures, DRAWS[0]).items():
        assert abs(found[name][0] - value) <= bound[name] + 1e-12, name
    assert bound["pixel_auroc"] < 2 / bins


def test_draws_are_those_of_the_pictures_so_two_methods_are_paired(pictures):
    other = PixelPictures(2 * pictures.anomaly_map + 1, pictures.gt_mask, pictures.gt_label)
    samples = [
        pixel_bootstrap_samples(grid_counts(one, count_pixels(one)), pictures.gt_label, draws=250, seed=3)
        for one in (pictures, other)
    ]
    for name, values in samples[0].items():
        assert values.shape == (250,)
        assert len(np.unique(values)) > 10
        np.testing.assert_allclose(values, samples[1][name], atol=1e-6)


def test_intervals_hold_the_estimate_and_need_both_classes(pictures):
    grid = grid_counts(pictures, count_pixels(pictures))
    found = pixel_bootstrap_intervals(grid, pictures.gt_label, draws=300, confidence=0.95, seed=0)
    for name, value in exactly(pictures, DRAWS[0]).items():
        assert found[name].low < value < found[name].high
    assert pixel_bootstrap_intervals(grid, np.ones(6), draws=300, confidence=0.95, seed=0) == {}
    assert pixel_bootstrap_intervals(grid, pictures.gt_label, draws=0, confidence=0.95, seed=0) == {}
