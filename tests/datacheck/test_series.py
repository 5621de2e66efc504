"""Pictures that follow one another are told; pictures in no order, few of them, and those with groups are not."""

import numpy as np
import pandas as pd
import pytest

from iad.datacheck.series import check_series


def film(count, seed=0):
    """Frames that drift: each resembles the ones beside it more than any other."""
    steps = np.random.default_rng(seed).normal(0, 12, (count, 32, 32))
    return np.clip(np.cumsum(steps, axis=0) * 0.4 + 128, 0, 255).astype(np.uint8)


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (count, 32, 32), dtype=np.uint8)


def found(grids, names=None, **columns):
    names = names or [f"good/{row}.png" for row in range(len(grids))]
    manifest = pd.DataFrame({"image_id": names, "label": 0, **columns})
    return list(check_series(manifest, grids, np.full(len(grids), True)))


def test_a_film_is_a_series_in_the_order_of_its_numbers():
    grids = film(40)
    names = [f"good/frame{row}.png" for row in range(40)]
    order = sorted(range(40), key=names.__getitem__)  # as the manifest has them: 1, 10, 11, ..., 2
    [told] = found(grids[order], [names[row] for row in order])
    assert told.check == "series"
    assert "resemble most the one before or after them" in told.what
    assert "data.folder.groups" in told.advice


@pytest.mark.parametrize("seed", range(20))
def test_pictures_in_no_order_are_none(seed):
    assert found(noise(40, seed)) == []
    grids = film(40, seed)
    assert found(grids[np.random.default_rng(seed).permutation(40)]) == []


def test_few_pictures_and_those_whose_groups_are_known_are_not_looked_at():
    assert found(film(12)) == []
    assert found(film(40), group="A") == []


def test_defective_pictures_do_not_count():
    assert found(film(40), label=[0] * 15 + [1] * 25) == []
