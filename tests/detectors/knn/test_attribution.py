"""Attribution of pooled distances against the formulas, by loops over places and features."""

import numpy as np
import pytest

from iad.detectors.knn import attribution
from iad.detectors.knn.attribution import Parts, attribution_maps
from iad.detectors.knn.search import Neighbors

SIDE, LENGTH, BANK = 3, 8, 20
SPACES = [
    {"metric": metric, "standardize": standardize, "pca": pca}
    for metric in ("euclidean", "cosine")
    for standardize in (False, True)
    for pca in (0, 4)
]


def pooled(pooling, pictures=BANK + 5, seed=0):
    """Random vectors, float16 as they are stored, and the embeddings that they pool to."""
    vectors = np.random.default_rng(seed).normal(1, 1, (pictures, SIDE, SIDE, LENGTH)).astype(np.float16)
    exact = vectors.astype(np.float64)
    embeddings = exact.max(axis=(1, 2)) if pooling == "max" else exact.mean(axis=(1, 2))
    return Parts(embeddings.astype(np.float32), vectors, pooling)


def rows_of(parts, rows):
    return Parts(parts.pooled[rows], parts.vectors[rows], parts.pooling)


def maps_of(parts, *, leave_out=False, aggregate="mean", k=3, space=SPACES[0]):
    """Neighbours and maps: of the bank's own pictures, the first ones; or of the others."""
    good, asked = rows_of(parts, slice(BANK)), rows_of(parts, slice(BANK) if leave_out else slice(BANK, None))
    neighbors = Neighbors(good.pooled, **space)
    nearest = neighbors.nearest(asked.pooled, k=k, leave_out=np.arange(BANK) if leave_out else None)
    return neighbors, nearest, attribution_maps(neighbors, nearest, asked, good, aggregate=aggregate)


def oracle(parts, neighbors, picture, others, metric):
    """The mean over neighbours of the split, one place and one neighbour at a time, all in placed space."""
    scaling, projection = neighbors.space.scaling, neighbors.projection
    axes = np.eye(LENGTH) if projection is None else projection.axes

    def length(embedding):
        return np.linalg.norm((embedding - scaling.mean) / scaling.deviation) if metric == "cosine" else 1.0

    def place(vector, of):
        return axes @ ((vector - scaling.mean) / scaling.deviation / length(of))

    found = np.zeros((SIDE, SIDE))
    for other in others:
        x, n = (parts.pooled[row].astype(np.float64) for row in (picture, other))
        difference = place(x, x) - place(n, n)
        unit = difference / 2 if metric == "cosine" else difference / np.linalg.norm(difference)
        for row in range(SIDE):
            for column in range(SIDE):
                t, o = (parts.vectors[one, row, column].astype(np.float64) for one in (picture, other))
                found[row, column] += (place(t, x) - place(o, n)) @ unit / SIDE**2 / len(others)
    return found


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("aggregate", ["mean", "kth"])
def test_the_split_of_a_mean_is_the_formula(space, aggregate):
    parts = pooled("avg")
    neighbors, nearest, maps = maps_of(parts, space=space, aggregate=aggregate)
    others = nearest.rows[:, -1:] if aggregate == "kth" else nearest.rows
    for row, found in enumerate(maps):
        expected = oracle(parts, neighbors, BANK + row, others[row], space["metric"])
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("pooling", ["avg", "patch_mean", "token_mean", "max", "cls"])
@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("leave_out", [False, True])
def test_a_map_sums_to_the_score(pooling, space, leave_out):
    _, nearest, maps = maps_of(pooled(pooling), space=space, leave_out=leave_out)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), nearest.distances.mean(axis=1), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("pooling", ["avg", "max"])
@pytest.mark.parametrize("space", SPACES[:6], ids=str)
def test_an_exact_split_leaves_nothing_to_be_spread(pooling, space, monkeypatch):
    # the last two spaces, cosine of standardised features, leave a constant
    kept = []
    split = attribution._split
    monkeypatch.setattr(attribution, "_split", lambda *given: kept.append(split(*given)) or kept[-1])
    _, nearest, _ = maps_of(pooled(pooling), space=space)
    np.testing.assert_allclose([one.sum() for one in kept], nearest.distances.mean(axis=1), rtol=1e-3)


def test_each_feature_of_a_maximum_counts_where_it_is_reached():
    vectors = np.zeros((2, 2, 2, 2), np.float16)
    vectors[1, 0, 1, 0] = 3  # one feature, at one place
    vectors[1, 1, :, 1] = 4  # the other, at two places alike
    parts = Parts(vectors.max(axis=(1, 2)).astype(np.float32), vectors, "max")
    good, asked = rows_of(parts, slice(1)), rows_of(parts, slice(1, None))
    neighbors = Neighbors(good.pooled, metric="euclidean", standardize=False)
    found = neighbors.nearest(asked.pooled, k=1)
    maps = attribution_maps(neighbors, found, asked, good, aggregate="mean")
    np.testing.assert_allclose(maps[0], [[0, 9 / 5], [8 / 5, 8 / 5]], atol=1e-6)  # 9 and 16 of 25, over a distance of 5


@pytest.mark.parametrize("pooling", ["avg", "max", "cls"])
def test_a_planted_defect_is_where_the_map_is_highest(pooling):
    parts = pooled(pooling)
    planted = parts.vectors.copy()
    planted[BANK:, 2, 1, 3] += 40
    changed = planted.astype(np.float32)
    features = changed.max(axis=(1, 2)) if pooling == "max" else changed.mean(axis=(1, 2))
    _, _, maps = maps_of(Parts(features, planted, pooling))
    assert (maps.reshape(len(maps), -1).argmax(axis=1) == 2 * SIDE + 1).all()


def test_shares_of_a_class_token_are_distances_to_the_nearest_place_of_the_neighbours():
    parts = pooled("cls")
    _, nearest, maps = maps_of(parts)
    vectors = parts.vectors.astype(np.float64).reshape(len(parts.vectors), -1, LENGTH)
    for row, found in enumerate(maps):
        others = np.concatenate([vectors[one] for one in nearest.rows[row]])
        expected = np.array([min(np.linalg.norm(own - one) for one in others) for own in vectors[BANK + row]])
        share = expected / expected.sum() * nearest.distances[row].mean()
        np.testing.assert_allclose(found.ravel(), share, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["avg", "max", "cls"])
def test_a_picture_like_its_neighbour_has_a_map_of_zeros(pooling):
    parts = pooled(pooling)
    parts.vectors[BANK], parts.pooled[BANK] = parts.vectors[0], parts.pooled[0]
    _, _, maps = maps_of(parts, k=1)
    assert (maps[0] == 0).all()
    assert np.isfinite(maps).all()
