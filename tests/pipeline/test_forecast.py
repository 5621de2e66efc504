"""What a stage will take, from counts alone: the rate and the memory are given, since no test waits for a clock."""

import math

import numpy as np
import pytest

from iad.detectors.embeddings import Embeddings
from iad.detectors.knn.detector import Detector as Knn
from iad.detectors.knn.detector import Options as KnnOptions
from iad.detectors.patch import Options
from iad.detectors.patch.detector import Detector
from iad.errors import IadError
from iad.pipeline.disk import disk_line, require_disk
from iad.pipeline.forecast import forecast, require_memory


def patches(pictures, side, features, versions=1):
    shape = (pictures, side, side, features)
    augmented = np.broadcast_to(np.float16(0), (pictures, versions - 1, side, side, features)) if versions > 1 else None
    return Embeddings(patches=np.broadcast_to(np.float16(0), shape), augmented=augmented)


def outlook(good, pictures, **options):
    return Detector(Options(**options)).outlook(good, pictures)


@pytest.mark.parametrize(
    ("good", "share", "bank", "minutes"),
    [
        (patches(11, 256, 64), 1.0, "720,896", 16 * 65_536 * 720_896 * 64 / 1e11 / 60),
        (patches(11, 256, 64, versions=4), 1.0, "2,883,584", 16 * 65_536 * 2_883_584 * 64 / 1e11 / 60),
        (patches(11, 256, 64), 0.25, "180,224", (16 * 65_536 + 1.5 * 720_896) * 180_224 * 64 / 1e11 / 60),
    ],
)
def test_the_time_is_patches_times_bank_rows_times_features(good, share, bank, minutes):
    line = forecast(outlook(good, 16, coreset_sampling_ratio=share), rate=1e11)
    said = f"16 pictures x 65,536 patches against a bank of {bank}: at most about {math.ceil(minutes)} minutes at this "
    assert line.startswith(said)
    assert line.endswith("; a smaller preprocess.image_size or patch.coreset_sampling_ratio takes less")


def test_what_is_decided_is_told_and_what_is_done_soon_is_not():
    assert forecast(outlook(patches(200, 16, 384), 300, coreset_sampling_ratio=1.0), rate=1e11) == ""
    assert forecast(outlook(patches(200, 16, 384), 300), rate=1e11).startswith("all 51,200 patches: 0.07 of 2 GiB, ")
    assert Knn(KnnOptions()).outlook(Embeddings(pooled=np.zeros((9, 4))), 10**9) is None


@pytest.mark.parametrize("options", [{}, {"coreset_sampling_ratio": 1.0}])
def test_a_bank_that_memory_cannot_hold_is_refused_with_a_number_that_fits(options):
    good, available = patches(1200, 16, 768), int(1.5 * 2**30)  # 0.88 GiB in float32
    with pytest.raises(
        IadError, match=r"^10 pictures .*: about 2\.8 GiB of memory, and 1\.5 GiB are available here; "
    ) as no:
        require_memory(outlook(good, 10, **options), available)
    require_memory(outlook(good, 10, **options), None)
    allowed = float(str(no.value).split()[-1])
    require_memory(outlook(good, 10, max_bank_gib=allowed), available)
    assert allowed == pytest.approx((1.5 - 0.6) / 2.5, abs=0.01)


def test_a_disk_that_is_too_small_is_refused_and_what_is_small_and_soon_done_is_not_told():
    with pytest.raises(IadError, match=r"^vit: 3\.0 GiB on disk, and 2\.0 GiB are free; free some$"):
        require_disk("vit", 3 * 2**30, 2 * 2**30, "free some")
    require_disk("vit", 2**30, 2**30, "free some")
    assert disk_line("vit", 2**30 - 1, 2**40, 119.0, "less") == ""
    assert disk_line("vit", 2**20, 2**40, 121.0, "less").startswith("vit: 0.0 of 1024.0 GiB free on disk, about 3 min")
