"""Rows of the arrays are the decoded pictures in the order of the manifest, whatever the number of threads.

The oracle decodes one picture after the other.
"""

import errno
import io
import threading
import time
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from iad.data import arrays
from iad.data.arrays import build_arrays
from iad.data.decode import decode, decode_mask
from iad.errors import IadError
from iad.io import open_array
from tests.concurrency import started_workers

SIZE, COUNT = 16, 70
RNG = np.random.default_rng(0)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def make_content(masks):
    content = {}
    for i in range(COUNT):
        shape = (20, 30) if i % 2 else (20, 30, 3)
        content[f"p/{i:03d}.png"] = png(RNG.integers(0, 256, shape, dtype=np.uint8))
        if masks and i % 3 == 0:
            content[f"m/{i:03d}.png"] = png(np.uint8(RNG.random((20, 30)) > 0.5) * np.uint8(255))
    return content


def write(folder, content):
    folder.mkdir(exist_ok=True)
    with ZipFile(folder / "images.zip", "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    names = [name for name in content if name.startswith("p/")]
    masks = [name.replace("p/", "m/") for name in names]
    masks = pd.Series([mask if mask in content else None for mask in masks], dtype="str")
    return pd.DataFrame({"image_id": names, "mask": masks, "width": 30, "height": 20})


def build(folder, manifest, **options):
    return build_arrays(
        folder / "images.zip", manifest, folder / "out/images.npy", folder / "out/masks.npy", size=SIZE, **options
    )


def left_behind(folder):
    return [path.name for path in (folder / "out").rglob("*")]


@pytest.mark.parametrize("threads", [0, 1, 5])
def test_every_row_is_its_picture_and_its_mask(tmp_path, threads):
    content = make_content(masks=True)
    manifest = write(tmp_path, content)
    assert build(tmp_path, manifest, threads=threads) is manifest
    images, masks = open_array(tmp_path / "out/images.npy"), open_array(tmp_path / "out/masks.npy")
    assert images.shape == (COUNT, SIZE, SIZE, 3)
    assert masks.shape == (COUNT, SIZE, SIZE)
    assert images.dtype == masks.dtype == np.uint8
    for row, name in enumerate(manifest["image_id"]):
        assert np.array_equal(images[row], decode(content[name], name, SIZE, max_megapixels=1))
        mask = content.get(name.replace("p/", "m/"))
        wanted = decode_mask(mask, "m.png", SIZE, max_megapixels=1) if mask else np.zeros((SIZE, SIZE))
        assert np.array_equal(masks[row], wanted)
    assert sorted(left_behind(tmp_path)) == ["images.npy", "masks.npy"]


def test_only_the_cores_that_this_process_may_use_decode(tmp_path, monkeypatch):
    workers = started_workers(monkeypatch, arrays, cores=3)
    build(tmp_path, write(tmp_path, make_content(masks=True)))
    assert workers == [3, 3]


def test_without_masks_there_is_no_file_of_them_and_an_older_one_goes(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/masks.npy").touch()
    build(tmp_path, write(tmp_path, make_content(masks=False)))
    assert left_behind(tmp_path) == ["images.npy"]


def test_the_white_level_reaches_16_bit_pictures(tmp_path):
    content = {"p/0.png": png(np.full((20, 30), 4095, np.uint16))}
    build(tmp_path, write(tmp_path, content), white_16bit=4095)
    assert (open_array(tmp_path / "out/images.npy") == 255).all()


@pytest.mark.parametrize("threads", [1, 4])
def test_the_first_damaged_picture_is_named_and_nothing_is_left(tmp_path, threads):
    content = make_content(masks=True)
    for row in (33, 50, 69):
        content[f"p/{row:03d}.png"] = content[f"p/{row:03d}.png"][:90]
    with pytest.raises(IadError, match=r"^p/033\.png: cut short or damaged"):
        build(tmp_path, write(tmp_path, content), threads=threads)
    assert not left_behind(tmp_path)


@pytest.mark.parametrize("threads", [1, 4])
def test_damaged_masks_are_named_and_mark_nothing_and_the_rest_is_kept(tmp_path, capsys, threads):
    content = make_content(masks=True)
    manifest = write(tmp_path, content)
    build(tmp_path, manifest)
    whole = np.array(open_array(tmp_path / "out/masks.npy"))
    for row in (66, 33):
        content[f"m/{row:03d}.png"] = content[f"m/{row:03d}.png"][:60]
    kept = build(tmp_path, write(tmp_path, content), threads=threads)
    assert "warning: 2 masks are left out of pixel metrics: m/033.png: cut short or damaged" in capsys.readouterr().out
    assert np.flatnonzero(kept["mask"].isna() != manifest["mask"].isna()).tolist() == [33, 66]
    whole[[33, 66]] = 0
    assert np.array_equal(open_array(tmp_path / "out/masks.npy"), whole)


def test_a_picture_larger_than_its_header_once_said_is_not_decoded(tmp_path):
    content = {"p/0.png": png(np.zeros((21, 30), np.uint8))}
    with pytest.raises(IadError, match=r"more than 0\.0006 megapixels"):
        build(tmp_path, write(tmp_path, content))


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    manifest = write(tmp_path, make_content(masks=False))
    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    monkeypatch.setattr(arrays, "decode", full)
    with pytest.raises(IadError, match="the disk is full"):
        build(tmp_path, manifest)
    assert not left_behind(tmp_path)


def test_an_interrupt_ends_after_the_pictures_at_hand(tmp_path, monkeypatch):
    """Ctrl-C reaches the main thread while it waits for the workers; here the bar stands in for it."""
    decoded = []

    def slow(*args, **options):
        time.sleep(0.001)
        decoded.append(threading.get_ident())
        return np.zeros((SIZE, SIZE, 3), np.uint8)

    class Interrupting:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, _):
            raise KeyboardInterrupt

    content = {f"p/{i:05d}.png": b"" for i in range(2000)}
    manifest = write(tmp_path, content)
    monkeypatch.setattr(arrays, "decode", slow)
    monkeypatch.setattr(arrays, "bar", lambda *_: Interrupting())
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, manifest, threads=2)
    assert len(decoded) < 500
    assert threading.get_ident() not in decoded
    assert not left_behind(tmp_path)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.unlink(), "missing; run `dvc repro`"),
        (lambda path: path.write_bytes(path.read_bytes()[:300]), "not a readable ZIP file"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"IDAT", b"IDOT", 1)), "cannot read 'p/000.png'"),
    ],
)
def test_a_damaged_archive_is_refused_with_the_command_that_mends_it(tmp_path, damage, told):
    manifest = write(tmp_path, make_content(masks=False))
    damage(tmp_path / "images.zip")
    with pytest.raises(IadError, match="dvc repro") as caught:
        build(tmp_path, manifest)
    assert told in str(caught.value)
    assert not list(tmp_path.rglob("*.np*"))


def test_a_picture_that_the_archive_does_not_hold_is_named(tmp_path):
    manifest = write(tmp_path, make_content(masks=False))
    manifest.loc[3, "image_id"] = "p/none.png"
    with pytest.raises(IadError, match=r"cannot read 'p/none\.png'"):
        build(tmp_path, manifest)
