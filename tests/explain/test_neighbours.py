"""The nearest good patches: found exactly, differentiated, and named."""

import numpy as np
import pytest
import torch

from iad.data.carpet import draw
from iad.explain.neighbours import Search
from iad.explain.unlike import unlike
from iad.export.nearest import Nearest
from tests.explain.conftest import SIZE


def test_the_derivative_goes_to_the_exact_neighbour():
    rng = np.random.default_rng(0)
    bank, query = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(3, 4)).astype(np.float32)
    search, queries = Search(Nearest(bank, 1, 3)), torch.from_numpy(query).requires_grad_()
    search(queries)[0].sum().backward()
    nearest = bank[np.linalg.norm(query[:, None] - bank, axis=2).argmin(1)]
    away = query - nearest
    assert np.allclose(queries.grad, away / np.linalg.norm(away, axis=1, keepdims=True), atol=1e-5)


def test_at_distance_0_the_derivative_is_0_and_not_nan():
    search, queries = Search(Nearest(np.float32([[1, 2]]), 1, 1)), torch.tensor([[1.0, 2.0]], requires_grad=True)
    search(queries)[0].sum().backward()
    assert queries.grad.tolist() == [[0.0, 0.0]]


def test_a_shortlist_never_shortens_a_distance():
    rng = np.random.default_rng(1)
    bank = rng.normal(size=(500, 4)).astype(np.float32)
    search, queries = Search(Nearest(bank, 1, 3)), torch.from_numpy(rng.normal(size=(3, 4)).astype(np.float32))
    exact = search(queries)[0]
    search.widen()
    search(queries)
    search.release()
    search.shorten([search.last])
    assert len(search.few) < len(bank)
    assert torch.allclose(search(queries)[0], exact, atol=1e-6)
    short = search(queries + 1)[0]
    search.release()
    assert (short >= search(queries + 1)[0] - 1e-6).all()


def test_a_good_picture_of_the_bundle_is_its_own_nearest_one(patches, good):
    found = unlike(patches.fitted, patches.embed(good[5][None], maps=False))["patch_resnet"]
    assert found.pictures[0].row == 5
    assert found.pictures[0].distance == pytest.approx(0, abs=1e-3)
    assert all(pair.row == 5 and pair.box == pair.good_box for pair in found.patches)


def test_of_a_defect_the_worst_patch_touches_it(patches):
    picture, (top, left) = np.array(draw(0, 0, 3, SIZE, None)[0]), (24, 40)
    picture[top : top + 8, left : left + 8] = (255, 0, 255)
    found = unlike(patches.fitted, patches.embed(picture[None], maps=False))["patch_resnet"]
    distances = [one.distance for one in found.pictures]
    assert distances == sorted(distances), "the nearest good picture first"
    up, before, down, after = (SIZE * side for side in found.patches[0].box)
    assert up <= top + 8
    assert down >= top
    assert before <= left + 8
    assert after >= left
    assert found.pictures[0].row == 3, "the rest is that good picture"
