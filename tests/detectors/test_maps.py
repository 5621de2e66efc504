"""Oracle: PyTorch's bilinear interpolation, then SciPy's Gaussian filter on the whole picture."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from torch import from_numpy
from torch.nn.functional import interpolate

from iad.detectors.maps import FullMaps, enlargement, resized
from iad.errors import IadError


def coarse(*shape):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def oracle(maps, size, sigma):
    full = interpolate(from_numpy(maps)[:, None], (size, size), mode="bilinear", align_corners=False)[:, 0].numpy()
    return np.stack([gaussian_filter(one, sigma) for one in full])


@pytest.mark.parametrize(("height", "width", "size"), [(4, 4, 16), (5, 3, 32), (1, 7, 20), (16, 16, 16), (14, 14, 37)])
@pytest.mark.parametrize("sigma", [0, 0.6, 3.5])
def test_full_maps_are_interpolated_and_smoothed_ones(height, width, size, sigma):
    maps = coarse(3, height, width)
    full = FullMaps(maps, size, sigma)
    assert len(full) == 3
    found = np.stack([full[row] for row in range(3)])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, oracle(maps, size, sigma), atol=2e-6)


def test_a_map_of_one_value_keeps_it():
    np.testing.assert_allclose(FullMaps(np.full((1, 6, 6), 7, np.float32), 50, 2.0)[0], 7, rtol=1e-6)


def test_no_value_lies_outside_those_of_the_coarse_map():
    maps = coarse(1, 6, 6)
    full = FullMaps(maps, 45, 1.5)[0]
    assert maps.min() - 1e-6 <= full.min() <= full.max() <= maps.max() + 1e-6


def test_iterating_reads_one_map_after_the_other():
    full = FullMaps(coarse(2, 4, 4), 8, 1.0)
    assert [one.shape for one in full] == [(8, 8), (8, 8)]


def test_more_cells_than_pixels_are_sampled():
    assert enlargement(4, 2, 0).tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]


@pytest.mark.parametrize("shape", [(3, 4), (3, 0, 4)])
def test_an_array_that_holds_no_maps_is_refused(shape):
    with pytest.raises(IadError, match=r"test_maps\.npy: shape .* \(pictures, height, width\)"):
        FullMaps(np.zeros(shape, np.float32), 8, 1.0, origin="test_maps.npy")


@pytest.mark.parametrize("sigma", [0, 1.5])
def test_where_no_coarse_value_rises_no_full_value_does(sigma):
    # what the promise of leave-one-out maps needs
    higher = coarse(1, 6, 6)
    lower = higher - np.random.default_rng(1).random((1, 6, 6), dtype=np.float32)
    assert (FullMaps(lower, 40, sigma)[0] <= FullMaps(higher, 40, sigma)[0] + 1e-6).all()


@pytest.mark.parametrize(("height", "width"), [(30, 20), (3, 50), (6, 6)])
def test_a_map_at_another_size_is_interpolated_and_nothing_is_above_its_highest_value(height, width):
    values = coarse(1, 6, 6)[0]
    found = resized(values, height, width)
    expected = interpolate(from_numpy(values)[None, None], (height, width), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=2e-6)
    assert found.max() <= values.max()
