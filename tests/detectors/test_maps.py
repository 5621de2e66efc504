"""Oracle: PyTorch's bilinear interpolation, then SciPy's Gaussian filter on the whole picture."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from torch import from_numpy
from torch.nn.functional import interpolate

from iad.detectors.maps import FullMaps, Rows, enlargement
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


def test_rows_are_read_in_the_order_given():
    array = np.arange(12).reshape(4, 3)
    rows = Rows(array, np.array([3, 0]))
    assert [row.tolist() for row in rows] == [[9, 10, 11], [0, 1, 2]]
    assert len(rows) == 2
