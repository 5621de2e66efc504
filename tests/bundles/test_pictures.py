"""Which pictures are copies. The oracle is how each file was made."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from iad.bundles.pictures import copies, described, described_given, picture_set, split_new, too_close
from iad.data.given import read_pictures
from iad.data.pictures import Look
from iad.errors import IadError

SIZE = 64


def part(seed, side=96):
    """A part with a texture of its own."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(60, 200, (12, 12, 3), dtype=np.uint8)).resize((side, side))
    return Image.fromarray(np.clip(np.asarray(coarse) + rng.normal(0, 4, (side, side, 3)), 0, 255).astype(np.uint8))


def pictures_at(files):
    return described_given(list(read_pictures(files, SIZE, max_megapixels=1)), SIZE)


@pytest.fixture
def known(tmp_path):
    files = [tmp_path / "known" / f"{seed}.png" for seed in range(8)]
    files[0].parent.mkdir()
    for seed, file in enumerate(files):
        part(seed).save(file)
    return pictures_at(files)


def turned(file):
    exif = Image.Exif()
    exif[274] = 6  # to be turned clockwise
    part(3).rotate(90, expand=True).save(file, exif=exif)


@pytest.mark.parametrize(
    ("name", "save", "expected"),
    [
        ("a.bmp", part(3).save, (True, False)),
        ("a.tif", lambda file: part(3).save(file, compression="tiff_lzw"), (True, False)),
        ("a.webp", lambda file: part(3).save(file, lossless=True), (True, False)),
        ("a.png", turned, (True, False)),
        ("a.png", part(3).convert("RGBA").save, (True, False)),
        ("a.jpg", lambda file: part(3).save(file, quality=90), (False, True)),
        ("a.jpg", lambda file: part(3).save(file, quality=70), (False, True)),
        ("a.png", ImageEnhance.Brightness(part(3)).enhance(1.1).save, (False, True)),
        ("a.png", part(3).resize((80, 80), Image.Resampling.LANCZOS).save, (False, True)),
        ("a.png", part(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save, (False, False)),
        ("a.png", part(30).save, (False, False)),
    ],
)
def test_a_copy_is_known_however_it_was_saved(known, tmp_path, name, save, expected):
    save(tmp_path / name)
    found = copies(pictures_at([tmp_path / name]), known)
    assert tuple(bool(one[0]) for one in found) == expected


def test_of_new_pictures_the_first_of_each_kind_is_taken(known, tmp_path):
    for name, seed, options in (
        ("a.png", 20, {}), ("b.jpg", 20, {"quality": 60}), ("c.jpg", 20, {"quality": 80}), ("d.bmp", 20, {}),
        ("e.png", 21, {}), ("f.jpg", 4, {"quality": 70}), ("g.png", 4, {}),
    ):  # fmt: skip
        part(seed).save(tmp_path / name, **options)
    new = pictures_at(sorted(tmp_path.glob("?.*")))
    same, near = split_new(new, known)
    assert [Path(one).name for one in new.take(same).ids] == ["d.bmp", "g.png"]
    assert [Path(one).name for one in new.take(near).ids] == ["b.jpg", "c.jpg", "f.jpg"]
    first = split_new(new, known.take(np.arange(0)))  # nothing is known: only what is among the new ones counts
    assert [Path(one).name for one in new.take(np.logical_or(*first)).ids] == ["b.jpg", "c.jpg", "d.bmp", "g.png"]


@pytest.mark.parametrize("count", [3, 20, 120])
def test_a_burst_of_one_part_counts_once_however_long_it_is(known, count):
    rng = np.random.default_rng(0)
    one = np.asarray(part(20, SIZE), dtype=float)
    burst = np.clip(one + rng.normal(0, 1, (count, SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    names = [f"{number}.png" for number in range(count)]
    pictures = described(names, names, [Look(SIZE, SIZE, "lossless", 0, True, 8)] * count, burst)
    same, near = split_new(pictures, known)
    assert (same.any(), near.tolist()) == (False, [False] + [True] * (count - 1))
    assert copies(pictures.take(near), known + pictures.take(~near))[1].all()


def test_pictures_that_show_nothing_are_copies_only_where_all_pixels_are_the_same():
    look = Look(SIZE, SIZE, "lossless", 0, False, 8)
    grey = [np.full((SIZE, SIZE, 3), level, np.uint8) for level in (100, 101, 100)]
    one, *others = (described([str(row)], [str(row)], [look], image[None]) for row, image in enumerate(grey))
    assert [tuple(bool(it[0]) for it in copies(other, one)) for other in others] == [(False, False), (True, False)]


def test_a_set_is_read_as_it_was_written(known):
    assert picture_set(known.rows(), known.grid_array()) == known
    assert known.take(np.array([True] + [False] * 7)) + known.take(np.arange(1, 8)) == known
    with pytest.raises(ValueError, match="small versions of the shape"):
        picture_set(known.rows(), known.grid_array()[:3])
    rows = known.rows()
    rows[0][3][2] = "GIF"
    with pytest.raises(ValueError, match="coding"):
        picture_set(rows, known.grid_array())


def test_pictures_of_which_something_is_missing_are_refused(known):
    with pytest.raises(IadError, match="not every one is described"):
        type(known)(known.ids, known.sha256[:3], known.pixels, known.looks, known.grids, known.sharpness)


def test_new_pictures_that_score_too_low_are_pointed_out_and_others_are_not():
    rng = np.random.default_rng(0)
    pointed = [too_close(rng.normal(size=30), rng.normal(size=40)).any() for _ in range(200)]
    assert sum(pointed) <= 2  # one in a thousand
    scores = np.append(rng.normal(-2, 0.5, 30), 3.0)  # parts seen before, and a new one
    assert too_close(scores, rng.normal(size=40)).tolist() == [True] * 30 + [False]
