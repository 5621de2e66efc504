"""A memory bank as a detector. The oracle is a loop over patches; what it says of itself is a table."""

import numpy as np
import pytest

from iad.compute import Runtime
from iad.detectors.embeddings import Embeddings
from iad.detectors.patch import Options
from iad.detectors.patch import detector as module
from iad.detectors.patch.budget import RATE
from iad.detectors.patch.coreset import greedy_coreset
from iad.detectors.patch.detector import Detector
from iad.errors import IadError
from tests.detectors.oracles import patch_distances

RNG = np.random.default_rng(0)
GOOD = RNG.normal(size=(8, 3, 4, 6)).astype(np.float16)
COPIES = RNG.normal(size=(8, 2, 3, 4, 6)).astype(np.float16)
NEW = RNG.normal(size=(3, 3, 4, 6)).astype(np.float16)
ROWS = np.arange(8)
PLAIN = {"aggregate": "max", "subtract_median": 0, "map_above": 0}
PROVING = {"aggregate": "top", "subtract_median": 0, "map_above": 0, "coreset_sampling_ratio": 1, "foreground": "none"}


def fit(good=GOOD, *, runtime=None, seed=0, **options):
    return Detector(Options(**PLAIN | options), seed=seed, runtime=runtime).fit(good)


def assert_same_bank(one, two):
    np.testing.assert_array_equal(one.bank.rows, two.bank.rows)
    np.testing.assert_array_equal(one.state().arrays["patches"], two.state().arrays["patches"])
    assert one.pictures == two.pictures


@pytest.mark.parametrize("k", [1, 3])
def test_maps_and_scores_are_distances_to_the_patches_of_all_good_pictures(k):
    found = fit(k=k).predict(NEW)
    expected = patch_distances(NEW, lambda _: GOOD.reshape(-1, 6), k)
    np.testing.assert_allclose(found.anomaly_map, expected, rtol=1e-6)
    np.testing.assert_allclose(found.pred_score, expected.max(axis=(1, 2)), rtol=1e-6)


def test_a_good_picture_that_is_left_out_finds_neither_itself_nor_its_copies():
    copies = COPIES.copy()
    copies[:, 0] = GOOD  # at distance 0
    given, rows = Embeddings(patches=GOOD, augmented=copies), np.array([5, 0, 7])
    detector = fit(given)
    versions = np.concatenate([GOOD[:, None], copies], axis=1)
    found = detector.predict(given.take(rows), leave_out=rows)
    expected = patch_distances(
        GOOD[rows], lambda place: np.delete(versions, rows[place], axis=0).reshape(-1, 6), 1
    )  # fmt: skip
    assert found.anomaly_map.min() > 0
    np.testing.assert_allclose(found.anomaly_map, expected, rtol=1e-6)
    np.testing.assert_allclose(
        detector.predict(NEW).anomaly_map, patch_distances(NEW, lambda _: versions.reshape(-1, 6), 1), rtol=1e-6
    )
    assert detector.record()["bank"] == 8 * 3 * 12


@pytest.mark.parametrize(
    ("change", "scores_fall", "maps_fall"),
    [
        ({}, True, True), ({"aggregate": "max"}, True, True), ({"k": 3}, True, True),
        ({"aggregate": "reweighted"}, False, True), ({"subtract_median": 0.1}, False, True),
        ({"map_above": 0.1}, True, False), ({"coreset_sampling_ratio": 0.5}, False, False),
        ({"foreground": "pca"}, False, False),
    ],
)  # fmt: skip
def test_only_a_distance_to_a_whole_bank_can_do_nothing_but_fall(change, scores_fall, maps_fall):
    detector = Detector(Options(**PROVING | change))
    assert (detector.leaves_one_out, detector.only_falls, detector.map_only_falls) == (True, scores_fall, maps_fall)


def test_as_many_pictures_calibrate_as_the_options_say():
    assert fit(calibration=5).most_calibrating == 5


def test_a_coreset_keeps_the_rows_that_greedy_selection_names_and_gives_back_no_picture():
    detector = fit(coreset_sampling_ratio=0.25, seed=3)
    np.testing.assert_array_equal(detector.bank.rows, np.sort(greedy_coreset(GOOD.reshape(-1, 6), 24, seed=3)))
    assert detector.record() == {"bank": 24}
    assert detector.recall(np.array([0])) is None
    np.testing.assert_array_equal(fit().recall(np.array([6, 2])).patches, GOOD[[6, 2]])


def test_a_coreset_is_chosen_again_from_what_was_kept_and_all_that_is_new():
    first = fit(GOOD[:5], coreset_sampling_ratio=0.5, seed=3)
    both = first.add(Embeddings(patches=GOOD[5:]))
    pool = np.concatenate([first.bank.rows, np.arange(60, 96)])
    np.testing.assert_array_equal(both.bank.rows, np.sort(pool[greedy_coreset(GOOD.reshape(-1, 6)[pool], 48, seed=3)]))
    np.testing.assert_array_equal(both.state().arrays["patches"], GOOD.reshape(-1, 6)[both.bank.rows])


