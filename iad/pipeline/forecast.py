"""How long a score will take, told before it begins: from counts that are known, and a short measured rate.

The search skips what it can prove to be far, so it may be faster. The time is said, and never written to an artefact.
"""

from __future__ import annotations

import time

import numpy as np

from iad.detectors.embeddings import Embeddings

LONG_SECONDS = 120.0  # what takes less is not worth a line
QUERIES, ROWS, TRIES = 256, 4096, 3


def forecast(good: Embeddings, pictures: int, share: float, *, rate: float | None = None) -> str:
    """The line for a method of patches that will take minutes; empty for others.

    Args:
        good: embeddings of the pictures to fit to.
        pictures: how many will be scored, calibration and test.
        share: of the patches of good pictures that the bank keeps, in (0, 1].
        rate: multiplications per second; None: measured here, in some hundredths of a second.

    >>> patches = np.broadcast_to(np.float32(0), (100, 64, 64, 384))
    >>> print(forecast(Embeddings(patches=patches), 300, 1.0, rate=1e11))
    300 pictures x 4,096 patches against a bank of 409,600: about 32 minutes at this machine's rate, less ...
    >>> forecast(Embeddings(patches=patches[:5]), 30, 1.0, rate=1e11)
    ''
    """
    if good.patches is None:
        return ""
    count, height, width, features = good.patches.shape
    versions = 1 if good.augmented is None else 1 + good.augmented.shape[1]
    rows, per_picture = int(count * versions * height * width * share), height * width
    products = float(pictures) * per_picture * rows * features
    if share < 1:
        products += float(rows) * (rows / share) * features  # the greedy choice looks at every patch for each it keeps
    return _line(products, rate or measured_rate(features), pictures, per_picture, rows)


def measured_rate(features: int) -> float:
    """Multiplications per second of a matrix product here, float32, the best of three short ones.

    >>> measured_rate(8) > 0
    True
    """
    queries, rows = np.ones((QUERIES, features), np.float32), np.ones((features, ROWS), np.float32)
    best = float("inf")
    for _ in range(TRIES):
        begin = time.perf_counter()
        _ = queries @ rows
        best = min(best, time.perf_counter() - begin)
    return QUERIES * ROWS * features / max(best, 1e-9)


def _line(products: float, rate: float, pictures: int, per_picture: int, rows: int) -> str:
    seconds = products / rate
    if seconds < LONG_SECONDS:
        return ""
    return (
        f"{pictures:,} pictures x {per_picture:,} patches against a bank of {rows:,}: about {seconds / 60:.0f} minutes "
        "at this machine's rate, less where the search can skip; a smaller preprocess.image_size or "
        "patch.coreset_sampling_ratio takes less"
    )
