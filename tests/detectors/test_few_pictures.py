"""With few good pictures, whoever does what the refusals say ends at a threshold, or at an honest number of pictures.

A reader follows each line: sets what it says to set, or adds what it says to add, until nothing is refused any more.
"""

import re

import numpy as np
import pytest

from iad.decision.thresholds import set_threshold
from iad.detectors import detector_class, detector_names, options_of
from iad.detectors.calibrate import calibrate
from iad.detectors.embeddings import Embeddings
from iad.errors import IadError

POOLED = np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32)
PATCHES = np.random.default_rng(1).normal(size=(120, 3, 3, 4)).astype(np.float32)
LATER = ("autoencoder", "hybrid")  # these need a network, and ten pictures
CHOICES = [
    *(("knn", {"k": k}) for k in (1, 2, 3)),
    *(("patch", {"k": k, "coreset_sampling_ratio": share}) for k in (1, 2, 3, 10) for share in (1.0, 0.2)),
    ("lof", {"n_neighbors": 2}), ("kmeans", {"clusters": 2}), ("gmm", {"components": 1}),
    ("gmm", {"components": 2, "pca": 2}), ("pca", {"components": 2}),
    *((name, {}) for name in detector_names() if name not in LATER),
]  # fmt: skip
STEPS = 6


def refusal(kind, options, pictures, strategy):
    """What is said of so many good pictures, if anything is refused on the way to a threshold."""
    good = Embeddings(pooled=POOLED[:pictures], patches=PATCHES[:pictures])
    detector = detector_class(kind)(options_of(kind)(**options), seed=0)
    try:
        found = calibrate(detector.fit(good), good, seed=0)
        rule = {"alpha": 0.05, "percentile": 95, "tail_share": 0.2}
        set_threshold(found.prediction.pred_score, strategy, rule, scheme=found.scheme)
    except IadError as refused:
        return str(refused)
    return None


def set_as_told(line, options):
    """The options after the line was followed by setting something; None if it says nothing of the kind."""
    named = re.match(r"[\w.]*?(\w+) = ", line)
    told = re.search(r"set (?:it|([\w.]+)) to (\d+)", line)
    if not told:
        return None
    return options | {(told[1] or named[1]).rpartition(".")[2]: int(told[2])}


def added_as_told(line):
    found = re.search(r"it takes (?:at least )?(\d+)|: (\d+) are enough", line)
    return int(found[1] or found[2])


@pytest.mark.parametrize("pictures", [1, 2, 3, 4])
@pytest.mark.parametrize(("kind", "options"), CHOICES)
def test_setting_what_is_told_ends_in_a_threshold_or_in_a_number_of_pictures(kind, options, pictures):
    for _ in range(STEPS):
        line = refusal(kind, options, pictures, "max")
        if line is None:
            return
        if (changed := set_as_told(line, options)) is None:
            assert added_as_told(line) > pictures, line
            return
        assert changed != options, line
        options = changed
    pytest.fail(line)


@pytest.mark.parametrize("pictures", [1, 2, 3, 4])
@pytest.mark.parametrize(("kind", "options"), CHOICES)
def test_adding_what_is_told_ends_in_a_threshold(kind, options, pictures):
    for _ in range(STEPS):
        line = refusal(kind, options, pictures, "conformal")
        if line is None:
            return
        wanted = added_as_told(line)
        assert wanted > pictures, line
        pictures = wanted
    pytest.fail(line)


def test_two_pictures_that_are_each_others_only_neighbour_are_told_as_too_few():
    assert refusal("knn", {"k": 1}, 2, "max").endswith("add good training pictures: it takes 3 at least")


def test_a_fold_leaves_enough_to_fit_to_from_the_number_told_on():
    line = refusal("lof", {"n_neighbors": 10}, 11, "max")
    assert line == (
        "classical.lof: 11 good pictures, of which each of 5 folds leaves 8 to fit to, and with these options it needs "
        "11; add good pictures: 14 are enough"
    )
    assert refusal("lof", {"n_neighbors": 10}, 13, "max")
    assert refusal("lof", {"n_neighbors": 10}, 14, "max") is None