def test_merged_coresets_keep_all_their_patches_and_a_picture_that_goes_takes_its_own():
    first, second = (fit(part, coreset_sampling_ratio=0.5) for part in (GOOD[:5], GOOD[5:]))
    both = first.merge([second])
    assert both.bank.rows.tolist() == [*first.bank.rows.tolist(), *(60 + second.bank.rows).tolist()]
    assert_same_bank(both.drop(ROWS < 5), first)
    assert_same_bank(both.drop(ROWS >= 5), second)


ROW_GIB = 6 * 4 / 2**30  # of a row of the bank in float32


def test_auto_keeps_all_within_its_budgets_and_is_then_what_1_is():
    auto, whole = fit(coreset_sampling_ratio="auto"), fit(coreset_sampling_ratio=1)
    assert_same_bank(auto, whole)
    np.testing.assert_array_equal(auto.predict(NEW).pred_score, whole.predict(NEW).pred_score)
    assert auto.record()["decided"]["coreset_sampling_ratio"] == 1
    assert "decided" not in whole.record()
    assert Detector(Options(**PROVING | {"coreset_sampling_ratio": "auto"})).fit(GOOD).only_falls


@pytest.mark.parametrize(
    "budget",
    [{"max_bank_gib": 41.5 * ROW_GIB}, {"max_search_minutes": 6 * 40 * (16 * 12 + 96 + 2 * 40.5) / RATE / 60}],
)
def test_auto_keeps_the_largest_coreset_within_its_budgets_of_memory_and_of_time(budget):
    auto = fit(seed=3, **budget)
    share = auto.record()["decided"]["coreset_sampling_ratio"]
    assert 0.4 <= share <= 0.43  # 40 of 96 rows, and two digits of the share
    assert_same_bank(auto, fit(seed=3, coreset_sampling_ratio=share))
    assert auto.recall(np.array([0])) is None
    loaded = Detector.load(auto.options, auto.state())
    assert (loaded.share, loaded.only_falls) == (auto.share, False)
    assert fit(GOOD[:3], **budget).recall(np.array([0])) is not None


def test_a_whole_bank_that_grows_beyond_its_budget_becomes_a_coreset_and_stays_one():
    budget = {"max_bank_gib": 70 * ROW_GIB, "seed": 3}
    first, second = fit(GOOD[:5], **budget), fit(GOOD[5:], **budget)
    added, merged = first.add(Embeddings(patches=GOOD[5:])), first.merge([second])
    assert (first.share.ratio, added.share.ratio) == (1, 0.72)
    assert_same_bank(added, merged)
    rows = greedy_coreset(GOOD.reshape(-1, 6), len(added.bank.rows), seed=3)
    np.testing.assert_array_equal(added.bank.rows, np.sort(rows))
    fewer = added.drop(ROWS < 2)
    assert fewer.share.ratio == 0.72
    assert fewer.recall(np.array([0])) is None


def test_pictures_of_another_kind_join_no_bank():
    detector = fit()
    for other, kind in (
        (Embeddings(patches=NEW[:, :2]), "2 x 4 patches of 6 features in 1 version"),
        (Embeddings(patches=NEW[..., :5]), "3 x 4 patches of 5 features in 1 version"),
        (Embeddings(patches=NEW, augmented=COPIES[:3]), "3 x 4 patches of 6 features in 3 versions"),
    ):
        said = rf"^patch: pictures of {kind} do not join a memory bank of 3 x 4 patches of 6 features in 1 version; "
        with pytest.raises(IadError, match=said):
            detector.add(other)
        with pytest.raises(IadError, match=said):
            detector.merge([fit(other)])


def test_pictures_of_another_number_of_features_are_not_compared():
    with pytest.raises(IadError, match=r"^patch: patches of 5 features, but those of the good pictures have 6; embed"):
        fit().predict(NEW[..., :5])


