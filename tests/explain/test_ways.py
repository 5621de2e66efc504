"""Ways of explaining: on scores of which all is known, on defects with masks, and with weights that say nothing."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

import iad
from iad.data.carpet import draw
from iad.errors import IadError
from iad.explain import WAYS
from iad.explain.baseline import blurred
from iad.explain.unlike import unlike
from iad.export.graph import Whole
from tests.explain.conftest import BAD, KINDS, SIZE, carpets, on_mask

pytest.importorskip("captum", reason="needs the extra iad[explain]")
from iad.explain import mixtures, ways
from iad.explain.explaining import Explainer
from iad.explain.score import Score, planes_of


@pytest.mark.parametrize("way", ["integrated_gradients", "occlusion"])
def test_what_raised_the_score_lies_on_the_mask(autoencoder, way):
    explainer = Explainer(autoencoder, [way])
    found = [on_mask(explainer.maps(picture, blurred(picture))[way], mask) for picture, mask in carpets(1, BAD, KINDS)]
    assert np.mean(found) >= 3


def test_shapley_values_sum_to_the_difference_of_both_scores(autoencoder):
    explainer = Explainer(autoencoder, ["kernel_shap"])
    picture, _ = draw(0, 1, 0, SIZE, "hole")
    values = explainer.maps(picture, blurred(picture))["kernel_shap"]
    _, places = np.unique(mixtures.segments(SIZE, SIZE), return_index=True)
    with torch.no_grad():
        before, after = (float(explainer.score(planes_of(one))[0]) for one in (picture, blurred(picture)))
    assert values.ravel()[places].sum() == pytest.approx(before - after, rel=1e-3)


def test_integrated_gradients_sum_to_the_difference_of_both_scores_of_a_smooth_score():
    score = Squares()
    picture, _ = draw(0, 1, 0, SIZE, "hole")
    values = ways.integrated_gradients(score, picture, "squares")
    assert values.sum() == pytest.approx(
        float(score(planes_of(picture)) - score(planes_of(blurred(picture)))), rel=1e-3
    )  # fmt: skip


class Squares(torch.nn.Module):
    """A score of which all is known."""

    steps, taps = None, ()

    def forward(self, planes):
        return (planes / 255).square().sum((1, 2, 3))

    def holding(self, _):
        return nullcontext()


def test_occlusion_finds_the_square_that_is_all_of_the_score():
    picture, base = np.zeros((SIZE, SIZE, 3), np.uint8), np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[16:24, 40:48] = 200
    values = ways.occlusion(Squares(), picture, base)
    assert np.unravel_index(values.argmax(), values.shape) in {(y, x) for y in range(16, 24) for x in range(40, 48)}
    assert values[:8].max() == values[32:].max() == 0


@pytest.mark.parametrize("way", ["lime", "kernel_shap"])
def test_segments_find_the_one_that_is_all_of_the_score(way):
    picture, base = np.zeros((SIZE, SIZE, 3), np.uint8), np.zeros((SIZE, SIZE, 3), np.uint8)
    segments = mixtures.segments(SIZE, SIZE)
    picture[segments == 7] = 200
    values = getattr(ways, way)(Squares(), picture, base)
    assert segments.ravel()[values.argmax()] == 7
    assert (values == getattr(ways, way)(Squares(), picture, base)).all(), "the same picture, the same numbers"


def test_a_score_with_derivatives_is_the_predictors_own(autoencoder):
    picture, _ = draw(0, 1, 0, SIZE, "hole")
    (verdict,) = autoencoder.predict(picture)
    with torch.no_grad():
        assert float(Score(autoencoder)(planes_of(picture))[0]) == pytest.approx(verdict.pred_score, rel=1e-4)


def test_weights_say_where_the_score_comes_from(patches):
    """Adebayo et al. 2018 (arXiv 1810.03292): with weights drawn anew an explanation is another one."""
    picture = np.array(draw(0, 0, 3, SIZE, None)[0])
    picture[24:32, 40:48] = (255, 0, 255)
    score = Score(patches)
    before = ways.gradcam(score, picture, "patch_resnet")
    torch.manual_seed(1)
    for value in score.whole.networks.parameters():
        value.data = value.data.flatten()[torch.randperm(value.numel())].view_as(value)
    after = ways.gradcam(score, picture, "patch_resnet")
    assert spearmanr(before.ravel(), after.ravel()).statistic < 0.5


def test_the_error_of_a_shuffled_autoencoder_still_lies_on_the_mask(good):
    """So its explanations may as well: for `ae` a mask says nothing about the weights, as docs/explain.md tells."""
    made = iad.fit(good, "ae", image_size=SIZE, device="cpu", training={"epochs": 1}, threshold={"alpha": 0.3})
    whole = Whole(made.bundle).eval()
    torch.manual_seed(1)
    for value in whole.parameters():
        value.data = value.data.flatten()[torch.randperm(value.numel())].view_as(value)
    with torch.no_grad():
        found = [on_mask(whole(planes_of(picture))[3].numpy(), mask) for picture, mask in carpets(1, BAD, KINDS)]
    assert np.mean(found) > 2


def test_a_hybrid_is_explained_by_the_score_of_all_its_members(hybrid):
    picture, _ = draw(0, 1, 0, SIZE, "hole")
    explainer = Explainer(hybrid, WAYS)
    assert len(explainer.score.taps) == 2
    with torch.no_grad():
        score = float(explainer.score(planes_of(picture))[0])
    assert score == pytest.approx(next(iter(hybrid.predict(picture))).pred_score, rel=1e-3)
    maps = explainer.maps(picture, blurred(picture))
    assert all(np.isfinite(one).all() and one.std() > 0 for one in maps.values())
    found = unlike(hybrid.fitted, hybrid.embed(picture[None], maps=False))
    assert [len(one.patches) for one in found.values()] == [3, 3]


def test_a_score_in_steps_is_explained_by_perturbations_alone(good, backbone):
    options = {"trees": 9}
    network = {**backbone, "pooling": "patch_mean", "patches": {"layers": []}}
    forest = iad.fit(
        good, "isolation_forest", image_size=SIZE, device="cpu", backbone=network, options=options,
        threshold={"alpha": 0.3},
    )  # fmt: skip
    score = Score(forest)
    with pytest.raises(IadError, match=r"isolation_forest cannot .* moves in steps.* ask for --method"):
        ways.require_possible(score, "isolation_forest", "gradcam")
    ways.require_possible(score, "isolation_forest", "lime")
