"""Explanations of a small autoencoder on synthetic carpets, whose defects have exact masks; neighbours; refusals."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy.stats import spearmanr
from typer.testing import CliRunner

import iad
from iad.cli import app
from iad.data.carpet import draw
from iad.errors import IadError
from iad.explain import WAYS
from iad.explain.baseline import blurred
from iad.explain.neighbours import Search
from iad.export.nearest import Nearest

pytest.importorskip("captum", reason="needs the extra iad[explain]")
from iad.explain import ways
from iad.explain.explaining import Explainer
from iad.explain.score import Score, planes_of
from iad.explain.unlike import unlike

SIZE, BAD = 64, 8
KINDS = ("hole", "metal_contamination")


def carpets(stream, count, kinds=(None,)):
    return [draw(0, stream, number, SIZE, kinds[number % len(kinds)]) for number in range(count)]


def on_mask(values, mask):
    """Share of what is positive that lies on the mask, over the mask's share of the picture: 1 is chance."""
    raised, mask = np.clip(values, 0, None), mask.astype(bool)
    return raised[mask].sum() / raised.sum() / mask.mean()


@pytest.fixture(scope="module")
def good():
    return np.stack([picture for picture, _ in carpets(0, 16)])


@pytest.fixture(scope="module")
def autoencoder(good):
    return iad.fit(
        good, "ae", image_size=SIZE, device="cpu", training={"epochs": 12}, threshold={"alpha": 0.3}
    )  # fmt: skip


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A tiny network with random weights, which the bundle knows by their hash."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "test_resnet.safetensors"
    save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), file)
    return {"model": "test_resnet", "weights": f"file:{file}"}


@pytest.fixture(scope="module")
def patches(good, backbone):
    return iad.fit(
        good, "patch_resnet", image_size=SIZE, device="cpu", backbone=backbone, options={"coreset_sampling_ratio": 1.0},
        threshold={"alpha": 0.3},
    )  # fmt: skip


@pytest.mark.parametrize("way", ["integrated_gradients", "occlusion"])
def test_what_raised_the_score_lies_on_the_mask(autoencoder, way):
    explainer = Explainer(autoencoder, [way])
    found = [on_mask(explainer.maps(picture, blurred(picture))[way], mask) for picture, mask in carpets(1, BAD, KINDS)]
    assert np.mean(found) >= 3


def test_shapley_values_sum_to_the_difference_of_both_scores(autoencoder):
    explainer = Explainer(autoencoder, ["kernel_shap"])
    picture, _ = draw(0, 1, 0, SIZE, "hole")
    values = explainer.maps(picture, blurred(picture))["kernel_shap"]
    _, places = np.unique(ways._segments(SIZE, SIZE), return_index=True)
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
    segments = ways._segments(SIZE, SIZE)
    picture[segments == 7] = 200
    values = getattr(ways, way)(Squares(), picture, base)
    assert segments.ravel()[values.argmax()] == 7
    assert (values == getattr(ways, way)(Squares(), picture, base)).all(), "the same picture, the same numbers"


def test_a_score_with_derivatives_is_the_predictors_own(autoencoder):
    picture, _ = draw(0, 1, 0, SIZE, "hole")
    (verdict,) = autoencoder.predict(picture)
    with torch.no_grad():
        assert float(Score(autoencoder)(planes_of(picture))[0]) == pytest.approx(verdict.pred_score, rel=1e-4)


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
    up, before, down, after = (SIZE * side for side in found.patches[0].box)
    assert up <= top + 8
    assert down >= top
    assert before <= left + 8
    assert after >= left
    assert found.pictures[0].row == 3, "the rest is that good picture"


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


def test_a_score_in_steps_is_explained_by_perturbations_alone(good, backbone):
    options = {"trees": 9}
    network = {**backbone, "patches": {"layers": []}}
    forest = iad.fit(
        good, "isolation_forest", image_size=SIZE, device="cpu", backbone=network, options=options,
        threshold={"alpha": 0.3},
    )  # fmt: skip
    score = Score(forest)
    with pytest.raises(
        IadError, match=r"isolation_forest cannot .* moves in steps.* ask for --method"
    ):
        ways.require_possible(score, "isolation_forest", "gradcam")
    ways.require_possible(score, "isolation_forest", "lime")


@pytest.fixture(scope="module")
def files(tmp_path_factory, autoencoder):
    folder = tmp_path_factory.mktemp("explain")
    (folder / "new").mkdir()
    autoencoder.save(folder / "ae.iad")
    Image.fromarray(draw(0, 1, 0, SIZE, "hole")[0]).save(folder / "new" / "hole.png")
    (folder / "new" / "worn.png").write_text("no picture")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def test_a_sheet_and_numbers_of_each_picture_that_can_be_read(files):
    found = run(files / "new", "--bundle", files / "ae.iad", "--out", files / "out", "--method", "all", "--json")
    assert found.exit_code == 4, found.output
    told = json.loads(found.stdout.splitlines()[0])
    assert list(told["explanations"]) == list(WAYS)
    assert told["rejected"] == (told["score"] >= told["threshold"])
    assert np.shape(told["explanations"]["occlusion"]["grid"]) == (16, 16)
    with Image.open(files / "out" / "hole.png") as sheet:
        assert sheet.width > 7 * 300
    assert [one.name for one in (files / "out").iterdir()] == ["hole.png"]
    assert "worn.png" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bundle", "gone.iad", "--out", "o"), "gone.iad: "),
        (("--bundle", "ae.iad", "--out", "o", "--method", "rise"), "--method rise: use some of gradcam"),
        (("--bundle", "ae.iad", "--out", "o", "--good", "new"), "none of its pictures is one"),
        (("--bundle", "ae.iad", "--out", "new"), "is an input"),
    ],
)
def test_what_cannot_be_is_said_in_a_line_and_nothing_is_written(files, monkeypatch, arguments, said):
    monkeypatch.chdir(files)
    found = run("new/hole.png", *arguments)
    assert isinstance(found.exception, IadError)
    assert said in str(found.exception)
    assert "\n" not in str(found.exception)
    assert not (files / "o").exists()


def test_a_missing_package_is_named(files, monkeypatch):
    monkeypatch.setattr("iad.explain.writing.find_spec", lambda _: None)
    found = run(files / "new", "--bundle", files / "ae.iad", "--out", files / "o")
    assert str(found.exception) == "iad explain: captum is missing; install the extra iad[explain]"
