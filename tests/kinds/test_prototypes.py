"""Prototypes against their definition; what is like no kind; files that are altered or of another bundle."""

import numpy as np
import pytest

from iad.errors import IadError
from iad.kinds.descriptors import _descriptor
from iad.kinds.file import Kinds, read_kinds, write_kinds
from iad.kinds.prototypes import UNKNOWN, Prototypes, confusion


def examples(seed=0, count=8, spread=0.4):
    """Vectors of length 1 about three directions that are far apart."""
    rng = np.random.default_rng(seed)
    centres = np.eye(20)[:3]
    found = np.repeat(centres, count, axis=0) + rng.normal(0, spread / np.sqrt(20), (3 * count, 20))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), ["cut"] * count + [
        "dent"
    ] * count + ["hole"] * count


def test_a_prototype_is_the_mean_and_the_nearest_one_names():
    given, kinds = examples()
    fitted = Prototypes.fit(given, kinds)
    mean = given[:8].mean(axis=0)
    assert fitted.names == ("cut", "dent", "hole")
    assert fitted.vectors[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    new, truth = examples(seed=1)
    said = fitted.name(new)
    named = [(one.kind, kind) for one, kind in zip(said, truth, strict=True) if one.kind != UNKNOWN]
    assert all(kind == true for kind, true in named)
    assert len(named) >= 18  # of 24; one in nine is unlike all examples of its kind
    assert said[0].similarity == pytest.approx(float(new[0] @ fitted.vectors[0]), abs=1e-6)


def test_examples_are_compared_with_the_others_of_their_kind():
    given, kinds = examples(count=4)
    fitted = Prototypes.fit(given, kinds)
    others = given[1:4].sum(axis=0).astype(np.float64)
    assert fitted.similarities["cut"][0] == pytest.approx(given[0] @ others / np.linalg.norm(others))
    said = fitted.name_examples(given, kinds)
    assert said[0].similarity == pytest.approx(fitted.similarities["cut"][0])
    assert confusion(fitted.names, kinds, said).sum() == 12


def test_what_points_elsewhere_is_unknown_and_its_p_values_are_the_smallest_there_are():
    given, kinds = examples()
    foreign = np.eye(20, dtype=np.float32)[7:8]
    said = Prototypes.fit(given, kinds).name(foreign)[0]
    assert said.kind == UNKNOWN
    assert set(said.p_values.values()) == {1 / 9}


def test_a_new_defect_is_called_unlike_its_kind_about_as_often_as_the_p_value_says():
    below = []
    for seed in range(150):
        given, kinds = examples(seed, count=9)
        new, truth = examples(1000 + seed, count=1)
        said = Prototypes.fit(given, kinds).name(new)
        below += [one.p_values[kind] <= 0.2 for one, kind in zip(said, truth, strict=True)]
    assert np.mean(below) < 0.2 + 4 * np.sqrt(0.2 * 0.8 / len(below))


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (["cut"] * 6, "kinds: 1 kind of defects; give two at least"),
        ([], "kinds: 0 kinds of defects"),
        (["cut"] * 4 + ["hole"] * 2, "kinds: 2 examples of 'hole'; give 3 at least"),
        (["cut"] * 3 + [UNKNOWN] * 3, "kinds: one is called 'unknown'"),
    ],
)
def test_too_few_kinds_or_examples_are_refused(kinds, told):
    with pytest.raises(IadError, match=told):
        Prototypes.fit(np.ones((len(kinds), 2), np.float32), kinds)


def test_the_file_says_the_same_again_and_an_altered_one_is_refused(tmp_path):
    given, kinds = examples()
    file, fitted = tmp_path / "bolts.kinds", Prototypes.fit(given, kinds)
    write_kinds(file, Kinds(fitted, "patch_vit", {"extract_vit": {"name": "test_vit"}}))
    again = read_kinds(file)
    assert again.prototypes.name(given) == fitted.name(given)
    assert (again.method, again.looks) == ("patch_vit", {"extract_vit": {"name": "test_vit"}})
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    with pytest.raises(IadError, match=r"bolts.kinds: .*altered"):
        read_kinds(file)


def test_a_descriptor_is_what_the_odd_places_have_and_the_others_lack():
    patches = np.zeros((10, 10, 4), np.float32)
    patches[..., 0] = 1  # everywhere
    patches[3, 4:7, 2] = 5  # at the defect
    odd = np.zeros((10, 10), np.float32)
    odd[3, 4:7] = [2, 3, 2]
    assert _descriptor(patches, odd) == pytest.approx([0, 0, 1, 0], abs=1e-6)
    coarse = odd.reshape(5, 2, 5, 2).max(axis=(1, 3))
    assert _descriptor(patches, coarse)[2] > 0.9


def test_what_lies_outside_of_a_region_describes_nothing():
    rng = np.random.default_rng(0)
    patches, odd = rng.random((8, 8, 4), dtype=np.float32), rng.random((8, 8), dtype=np.float32)
    inside = np.arange(32)  # the upper half
    before = _descriptor(patches, odd, inside)
    patches[4:], odd[4:] = 100 * rng.random((4, 8, 4)), 9
    assert (_descriptor(patches, odd, inside) == before).all()
    assert not np.allclose(_descriptor(patches, odd), before)
