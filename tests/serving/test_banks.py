"""Banks put together. The oracle is a bank of all pictures at once, and a double loop over patches."""

import numpy as np
import pytest

from iad.detectors.patch.coreset import greedy_coreset
from iad.errors import IadError
from iad.serving.bank_file import Bank, Calibration, PictureSet
from iad.serving.banks import Part, Scorer, join, new_part, part_of
from iad.serving.use import require_same

RNG = np.random.default_rng(0)
GOOD = RNG.normal(size=(12, 1, 2, 3, 4)).astype(np.float16)  # pictures, versions, h, w, D
TURNED = RNG.normal(size=(6, 3, 2, 3, 4)).astype(np.float16)
NEW = RNG.normal(size=(5, 2, 3, 4)).astype(np.float16)
PATCH = {
    "k": 1, "coreset": 1.0, "aggregate": "top", "top_places": 2, "subtract_median": 0.25, "calibration": 0,
    "map_above": 0.25, "foreground": "none",
}  # fmt: skip


def named(numbers):
    return PictureSet(tuple(f"{number}.png" for number in numbers), tuple(f"hash {number}" for number in numbers))


def settings_of(**patch):
    return {
        "method": "patch_vit",
        "backbone": {"name": "net", "image_size": 8, "weights_sha256": "0", "weights": "wheel"},
        "patch": PATCH | patch,
        "threshold": {"strategy": "percentile", "options": {"percentile": 75}},
        "maps": {"sigma": 0.1, "red_rate": 0.2},
        "seed": 3,
    }


def bank_of(numbers, patches=GOOD, *, apart=None, **patch):
    """A bank of these pictures; with `apart`, others calibrate it."""
    settings, numbers = settings_of(**patch), list(numbers)
    part = new_part(settings, named(numbers), patches[numbers], set_apart=apart is not None)
    if apart is not None:
        part = Part(part.pictures, part.patches, part.rows, named(apart), np.full(len(apart), -1), patches[apart, 0])
    nothing = Calibration(part.calibrating, part.members, part.own, np.empty(0))
    like = Bank(settings, part.pictures, part.patches, part.rows, (2, 3), patches.shape[1], {}, nothing, {}, {})
    return join(like, [part], "a.safetensors")


def added(bank, numbers, patches=GOOD):
    apart = bool((bank.calibration.members < 0).all())
    part = new_part(bank.settings, named(numbers), patches[list(numbers)], set_apart=apart)
    return join(bank, [part_of(bank), part], "a.safetensors")


def merged(*banks):
    return join(banks[0], [part_of(bank) for bank in banks], "merged.safetensors")


def number_of(picture_id):
    return int(picture_id.partition(".")[0])


def expected_scores(bank, pictures, own=None):
    """Mean of the 2 worst places less a quarter of the median; with `own`, without the rows of these pictures."""
    scores = []
    for place, picture in enumerate(pictures):
        owner = bank.rows // bank.per_picture
        rows = bank.patches if own is None else bank.patches[owner != own[place]]
        nearest = [np.linalg.norm(rows.astype(np.float64) - patch, axis=1).min() for patch in picture.reshape(-1, 4)]
        scores.append(np.mean(sorted(nearest)[-2:]) - 0.25 * np.median(nearest))
    return np.array(scores)


def check(bank, patches=GOOD):
    """What holds for every bank: rows point to the patches, and calibration is exact."""
    order = [number_of(one) for one in bank.pictures.ids]
    np.testing.assert_array_equal(bank.patches, patches[order].reshape(-1, 4)[bank.rows])
    assert (np.diff(bank.rows) > 0).all()
    calibrating = [number_of(one) for one in bank.calibration.pictures.ids]
    apart = (bank.calibration.members < 0).all()
    own = None if apart else bank.calibration.members
    if not apart:
        assert [bank.pictures.ids[member] for member in own] == list(bank.calibration.pictures.ids)
    np.testing.assert_allclose(bank.calibration.scores, expected_scores(bank, patches[calibrating, 0], own), rtol=1e-5)


