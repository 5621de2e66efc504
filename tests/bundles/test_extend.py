"""Bundles put together. The oracles are a bundle of all pictures at once, and a double loop over what was embedded."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from iad.bundles.bundle import Bundle, CalibrationSet
from iad.bundles.extend import Part, add_pictures, merge_bundles, require_same
from iad.bundles.fitted import Fitted
from iad.data.given import read_pictures
from iad.data.pictures import find
from iad.decision.thresholds import set_threshold
from iad.detectors.calibrate import calibrate
from iad.detectors.embeddings import Embeddings
from iad.detectors.knn import Options as KnnOptions
from iad.detectors.knn.detector import Detector as Knn
from iad.detectors.padim import Options as PadimOptions
from iad.detectors.padim.detector import Detector as Padim
from iad.detectors.patch import Options as PatchOptions
from iad.detectors.patch.coreset import greedy_coreset
from iad.detectors.patch.detector import Detector as Patch
from iad.detectors.subspace import Options as SubspaceOptions
from iad.detectors.subspace.detector import Detector as Subspace
from iad.detectors.zscore import Options as ZscoreOptions
from iad.detectors.zscore.detector import Detector as Zscore
from iad.errors import IadError
from iad.report.overlay import red_scale
from tests.bundled import plain_set

RNG = np.random.default_rng(0)
PATCHES = RNG.normal(size=(12, 1, 2, 3, 4)).astype(np.float16)  # pictures, versions, h, w, D
AUGMENTED = RNG.normal(size=(12, 3, 2, 3, 4)).astype(np.float16)
POOLED = RNG.normal(size=(12, 4)).astype(np.float32)
PARTS = RNG.normal(size=(12, 2, 2, 4)).astype(np.float16)
NEW = RNG.normal(size=(5, 2, 3, 4)).astype(np.float16)
RULE = {"strategy": "percentile", "options": {"percentile": 75.0}}
RECORD = {
    "name": "net", "weights": "wheel", "weights_sha256": "0", "image_size": 8, "mean": [0, 0, 0], "std": [1, 1, 1],
    "depth": None, "quantize": "none", "pooling": "cls", "attribution": False, "dimensions": 4, "patches": {},
    "stride": None, "precision": "fp32", "batch_size": 4, "runtime": {"device": "cpu", "threads": 2},
}  # fmt: skip
MOSTLY = {"k": 1, "aggregate": "top", "top_patches": 2, "calibration": 0}


def patches_of(numbers, patches=PATCHES):
    """Embeddings of the pictures of these numbers, with their copies."""
    chosen = patches[list(numbers)]
    return Embeddings(patches=chosen[:, 0], augmented=chosen[:, 1:] if chosen.shape[1] > 1 else None)


def pooled_of(numbers, _=None):
    return Embeddings(pooled=POOLED[list(numbers)], contributions=PARTS[list(numbers)], pooling="patch_mean")


def named(numbers):
    images = np.array([np.full((8, 8, 3), number) for number in numbers], np.uint8).reshape(-1, 8, 8, 3)
    return plain_set((f"{number}.png" for number in numbers), (f"hash {number}" for number in numbers), images)


def bundle_of(numbers, embeddings=patches_of, *args, apart=None, keep=False, seed=3, detector=None, **options):
    """A bundle of these pictures; with `apart`, others calibrate it; with `keep`, a coreset can be extended."""
    made = detector or Patch(PatchOptions(**{**MOSTLY, **options}), seed=seed)
    good, others = embeddings(numbers, *args), None if apart is None else embeddings(apart, *args)
    fitted = made.fit(good, calibrated_apart=apart is not None)
    found = calibrate(fitted, good, others, seed=seed)
    pictures = named(apart) if apart is not None else named(numbers).take(found.rows)
    rows = np.full(len(found.rows), -1) if apart is not None else found.rows
    kept = {}
    if keep:
        part = others if apart is not None else good.take(found.rows)
        names = {"patches": ("patches",), "pooled": ("pooled", "contributions")}[made.takes]
        kept = {name: np.asarray(getattr(part, name)) for name in names}
    scores, maps = found.prediction.pred_score, found.prediction.anomaly_map
    return Bundle(
        packed=Fitted("method", made.name, "extract_vit", fitted).pack(), pictures=named(numbers),
        calibration=CalibrationSet(pictures, rows, scores, found.scheme, found.map_scheme, kept),
        threshold=set_threshold(scores, **RULE, scheme=found.scheme), rule=RULE,
        preprocess={"image_size": 8, "white_16bit": 65535, "max_megapixels": 1}, embedders={"extract_vit": RECORD},
        weights={},
        maps=None if maps is None else {"sigma": 0.1, "rate": 0.2, **red_scale(maps, 8, 0.1, 0.2, found.map_scheme)},
        origin={"iad": "1", "versions": {}, "revision": None, "source": "s", "category": "c", "precision": None},
    )  # fmt: skip


class Stub:
    """As a predictor, with embeddings that are known: a picture's grey value is its number."""

    origin = "a.iad"

    def __init__(self, bundle, embeddings, *args):
        self.bundle, self.fitted, self.threshold = bundle, bundle.fitted(), bundle.threshold.value
        self._embeddings, self._args = embeddings, args

    def embed_good(self, pixels):
        return self._embeddings(pixels[:, 0, 0, 0].tolist(), *self._args)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Files of the pictures; their hashes in bundles are those of `named`."""
    for number in range(12):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")

    def with_known_hashes(found, *args, **options):
        for one in read_pictures(found, *args, **options):
            yield replace(one, sha256=f"hash {one.path.stem}")

    monkeypatch.setattr("iad.bundles.extend.read_pictures", with_known_hashes)
    return lambda numbers: find([tmp_path / f"{number}.png" for number in numbers])


def added(bundle, numbers, files, embeddings=patches_of, *args):
    return add_pictures(Stub(bundle, embeddings, *args), files(numbers)).bundle


def merged(*bundles):
    return merge_bundles({f"{number}.iad": bundle for number, bundle in enumerate(bundles)}, "merged.iad")


def numbers_of(pictures):
    return [int(one.partition(".")[0]) for one in pictures.ids]


def expected_scores(bundle, pictures, own=None):
    """Mean of the 2 worst places less a quarter of the median; with `own`, without the rows of these pictures."""
    values, arrays = bundle.packed
    per_picture = 6 * values["state"]["versions"]
    scores = []
    for place, picture in enumerate(pictures):
        others = arrays["rows"] // per_picture != (-1 if own is None else own[place])
        rows = arrays["patches"][others].astype(np.float64)
        nearest = [np.linalg.norm(rows - patch, axis=1).min() for patch in picture.reshape(-1, 4)]
        scores.append(np.mean(sorted(nearest)[-2:]) - 0.25 * np.median(nearest))
    return np.array(scores)


def check(bundle, patches=PATCHES):
    """What holds for every bundle of patches: rows point to the patches, and calibration is exact."""
    order, arrays, found = numbers_of(bundle.pictures), bundle.packed[1], bundle.calibration
    np.testing.assert_array_equal(arrays["patches"], patches[order].reshape(-1, 4)[arrays["rows"]])
    assert (np.diff(arrays["rows"]) > 0).all()
    calibrating, apart = numbers_of(found.pictures), bundle.set_apart
    if not apart:
        assert [order[row] for row in found.rows] == calibrating
    own = None if apart else found.rows
    np.testing.assert_allclose(found.scores, expected_scores(bundle, patches[calibrating, 0], own), rtol=1e-5)
    for part in found.kept.values():
        np.testing.assert_array_equal(part, patches[calibrating, 0])


def same(one, two):
    for name, array in one.packed[1].items():
        np.testing.assert_array_equal(array, two.packed[1][name])
    np.testing.assert_array_equal(one.calibration.scores, two.calibration.scores)
    assert one.pictures == two.pictures
    assert one.calibration.pictures == two.calibration.pictures
    assert (one.threshold, one.maps) == (two.threshold, two.maps)


# exactness


def test_half_of_the_pictures_and_then_the_others_are_all_of_them_at_once(files):
    at_once = bundle_of(range(12))
    in_two = added(bundle_of(range(6)), range(6, 12), files)
    check(at_once)
    check(in_two)
    same(at_once, in_two)
    same(at_once, merged(bundle_of(range(6)), bundle_of(range(6, 12))))
    one, two = (bundle.fitted().detector.predict(NEW) for bundle in (at_once, in_two))
    np.testing.assert_array_equal(one.pred_score, two.pred_score)
    np.testing.assert_array_equal(one.anomaly_map, two.anomaly_map)


@pytest.mark.parametrize("options", [{}, {"aggregate": "kth"}, {"metric": "cosine"}, {"standardize": True}, {"pca": 2}])
def test_pooled_embeddings_too(files, options):
    def made(numbers):
        return bundle_of(numbers, pooled_of, detector=Knn(KnnOptions(k=2, **options), seed=3))

    at_once = made(range(12))
    assert at_once.calibration.kept == {}
    assert at_once.maps is not None
    same(at_once, added(made(range(6)), range(6, 12), files, pooled_of))
    same(at_once, merged(made(range(6)), made(range(6, 12))))
    both = merged(made(range(7)), made(range(4, 12)))
    assert numbers_of(both.pictures) == list(range(12))
    same(at_once, both)
    if not options:
        distances = np.linalg.norm(POOLED[:, None].astype(np.float64) - POOLED, axis=2)
        expected = np.sort(distances + np.diag(np.full(12, np.inf)), axis=1)[:, :2].mean(axis=1)
        np.testing.assert_allclose(both.calibration.scores, expected, rtol=1e-9)


def test_the_order_of_pictures_changes_no_score():
    here, there = bundle_of(range(12)), merged(bundle_of(range(7, 12)), bundle_of(range(7)))
    scores = [dict(zip(one.calibration.pictures.ids, one.calibration.scores, strict=True)) for one in (here, there)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-9)
    assert here.threshold.value == pytest.approx(there.threshold.value, rel=1e-9)


def test_a_coreset_is_chosen_again_from_what_was_kept_and_all_that_is_new(files):
    before = bundle_of(range(6), keep=True, coreset_sampling_ratio=0.5)
    after = added(before, range(6, 10), files)
    check(before)
    check(after)
    assert len(before.packed[1]["rows"]) == 18
    assert len(after.packed[1]["rows"]) == 18 + 12
    pool = np.concatenate([before.packed[1]["rows"], np.arange(36, 60)])
    chosen = greedy_coreset(PATCHES.reshape(-1, 4)[pool], 30, seed=3)
    np.testing.assert_array_equal(after.packed[1]["rows"], np.sort(pool[chosen]))


def test_a_bundle_that_grows_beyond_its_budget_keeps_what_it_needs_to_grow_on(files):
    budget = {"coreset_sampling_ratio": "auto", "max_bank_gib": 50 * 4 * 4 / 2**30}  # 50 patches of 4 features
    whole = bundle_of(range(6), **budget)
    grown, both = added(whole, range(6, 10), files), merged(whole, bundle_of(range(6, 10), **budget))
    for after in (grown, both):
        assert (dict(whole.calibration.kept), set(after.calibration.kept)) == ({}, {"patches"})
        assert len(after.packed[1]["rows"]) == 50  # of 60
        calibrating = numbers_of(after.calibration.pictures)
        np.testing.assert_array_equal(after.calibration.kept["patches"], PATCHES[calibrating, 0])
        check(after)
    same(grown, both)
    check(added(grown, range(10, 12), files))


def test_a_merge_of_coresets_keeps_the_patches_of_both():
    first, second = (bundle_of(part, keep=True, coreset_sampling_ratio=0.3) for part in (range(6), range(6, 12)))
    both = merged(first, second)
    check(both)
    kept = [first.packed[1]["patches"], second.packed[1]["patches"]]
    np.testing.assert_array_equal(both.packed[1]["patches"], np.concatenate(kept))


@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_a_picture_of_two_bundles_counts_once(ratio):
    parts = (range(7), range(4, 12))
    both = merged(*(bundle_of(part, keep=ratio < 1, coreset_sampling_ratio=ratio) for part in parts))
    assert numbers_of(both.pictures) == list(range(12))
    assert sorted(numbers_of(both.calibration.pictures)) == list(range(12))
    assert len(both.packed[1]["rows"]) <= round(ratio * 72) + 1
    check(both)


def test_a_bundle_merged_with_a_part_of_itself_is_itself():
    whole = bundle_of(range(12))
    same(whole, merged(whole, bundle_of(range(3, 7)), whole))


def test_with_rotated_copies_a_picture_is_scored_upright_and_without_any_of_its_copies(files):
    bundle = added(bundle_of(range(4), patches_of, AUGMENTED), range(4, 6), files, patches_of, AUGMENTED)
    assert bundle.packed[0]["state"]["versions"] == 3
    check(bundle, AUGMENTED)


def test_a_picture_that_is_known_or_came_twice_is_left_out(files):
    bundle = bundle_of(range(6))
    found = add_pictures(Stub(bundle, patches_of), files([7, 2, 7, 8]))
    assert [name.rpartition("/")[2] for name in found.new] == ["7.png", "8.png"]
    assert [name.rpartition("/")[2] for name in found.known] == ["2.png", "7.png"]
    assert numbers_of(found.bundle.pictures) == [*range(6), 7, 8]
    nothing = add_pictures(Stub(bundle, patches_of), files([1, 2]))
    assert nothing.bundle is bundle
    assert (nothing.new, len(nothing.known), nothing.near) == ([], 2, [])


def test_bundles_that_share_near_copies_count_the_first_of_each(monkeypatch):
    def near(pictures, known):  # 6 is a near copy of 5, and 7 of the picture 0 that was set apart
        found = {("6.png", "5.png"), ("7.png", "0.png")}
        return np.zeros(len(pictures), bool), np.array([any((a, b) in found for b in known.ids) for a in pictures.ids])

    monkeypatch.setattr("iad.bundles.extend.copies", near)
    both = merged(bundle_of(range(1, 6)), bundle_of(range(6, 12)))
    assert numbers_of(both.pictures) == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    assert sorted(numbers_of(both.calibration.pictures)) == sorted(numbers_of(both.pictures))
    check(both)
    apart = merged(bundle_of(range(2, 6), apart=[0, 1], keep=True), bundle_of(range(7, 10), apart=[6, 11], keep=True))
    assert numbers_of(apart.pictures) == [2, 3, 4, 5, 8, 9]
    assert numbers_of(apart.calibration.pictures) == [0, 1, 11]
    check(apart)


def test_new_pictures_that_the_bundle_would_have_rejected_are_named(files):
    bundle = bundle_of(range(6))
    found = add_pictures(Stub(bundle, patches_of), files(range(6, 12)))
    rejected = bundle.fitted().detector.predict(PATCHES[6:, 0]).pred_score >= bundle.threshold.value
    expected = [name for name, odd in zip(found.new, rejected, strict=True) if odd]
    assert found.suspects == expected != []


# which pictures calibrate


def test_pictures_set_apart_go_on_calibrating_alone(files):
    bundle = bundle_of(range(4), apart=[10, 11], keep=True)
    more = added(bundle, range(4, 8), files)
    check(more)
    assert more.calibration.pictures == bundle.calibration.pictures
    assert (more.threshold.scheme, more.threshold.n_calibration) == ("split", 2)
    assert (more.calibration.rows == -1).all()


def test_pooled_embeddings_set_apart_go_on_calibrating_alone(files):
    bundle = bundle_of(range(4), pooled_of, apart=[10, 11], keep=True, detector=Knn(KnnOptions(k=2)))
    more = added(bundle, range(4, 8), files, pooled_of)
    distances = np.linalg.norm(POOLED[[10, 11], None].astype(np.float64) - POOLED[:8], axis=2)
    np.testing.assert_allclose(more.calibration.scores, np.sort(distances, axis=1)[:, :2].mean(axis=1), rtol=1e-9)
    assert more.threshold.scheme == "split"
    assert more.maps.scheme == "split"


def test_a_picture_is_never_both_in_the_bundle_and_set_apart():
    first = bundle_of(range(4), apart=[10, 11], keep=True)
    both = merged(first, bundle_of([4, 5, 10], apart=[3, 9], keep=True))
    assert numbers_of(both.pictures) == [0, 1, 2, 3, 4, 5]
    assert numbers_of(both.calibration.pictures) == [10, 11, 9]
    check(both)


def test_no_more_pictures_calibrate_than_asked_for_and_each_is_as_likely_as_any_other():
    counts, draws = np.zeros(10), 600
    nothing = {"patches": np.empty((3, 0))}
    for seed in range(draws):
        rng = np.random.default_rng((1, seed))
        parts = []
        for numbers in (range(6), range(6, 10)):
            rows = np.sort(rng.choice(len(numbers), 3, replace=False))
            parts.append(Part(named(numbers), named(numbers).take(rows), rows, nothing))
        found = parts[0].join(parts[1], 3, seed)
        assert len(found.rows) == len(found.calibrating) == len(found.kept["patches"]) == 3
        assert [found.pictures.ids[row] for row in found.rows] == list(found.calibrating.ids)
        counts[numbers_of(found.calibrating)] += 1
    deviation = np.sqrt(draws * 0.3 * 0.7)
    assert np.abs(counts - draws * 0.3).max() < 4 * deviation
    assert abs(counts[6:].sum() - draws * 1.2) < 4 * np.sqrt(draws * 0.56)  # hypergeometric: 3 of 10, 4 good ones


def test_as_many_calibrate_after_adding_as_the_options_say(files):
    bundle = added(bundle_of(range(6), calibration=4), range(6, 12), files)
    assert len(bundle.calibration.pictures) == 4
    check(bundle)


# what is promised


@pytest.mark.parametrize(
    ("changed", "scheme", "map_scheme"),
    [
        ({}, "jackknife", "jackknife"),
        ({"subtract_median": 0}, "leave_one_out", "jackknife"),
        ({"map_above": 0}, "jackknife", "leave_one_out"),
        ({"subtract_median": 0, "map_above": 0, "coreset_sampling_ratio": 0.5}, "jackknife", "jackknife"),
    ],
)
def test_a_bundle_promises_what_its_options_allow(files, changed, scheme, map_scheme):
    after = added(bundle_of(range(6), keep="coreset_sampling_ratio" in changed, **changed), range(6, 9), files)
    assert (after.threshold.scheme, after.calibration.scheme) == (scheme, scheme)
    assert (after.maps.scheme, after.calibration.map_scheme) == (map_scheme, map_scheme)
    assert after.maps.promise.startswith("at most" if map_scheme == "leave_one_out" else "about")
    assert after.maps.pictures == 9


# refusals


def refused(match, function, *args):
    with pytest.raises(IadError, match=match) as caught:
        function(*args)
    assert "\n" not in str(caught.value)


def test_a_coreset_without_what_it_takes_is_not_extended(files):
    little, enough = (bundle_of(range(6), keep=keep, coreset_sampling_ratio=0.5) for keep in (False, True))
    refused(r"^a\.iad: keeps too little .* --extendable", added, little, [7], files)
    refused(r"^0\.iad: keeps too little .* --extendable", merged, little, enough)
    refused(r"^1\.iad: keeps too little .* --extendable", merged, enough, little)
    refused(r"^a\.iad: keeps too little", added, bundle_of(range(4), apart=[10, 11]), [7], files)


@pytest.mark.parametrize("made", [Padim(PadimOptions()), Subspace(SubspaceOptions())])
def test_detectors_of_sums_grow_and_merge_as_if_all_had_been_there_but_give_no_picture_back(files, made):
    def of(numbers, *, keep=True):
        return bundle_of(numbers, lambda some: patches_of(some, PATCHES), keep=keep, detector=made.unfitted())

    at_once = of(range(12))
    for other in (added(of(range(6)), range(6, 12), files), merged(of(range(6)), of(range(6, 12)))):
        assert other.pictures.ids == at_once.pictures.ids
        assert other.calibration.scores == pytest.approx(at_once.calibration.scores, rel=1e-6)
        assert other.threshold.value == pytest.approx(at_once.threshold.value, rel=1e-6)
    refused(r"^a\.iad: keeps too little .* --extendable", added, of(range(6), keep=False), [7], files)
    refused(
        rf"^merged\.iad: {made.name}: keeps sums, and no picture can be taken out",
        merged,
        of(range(6)),
        of(range(4, 9)),
    )


def test_a_method_that_is_fitted_once_says_so(files):
    bundle = bundle_of(range(12), pooled_of, detector=Zscore(ZscoreOptions(folds=3)))
    refused(r"^a\.iad: method \(zscore\) takes no more pictures once fitted; fit it again", added, bundle, [1], files)
    refused(r"^0\.iad: method \(zscore\) takes no more", merged, bundle, bundle)


def test_more_neighbours_than_patches_are_refused_with_the_files_name(files):
    bundle = bundle_of(range(4), k=10)
    values, _ = bundle.packed
    values["options"]["k"] = 100
    refused(r"^a\.iad: .*100", added, bundle, [7], files)


def test_a_picture_that_cannot_be_read_is_refused(files, tmp_path):
    (tmp_path / "11.png").write_bytes(b"torn")
    refused(rf"^{tmp_path}/11\.png: ", added, bundle_of(range(4)), [5, 11], files)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"embedders": {"extract_vit": RECORD | {"weights_sha256": "1"}}}, r"backbone\.weights_sha256 is 0 .* and 1"),
        (
            {"embedders": {"extract_vit": RECORD | {"patches": {"tile": 4}}}},
            r"backbone\.patches\.tile is None .* and 4",
        ),
        ({"embedders": {"extract_vit": RECORD | {"precision": "bf16"}}}, r"backbone\.precision is fp32 .* and bf16"),
        ({"rule": {"strategy": "max", "options": {"alpha": 0.1}}}, r"threshold\.strategy is percentile .* and max"),
        (
            {"preprocess": {"image_size": 8, "white_16bit": 4095, "max_megapixels": 1}},
            r"preprocess\.white_16bit is 65535",
        ),
    ],
)
def test_bundles_of_other_settings_do_not_fit_together(changed, said):
    first = bundle_of(range(4))
    second = replace(bundle_of(range(4, 8)), **changed)
    refused(rf"^a and b do not fit together: {said}", require_same, first, second, "a", "b")


@pytest.mark.parametrize(
    ("options", "said"), [({"top_patches": 3}, r"options\.top_patches is 2 .* and 3"), ({"seed": 4}, "seed")]
)
def test_bundles_of_other_options_do_not_fit_together(options, said):
    refused(said, require_same, bundle_of(range(4)), bundle_of(range(4, 8), **options), "a", "b")


def test_bundles_that_calibrate_in_different_ways_do_not_fit_together():
    first, second = bundle_of(range(4)), bundle_of(range(4, 8), apart=[10, 11])
    refused(r"calibration is pictures of the bundle .* and pictures set apart", require_same, first, second, "a", "b")


def test_where_weights_came_from_and_which_machine_computed_does_not_matter():
    first, second = bundle_of(range(4)), bundle_of(range(4, 8))
    machine = {"weights": "hub", "batch_size": 64, "runtime": {"device": "cpu", "threads": 64}}
    merged(first, replace(second, embedders={"extract_resnet": RECORD | machine}))
