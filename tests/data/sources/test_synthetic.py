"""Generated pictures are PNG files of what `iad.data.carpet` draws, and a longer series begins like a shorter one."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iad.data.carpet import DEFECTS, draw
from iad.data.manifest import sorted_pictures
from iad.data.sources import load_pictures
from iad.errors import IadError


def load(seed=0, category="carpet", **options):
    options = {"train": 3, "good": 2, "defective": 2, "size": 40, **options}
    return sorted_pictures(load_pictures("synthetic", category, seed=seed, options=options, root=Path()))


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def test_as_many_carpets_as_asked_for_are_listed():
    counts = Counter((picture.split, int(picture.label), picture.defect) for picture in load())
    assert counts == {("train", 0, "good"): 3, ("test", 0, "good"): 2} | {("test", 1, defect): 2 for defect in DEFECTS}


def test_pictures_and_masks_are_what_is_drawn():
    pictures = {picture.image_id: picture for picture in load(seed=7)}
    assert np.array_equal(pixels(pictures["train/good/000002.png"].read()), draw(7, 0, 2, 40, None)[0])
    for stream, defect in enumerate(DEFECTS, start=2):
        bad = pictures[f"test/{defect}/000001.png"]
        picture, mask = draw(7, stream, 1, 40, defect)
        assert bad.mask == f"ground_truth/{defect}/000001_mask.png"
        assert np.array_equal(pixels(bad.read()), picture)
        assert np.array_equal(pixels(bad.read_mask()), mask * 255)


def test_a_longer_series_begins_like_a_shorter_one():
    short = {picture.image_id: picture.read() for picture in load()}
    long = {picture.image_id: picture.read() for picture in load(train=5, good=4, defective=3)}
    assert short.items() < long.items()


def test_no_two_pictures_are_the_same_and_another_seed_gives_others():
    contents = [picture.read() for seed in (0, 1) for picture in load(seed=seed)]
    assert len(set(contents)) == len(contents)


def test_nothing_is_drawn_before_it_is_read(monkeypatch):
    monkeypatch.setattr("iad.data.carpet.draw", None)
    assert len(load(train=20_000, size=4096)) == 20_012


def test_an_unknown_category_is_refused():
    with pytest.raises(IadError, match=r"unknown synthetic category 'mono'\. Known: carpet"):
        load(category="mono")
