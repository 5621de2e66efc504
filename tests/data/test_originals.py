"""Originals are read by name, wherever they lie. The oracle is the dictionary of bytes that was stored."""

import gc
import io
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from iad.data.formats import Depth
from iad.data.originals import Originals
from iad.errors import IadError


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


CONTENT = {f"{row:03d}.png": png(np.full((4, 5), row, np.uint8)) for row in range(50)}


@pytest.fixture
def stored(tmp_path):
    with ZipFile(tmp_path / "images.zip", "w") as archive:
        for name, data in reversed(CONTENT.items()):
            archive.writestr(name, data)
    return tmp_path / "images.zip"


def test_each_is_read_by_its_name_from_several_threads_at_once(stored):
    with Originals(stored) as originals, ThreadPoolExecutor(8) as pool:
        assert dict(zip(CONTENT, pool.map(originals.read, CONTENT), strict=True)) == CONTENT
        assert list(originals.stream(["007.png", "003.png"])) == [CONTENT["007.png"], CONTENT["003.png"]]
        assert not originals.remote


def test_sizes_come_in_the_order_of_the_names(stored):
    with Originals(stored) as originals:
        assert originals.sizes(list(CONTENT)).tolist() == [len(data) for data in CONTENT.values()]
        with pytest.raises(IadError, match=r"has no 'c\.png'; run `dvc repro --force download`"):
            originals.sizes(["000.png", "c.png"])


def test_a_pickled_one_opens_the_file_again_from_any_folder(stored, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with Originals(stored.relative_to(tmp_path)) as originals:
        kept = pickle.dumps(originals)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pickle.loads(kept) as again:  # noqa: S301  # our own
        assert again.read("001.png") == CONTENT["001.png"]


def test_the_file_is_closed_behind_the_block(stored):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with Originals(stored) as originals:
            pass
        with pytest.raises(ValueError, match="closed"):
            originals.read("001.png")
        del originals
        gc.collect()


def test_what_values_are_made_of_is_told_by_the_headers(tmp_path):
    deep = np.full((4, 5), 3000, np.uint16)
    tiff = io.BytesIO()
    Image.fromarray(deep).save(tiff, "TIFF")
    content = {"a.png": png(deep), "b.png": png(np.zeros((4, 5), np.uint8)), "c.tif": tiff.getvalue()}
    with ZipFile(tmp_path / "images.zip", "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with Originals(tmp_path / "images.zip") as originals:
        found = originals.depths(list(content), max_megapixels=1)
    assert found.tolist() == [Depth.GREY_16, Depth.BITS_8, Depth.GREY_16]
    assert found.dtype == np.int64
