"""The forecast of a long score, from counts alone: the rate is given, since no test waits for a clock."""

import numpy as np
import pytest

from iad.detectors.embeddings import Embeddings
from iad.pipeline.forecast import forecast


def patches(pictures, side, features, versions=1):
    shape = (pictures, side, side, features)
    augmented = np.broadcast_to(np.float16(0), (pictures, versions - 1, side, side, features)) if versions > 1 else None
    return Embeddings(patches=np.broadcast_to(np.float16(0), shape), augmented=augmented)


@pytest.mark.parametrize(
    ("good", "share", "bank", "minutes"),
    [
        (patches(11, 256, 64), 1.0, "720,896", 16 * 65_536 * 720_896 * 64 / 1e11 / 60),
        (patches(11, 256, 64, versions=4), 1.0, "2,883,584", 16 * 65_536 * 2_883_584 * 64 / 1e11 / 60),
        (patches(11, 256, 64), 0.25, "180,224", (16 * 65_536 + 720_896) * 180_224 * 64 / 1e11 / 60),
    ],
)
def test_the_time_is_patches_times_bank_rows_times_features(good, share, bank, minutes):
    line = forecast(good, 16, share, rate=1e11)
    assert line.startswith(f"16 pictures x 65,536 patches against a bank of {bank}: about {minutes:.0f} minutes ")


def test_what_is_done_soon_and_what_has_no_patches_is_not_told():
    assert forecast(patches(200, 16, 384), 300, 1.0, rate=1e11) == ""
    assert forecast(Embeddings(pooled=np.zeros((9, 4))), 10**9, 1.0, rate=1.0) == ""
