"""Attribution of pooled distances against the formulas, by loops over places and features."""

import numpy as np
import pytest

from iad.detectors.knn import attribution
from iad.detectors.knn.attribution import Places, attribution_maps
from iad.detectors.knn.search import Neighbors

SIDE, LENGTH, BANK = 3, 8, 20
SPACES = [
    {"metric": metric, "standardize": standardize, "pca": pca}
    for metric in ("euclidean", "cosine")
    for standardize in (False, True)
    for pca in (0, 4)
]


def pooled(pooling, pictures=BANK + 5, seed=0):
    """Random vectors, float16 as they are stored, and the features that they pool to."""
    vectors = np.random.default_rng(seed).normal(1, 1, (pictures, SIDE, SIDE, LENGTH)).astype(np.float16)
    exact = vectors.astype(np.float64)
    features = exact.max(axis=(1, 2)) if pooling == "max" else exact.mean(axis=(1, 2))
    return Places(features.astype(np.float32), vectors, pooling)


def maps_of(places, *, leave_out=False, aggregate="mean", k=3, space=SPACES[0]):
    """Neighbours and maps: of the bank's own pictures, the first ones; or of the others."""
    bank = np.arange(BANK)
    pictures = bank if leave_out else np.arange(BANK, len(places.features))
    neighbors = Neighbors(places.features[bank], **space)
    nearest = neighbors.nearest(places.features[pictures], k=k, leave_out=leave_out)
    return neighbors, nearest, attribution_maps(neighbors, nearest, places, pictures, bank, aggregate=aggregate)


def oracle(places, neighbors, picture, others, metric):
    """The mean over neighbours of the split, one place and one neighbour at a time, all in placed space."""
    scaling, projection = neighbors.space.scaling, neighbors.projection
    axes = np.eye(LENGTH) if projection is None else projection.axes

    def length(feature):
        return np.linalg.norm((feature - scaling.mean) / scaling.deviation) if metric == "cosine" else 1.0

    def place(vector, of):
        return axes @ ((vector - scaling.mean) / scaling.deviation / length(of))

    found = np.zeros((SIDE, SIDE))
    for other in others:
        x, n = (places.features[row].astype(np.float64) for row in (picture, other))
        difference = place(x, x) - place(n, n)
        unit = difference / 2 if metric == "cosine" else difference / np.linalg.norm(difference)
        for row in range(SIDE):
            for column in range(SIDE):
                t, o = (places.vectors[one, row, column].astype(np.float64) for one in (picture, other))
                found[row, column] += (place(t, x) - place(o, n)) @ unit / SIDE**2 / len(others)
    return found


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("aggregate", ["mean", "kth"])
def test_the_split_of_a_mean_is_the_formula(space, aggregate):
    places = pooled("avg")
    neighbors, nearest, maps = maps_of(places, space=space, aggregate=aggregate)
    others = nearest.rows[:, -1:] if aggregate == "kth" else nearest.rows
    for row, found in enumerate(maps):
        expected = oracle(places, neighbors, BANK + row, others[row], space["metric"])
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
    places = Places(vectors.max(axis=(1, 2)).astype(np.float32), vectors, "max")
    neighbors = Neighbors(places.features[:1], metric="euclidean", standardize=False)
    found = neighbors.nearest(places.features[1:], k=1)
    maps = attribution_maps(neighbors, found, places, np.array([1]), np.array([0]), aggregate="mean")
    np.testing.assert_allclose(maps[0], [[0, 9 / 5], [8 / 5, 8 / 5]], atol=1e-6)  # 9 and 16 of 25, over a distance of 5


@pytest.mark.parametrize("pooling", ["avg", "max", "cls"])
def test_a_planted_defect_is_where_the_map_is_highest(pooling):
    places = pooled(pooling)
    planted = places.vectors.copy()
    planted[BANK:, 2, 1, 3] += 40
    changed = planted.astype(np.float32)
    features = changed.max(axis=(1, 2)) if pooling == "max" else changed.mean(axis=(1, 2))
    _, _, maps = maps_of(Places(features, planted, pooling))
    assert (maps.reshape(len(maps), -1).argmax(axis=1) == 2 * SIDE + 1).all()


def test_shares_of_a_class_token_are_distances_to_the_nearest_place_of_the_neighbours():
    places = pooled("cls")
    _, nearest, maps = maps_of(places)
    vectors = places.vectors.astype(np.float64).reshape(len(places.vectors), -1, LENGTH)
    for row, found in enumerate(maps):
        others = np.concatenate([vectors[one] for one in nearest.rows[row]])
        expected = np.array([min(np.linalg.norm(own - one) for one in others) for own in vectors[BANK + row]])
        share = expected / expected.sum() * nearest.distances[row].mean()
        np.testing.assert_allclose(found.ravel(), share, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["avg", "max", "cls"])
def test_a_picture_like_its_neighbour_has_a_map_of_zeros(pooling):
    places = pooled(pooling)
    places.vectors[BANK], places.features[BANK] = places.vectors[0], places.features[0]
    _, _, maps = maps_of(places, k=1)
    assert (maps[0] == 0).all()
    assert np.isfinite(maps).all()