@pytest.mark.parametrize(
    ("pictures", "k", "leaves_out", "ratio", "refusal"),
    [
        (4, 49, False, 1, "48 patches of good pictures .*; set patch.k to 48 or less, or add good pictures: 5 are"),
        (4, 37, True, 1, "36 patches of other good .*; set patch.k to 36 or less, or add good pictures: 5 are"),
        (1, 1, True, 1, "0 patches of other good .*; add good pictures: 2 are"),
        (4, 7, False, 0.1, r"5 patches of .*; set .* 5 or less, or raise patch.coreset_\w+ to 1, or .*: 6 are"),
        (1, 13, False, 0.5, "6 patches of .*; set patch.k to 6 or less, or add good pictures: 3 are"),
        (2, 3, True, 0.1, "2 patches of other .*; set .* 2 or less, or raise .* to 1, or add good pictures: 13 are"),
    ],
)  # fmt: skip
def test_more_neighbours_than_patches_are_refused_and_every_remedy_helps(pictures, k, leaves_out, ratio, refusal):
    def ask(pictures, **options):
        good = np.random.default_rng(1).normal(size=(pictures, 3, 4, 6)).astype(np.float16)
        detector = fit(good, **{"k": k, "coreset_sampling_ratio": ratio} | options)
        return detector.predict(good[:1], leave_out=np.array([0])) if leaves_out else detector.predict(NEW)

    with pytest.raises(IadError, match=rf"^patch\.k = {k}, but only {refusal} enough$") as refused:
        ask(pictures)
    words = str(refused.value).split("; ")[1].replace(",", "").split()
    ask(int(words[-3]))
    if "set" in words:
        ask(pictures, k=int(words[words.index("set") + 3]))
    if "raise" in words:
        ask(pictures, coreset_sampling_ratio=1)


def test_a_bank_of_no_picture_is_refused():
    with pytest.raises(IadError, match=r"add good pictures$"):
        fit(GOOD[:0])


def with_objects(number, empty=()):
    """Patches of a wide grid with an object in the middle of each picture, unless it is among the empty."""
    rng = np.random.default_rng(1)
    patches = (rng.normal(size=(number, 10, 10, 4)) * 0.1).astype(np.float16)
    shown = np.setdiff1d(np.arange(number), empty)
    patches[shown, 3:7, 3:7, 0] += (5 + rng.normal(size=(len(shown), 4, 4))).astype(np.float16)
    return Embeddings(patches=patches, names=[f"{row}.png" for row in range(number)])


def test_only_the_foreground_counts_and_a_picture_without_an_object_is_the_worst():
    good, asked = with_objects(12), with_objects(5, empty=[4])
    detector = fit(good, foreground="pca")
    assert detector.remarks() == ["patch.foreground = pca: 36% of places count"]
    found = detector.predict(asked)
    outside = found.anomaly_map[:4].copy()
    outside[:, 2:8, 2:8] = 0
    np.testing.assert_array_equal(outside, 0)
    assert found.pred_score.argmax() == 4
    assert found.pred_score[4] > detector.predict(good, leave_out=np.arange(12)).pred_score.max()


def test_where_the_object_fills_the_pictures_every_patch_counts_and_the_reason_is_said():
    plain, masked = fit(), fit(foreground="pca")
    assert plain.remarks() == []
    (remark,) = masked.remarks()
    assert remark.startswith("patch.foreground = pca: every place counts: ")
    for asked, leave_out in ((NEW, None), (GOOD, ROWS)):
        one, two = (detector.predict(asked, leave_out=leave_out) for detector in (plain, masked))
        np.testing.assert_array_equal(one.pred_score, two.pred_score)
        np.testing.assert_array_equal(one.anomaly_map, two.anomaly_map)


def test_a_good_picture_without_an_object_is_refused_by_name_whether_it_joins_the_bank_or_calibrates():
    refusal = r"^patch\.foreground = pca: empty foreground: no object in 3\.png, where other good pictures show one; "
    with pytest.raises(IadError, match=refusal):
        fit(with_objects(12, empty=[3]), foreground="pca")
    detector = fit(with_objects(12), foreground="pca")
    with pytest.raises(IadError, match=refusal):
        detector.check(with_objects(5, empty=[3]))
    detector.check(with_objects(5))
    fit(with_objects(12, empty=[3])).check(with_objects(5, empty=[3]))  # without a foreground, every patch counts


def test_a_foreground_stays_what_it_was_when_pictures_come_or_go_and_when_it_is_loaded():
    detector, asked = fit(with_objects(12), foreground="pca"), with_objects(5, empty=[4])
    grown = detector.add(with_objects(3)).drop(np.arange(15) < 12)
    loaded = Detector.load(detector.options, detector.state())
    for other in (grown, loaded):
        assert other.remarks() == detector.remarks()
        np.testing.assert_array_equal(other.predict(asked).anomaly_map, detector.predict(asked).anomaly_map)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_the_bank_is_searched_on_the_card_that_was_asked_for(device, monkeypatch):
    asked = []

    def bank(*_, device, **__):
        asked.append(device)
        raise IadError("seen")

    monkeypatch.setattr(module, "MemoryBank", bank)
    with pytest.raises(IadError, match="seen"):
        fit(runtime=Runtime(device, "fp32", 1))
    assert asked == ["cuda" if device == "cuda" else "cpu"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_patches_stay_of_the_type_that_they_came_in(dtype):
    detector = fit(GOOD.astype(dtype))
    for one in (detector, Detector.load(detector.options, detector.state()), detector.drop(ROWS > 2)):
        assert one.state().arrays["patches"].dtype == dtype
