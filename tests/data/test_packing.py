"""The archive holds the very bytes of the pictures, and is the same file every time; a refusal leaves none.

The oracle is the dictionary of bytes that the pictures were made from.
"""

import errno
import hashlib
import io
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from iad.data import packing
from iad.data.manifest import Picture, read_manifest
from iad.data.packing import write_originals
from iad.errors import IadError


def png(value, width=6, height=4):
    file = io.BytesIO()
    Image.fromarray(np.full((height, width), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


CONTENT = {"train/b.png": png(1), "train/a.png": png(2), "test/c.png": png(3), "test/d é.png": png(4, 5, 7)}
MASK = png(255, 5, 7)


def pictures(content=CONTENT, mask=MASK):
    listed = []
    for name, data in content.items():
        bad = name.startswith("test/d")
        listed.append(
            Picture(
                name, name.split("/")[0], int(bad), "hole" if bad else "good", lambda data=data: data,
                "ground_truth/d.png" if bad else None, (lambda: mask) if bad else None,
            )
        )  # fmt: skip
    return listed


def write(folder, listed=None, **options):
    options = {"max_megapixels": 1, "allow_shared": False, **options}
    listed = pictures() if listed is None else listed
    return write_originals(listed, folder / "out/images.zip", folder / "out/manifest.parquet", **options)


def refusal(folder, listed, **options):
    with pytest.raises(IadError) as caught:
        write(folder, listed, **options)
    assert not [path for path in folder.rglob("*") if path.is_file()]
    return str(caught.value)


def test_the_archive_holds_the_bytes_uncompressed_in_the_order_of_the_manifest(tmp_path):
    manifest = write(tmp_path)
    with ZipFile(tmp_path / "out/images.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENT | {"ground_truth/d.png": MASK}
        assert {info.compress_type for info in archive.infolist()} == {ZIP_STORED}
        assert [name for name in archive.namelist() if name in CONTENT] == manifest["image_id"].tolist()


def test_the_manifest_tells_size_hash_and_mask(tmp_path):
    returned = write(tmp_path)
    manifest = read_manifest(tmp_path / "out/manifest.parquet")
    assert manifest["mask"].isna().tolist() == [True, False, True, True]
    assert manifest.fillna("").to_dict("list") == {
        "image_id": ["test/c.png", "test/d é.png", "train/a.png", "train/b.png"],
        "split": ["test", "test", "train", "train"],
        "label": [0, 1, 0, 0],
        "defect": ["good", "hole", "good", "good"],
        "mask": ["", "ground_truth/d.png", "", ""],
        "width": [6, 5, 6, 6],
        "height": [4, 7, 4, 4],
        "sha256": [hashlib.sha256(CONTENT[name]).hexdigest() for name in sorted(CONTENT)],
    }
    pd.testing.assert_frame_equal(returned, manifest)


def test_the_same_pictures_give_the_same_bytes_in_any_order(tmp_path):
    write(tmp_path / "1")
    write(tmp_path / "2", pictures()[::-1])
    for name in ("images.zip", "manifest.parquet"):
        assert (tmp_path / "1/out" / name).read_bytes() == (tmp_path / "2/out" / name).read_bytes()


@pytest.mark.parametrize("split", ["test", "calibration"])
def test_the_same_picture_in_two_splits_is_refused_naming_both(tmp_path, split):
    shared = CONTENT | {f"{split}/z.png": CONTENT["train/b.png"]}
    line = refusal(tmp_path, pictures(shared))
    assert f"{split}/z.png ({split})" in line
    assert "train/b.png (train)" in line


def test_a_shared_picture_is_accepted_on_demand_and_within_one_split(tmp_path):
    shared = CONTENT | {"test/z.png": CONTENT["train/b.png"]}
    assert len(write(tmp_path / "1", pictures(shared), allow_shared=True)["image_id"]) == 5
    assert len(write(tmp_path / "2", pictures(CONTENT | {"train/z.png": CONTENT["train/b.png"]}))["image_id"]) == 5


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (png(255, 7, 5), "7 x 5 px, but its picture test/d é.png has 5 x 7; draw the mask at the size of the picture"),
        (b"", "empty file"),
        (b"nonsense", "the content is not a picture"),
    ],
)
def test_a_bad_mask_is_left_out_and_told_and_its_picture_is_kept(tmp_path, capsys, mask, told):
    manifest = write(tmp_path, pictures(mask=mask))
    assert f"warning: 1 mask is left out of pixel metrics: ground_truth/d.png: {told}" in capsys.readouterr().out
    assert manifest["mask"].isna().all()
    assert manifest["label"].sum() == 1
    with ZipFile(tmp_path / "out/images.zip") as archive:
        assert "ground_truth/d.png" not in archive.namelist()


@pytest.mark.parametrize("data", [b"", b"nonsense", png(1)[:20]])
def test_an_unreadable_picture_leaves_nothing_behind(tmp_path, data):
    assert refusal(tmp_path, pictures(CONTENT | {"train/z.png": data})).startswith("train/z.png: ")


def test_a_picture_above_the_limit_is_refused(tmp_path):
    line = refusal(tmp_path, pictures(CONTENT | {"train/z.png": png(1, 100, 100)}), max_megapixels=0.005)
    assert line.startswith("train/z.png: more than 0.005 megapixels")


def test_a_full_disk_is_one_line_and_leaves_nothing_behind(tmp_path, monkeypatch):
    class FullDisk(ZipFile):
        def writestr(self, *args, **options):
            if len(self.namelist()) == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().writestr(*args, **options)

    monkeypatch.setattr(packing, "ZipFile", FullDisk)
    assert "the disk is full" in refusal(tmp_path, pictures())


def test_one_picture_at_a_time_is_in_memory(tmp_path):
    """Bytes handed out are freed before the next two are asked for."""
    alive = []

    class Bytes(bytes):
        def __new__(cls, data):
            alive.append(1)
            return super().__new__(cls, data)

        def __del__(self):
            alive.pop()

    counts = []

    def read(i):
        counts.append(len(alive))
        return Bytes(png(i))

    listed = [Picture(f"{i:02d}.png", "test" if i else "train", 0, "good", lambda i=i: read(i)) for i in range(20)]
    write(tmp_path, listed)
    assert max(counts) <= 1