def test_half_of_the_pictures_and_then_the_others_are_all_of_them_at_once():
    at_once, in_two = bank_of(range(12)), added(bank_of(range(6)), range(6, 12))
    check(at_once)
    check(in_two)
    np.testing.assert_array_equal(in_two.patches, at_once.patches)
    assert in_two.pictures == at_once.pictures
    np.testing.assert_array_equal(in_two.calibration.scores, at_once.calibration.scores)
    assert in_two.verdict == at_once.verdict
    assert in_two.colours == at_once.colours
    for one, two in zip(*(Scorer(bank, "").score(NEW, title="test") for bank in (at_once, in_two)), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_order_of_pictures_changes_no_score():
    here, there = bank_of(range(12)), merged(bank_of(range(7, 12)), bank_of(range(7)))
    scores = [dict(zip(bank.calibration.pictures.ids, bank.calibration.scores, strict=True)) for bank in (here, there)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-9)
    assert here.verdict["value"] == pytest.approx(there.verdict["value"], rel=1e-9)


def test_scores_are_distances_to_the_rows_of_the_bank():
    bank = added(bank_of(range(4)), [5])
    np.testing.assert_allclose(Scorer(bank, "").score(NEW, title="test")[1], expected_scores(bank, NEW), rtol=1e-5)


def test_a_coreset_is_chosen_again_from_what_the_bank_kept_and_all_that_is_new():
    before = bank_of(range(6), coreset=0.5)
    after = added(before, range(6, 10))
    check(before)
    check(after)
    assert len(before.rows) == 18
    assert len(after.rows) == 18 + 12
    pool = np.concatenate([before.rows, np.arange(36, 60)])
    chosen = greedy_coreset(GOOD.reshape(-1, 4)[pool], 30, seed=3)
    np.testing.assert_array_equal(after.rows, np.sort(pool[chosen]))


def test_a_merge_of_coresets_keeps_the_rows_of_both():
    first, second = bank_of(range(6), coreset=0.3), bank_of(range(6, 12), coreset=0.3)
    both = merged(first, second)
    check(both)
    np.testing.assert_array_equal(both.patches, np.concatenate([first.patches, second.patches]))


@pytest.mark.parametrize("coreset", [1.0, 0.4])
def test_a_picture_of_two_banks_counts_once(coreset):
    both = merged(bank_of(range(7), coreset=coreset), bank_of(range(4, 12), coreset=coreset))
    assert [number_of(one) for one in both.pictures.ids] == list(range(12))
    assert sorted(number_of(one) for one in both.calibration.pictures.ids) == list(range(12))
    assert len(both.rows) <= round(coreset * 72) + 1
    check(both)


def test_with_turned_copies_a_picture_is_scored_upright_and_without_any_of_its_copies():
    bank = added(bank_of(range(4), TURNED), range(4, 6), TURNED)
    assert bank.per_picture == 18
    check(bank, TURNED)


def test_pictures_set_apart_go_on_calibrating_alone():
    bank = bank_of(range(4), apart=[10, 11])
    more = added(bank, range(4, 8))
    check(more)
    assert more.calibration.pictures == bank.calibration.pictures
    assert more.verdict["scheme"] == "split"
    assert more.verdict["n_calibration"] == 2


def test_a_picture_is_never_both_in_the_bank_and_set_apart():
    both = merged(bank_of(range(4), apart=[10, 11]), bank_of([4, 5, 10], apart=[3, 9]))
    assert [number_of(one) for one in both.pictures.ids] == [0, 1, 2, 3, 4, 5]
    assert [number_of(one) for one in both.calibration.pictures.ids] == [10, 11, 9]
    check(both)


def test_no_more_pictures_calibrate_than_asked_for_and_each_is_as_likely_as_any_other():
    counts, draws = np.zeros(10), 150
    parts = [(named(range(6)), GOOD[:6]), (named(range(6, 10)), GOOD[6:10])]
    for seed in range(draws):
        settings = settings_of(calibration=3) | {"seed": seed}
        pair = [new_part(settings, pictures, patches, set_apart=False) for pictures, patches in parts]
        calibration = Calibration(pair[0].calibrating, pair[0].members, pair[0].own, np.empty(0))
        like = Bank(settings, pair[0].pictures, pair[0].patches, pair[0].rows, (2, 3), 1, {}, calibration, {}, {})
        bank = join(like, pair, "test")
        assert len(bank.calibration.pictures) == 3
        counts[[number_of(one) for one in bank.calibration.pictures.ids]] += 1
    deviation = np.sqrt(draws * 0.3 * 0.7)
    assert np.abs(counts - draws * 0.3).max() < 4 * deviation
    assert abs(counts[6:].sum() - draws * 1.2) < 4 * np.sqrt(draws * 0.56)  # hypergeometric: 3 of 10, 4 good ones


@pytest.mark.parametrize(
    ("changed", "scheme"),
    [
        ({}, "jackknife"),
        ({"subtract_median": 0}, "leave_one_out"),
        ({"subtract_median": 0, "coreset": 0.5}, "jackknife"),
    ],
)
def test_a_bank_promises_what_its_settings_allow(changed, scheme):
    assert added(bank_of(range(6), **changed), range(6, 9)).verdict["scheme"] == scheme


def test_more_neighbours_than_patches_are_refused_with_the_banks_name():
    with pytest.raises(IadError, match=r"a\.safetensors: k = 100, but the bank has 18 rows"):
        bank_of(range(4), k=100)


@pytest.mark.parametrize(
    ("section", "changed", "said"),
    [
        ("backbone", {"image_size": 16}, r"backbone\.image_size is 8 in the first and 16 in the second"),
        ("backbone", {"weights_sha256": "1"}, r"backbone\.weights_sha256 is 0 .* and 1"),
        ("patch", {"k": 2}, r"patch\.k is 1 .* and 2"),
        ("threshold", {"strategy": "max"}, r"threshold\.strategy is percentile .* and max"),
    ],
)
def test_banks_of_other_settings_do_not_fit_together(section, changed, said):
    first, second = bank_of(range(4)), bank_of(range(4, 8))
    second.settings[section] = second.settings[section] | changed
    with pytest.raises(IadError, match=rf"a and b do not fit together: {said}"):
        require_same(first, second, "a", "b")


def test_banks_that_calibrate_in_different_ways_do_not_fit_together():
    with pytest.raises(IadError, match=r"calibration is pictures of the bank .* and pictures set apart"):
        require_same(bank_of(range(4)), bank_of(range(4, 8), apart=[10, 11]), "a", "b")


def test_where_weights_came_from_does_not_matter():
    first, second = bank_of(range(4)), bank_of(range(4, 8))
    second.settings["backbone"] = second.settings["backbone"] | {"weights": "hub"}
    require_same(first, second, "a", "b")
