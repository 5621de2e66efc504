"""`preprocess` turns the archive into arrays. The oracle decodes the same files one by one."""

import io
import signal
import sys
import time
from subprocess import PIPE, Popen
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from iad import paths
from iad.config import load_params
from iad.data.decode import decode, decode_mask
from iad.data.manifest import COLUMNS, read_manifest, write_manifest
from iad.errors import IadError
from iad.io import open_array
from iad.stages import preprocess as stage
from iad.stages.download import download
from tests.conftest import environment, set_params
from tests.helpers import ROOT, record_reads, with_ctrl_c

SIZE = 32
CARPETS = {"source": "synthetic", "category": "carpet"}


def choose(data, **preprocess):
    overlay = {"data": data, "preprocess": {"image_size": SIZE, **preprocess}, "compute": {"threads": 2}}
    set_params(ROOT / "params.yaml", paths.PARAMS, overlay)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    choose(CARPETS | {"synthetic": {"train": 4, "good": 2, "defective": 1, "size": 48}})
    return tmp_path


def use_folder(pictures, **preprocess):
    for name, (pixels, options) in pictures.items():
        path = paths.DATA / "parts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **options)
    choose({"source": "folder", "category": "parts"}, **preprocess)
    download()


def files_left():
    return sorted(path.name for path in paths.PREPROCESS.rglob("*"))


def test_rows_are_pictures_and_masks_in_the_order_of_the_manifest(capsys):
    download()
    capsys.readouterr()
    stage.preprocess()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "preprocess: 11 pictures and 5 masks at 32 x 32 px"
    assert any(line.startswith("warning: 4 good pictures (train) to set a threshold") for line in lines)
    manifest = read_manifest(paths.MANIFEST)
    images, masks = open_array(paths.IMAGES), open_array(paths.MASKS)
    assert (images.shape, masks.shape) == ((11, SIZE, SIZE, 3), (11, SIZE, SIZE))
    with ZipFile(paths.ORIGINALS) as archive:
        for row, (name, mask) in enumerate(zip(manifest["image_id"], manifest["mask"], strict=True)):
            assert np.array_equal(images[row], decode(archive.read(name), name, SIZE, max_megapixels=1))
            if pd.isna(mask):
                assert not masks[row].any()
            else:
                assert np.array_equal(masks[row], decode_mask(archive.read(mask), mask, SIZE, max_megapixels=1))
    assert masks.any(axis=(1, 2)).tolist() == (manifest["label"] == 1).tolist()


def test_the_manifest_goes_along_unchanged():
    download()
    stage.preprocess()
    assert paths.MANIFEST.read_bytes() == paths.RAW_MANIFEST.read_bytes()


def test_the_bytes_do_not_depend_on_the_threads_or_the_run():
    download()
    found = []
    for threads in (1, 3, 3):
        set_params(paths.PARAMS, paths.PARAMS, {"compute": {"threads": threads}})
        stage.preprocess()
        found.append((paths.IMAGES.read_bytes(), paths.MASKS.read_bytes()))
    assert found[0] == found[1] == found[2]


def test_pictures_of_every_kind_end_in_one_array(capsys):
    grey = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (40, 1))
    colour = np.repeat(grey[..., None], 3, axis=2)
    exif = Image.Exif()
    exif[274] = 6
    use_folder(
        {
            "train/good/ü 1.png": (grey, {}),
            "train/good/2.bmp": (colour, {}),
            "train/good/3.TIFF": (grey.astype(np.uint16) * 257, {}),
            "train/good/4.webp": (colour, {"lossless": True}),
            "test/good/5.png": (np.dstack([colour, np.full_like(grey, 255)]), {}),
            "test/cut/6.jpg": (np.ascontiguousarray(np.rot90(colour)), {"quality": 100, "exif": exif}),
        }
    )
    capsys.readouterr()
    stage.preprocess()
    assert capsys.readouterr().out.endswith("6 pictures and 0 masks at 42 x 32 px\n")
    images = open_array(paths.IMAGES).astype(int)
    assert images.shape == (6, SIZE, 42, 3)  # 48 x 40 px, to the nearest 14 px
    assert np.abs(images - images[-1]).max() <= 3
    assert np.abs(images[1:] - images[-1]).max() == 0
    assert not paths.MASKS.exists()


def test_the_white_level_of_a_12_bit_camera_is_a_parameter():
    deep = np.full((10, 10), 4095, np.uint16)
    dark = np.full((10, 10), 2048, np.uint16)
    use_folder({"train/good/1.png": (deep, {}), "test/good/2.png": (dark, {})}, white_16bit=4095)
    stage.preprocess()
    assert [int(np.median(row)) for row in open_array(paths.IMAGES)] == [128, 255]


def test_only_its_own_parameters_and_the_place_of_the_work_are_read(monkeypatch):
    download()
    found = record_reads(load_params(), monkeypatch)
    stage.preprocess()
    own = {f"preprocess.{name}" for name in ("image_size", "multiple", "shape", "white_16bit")}
    assert found == own | {"compute.threads", "compute.engine"}


@pytest.mark.parametrize(
    ("sides", "budget", "short"),
    [
        ((300, 400), 60, 224), ((340, 400), 60, 336), ((900, 900), 60, 448), ((900, 900), 0.005, 224),
        ((60, 80), 60, 224),
    ],
)  # fmt: skip
def test_auto_takes_the_largest_size_that_the_pictures_have_and_the_budget_allows(capsys, sides, budget, short):
    height, width = sides
    named = ("train/good/1.png", "train/good/2.png", "test/good/1.png", "test/cut/1.png")
    pictures = {name: (np.full((height, width), 40 * row, np.uint8), {}) for row, name in enumerate(named)}
    use_folder(pictures, image_size="auto", max_minutes=budget)
    stage.preprocess()
    assert min(open_array(paths.IMAGES).shape[1:3]) == short
    assert f"of pictures of {min(sides)} px: about 0 of {budget:g} minutes" in capsys.readouterr().out


@pytest.mark.parametrize(("shape", "size"), [("pictures", (SIZE, 70)), ("square", (SIZE, SIZE))])
def test_all_pictures_get_the_shape_of_most_training_pictures(shape, size):
    wide, tall = np.zeros((10, 22), np.uint8), np.zeros((22, 10), np.uint8)
    trained = {f"train/good/{row}.png": (row + (tall if row == 2 else wide), {}) for row in range(5)}
    use_folder(trained | {f"test/good/{row}.png": (100 + row + tall, {}) for row in range(9)}, shape=shape)
    stage.preprocess()
    assert open_array(paths.IMAGES).shape[1:3] == size


def test_a_picture_without_a_mask_beside_others_has_an_empty_one_and_is_told(capsys):
    noise = np.random.default_rng(0).integers(0, 256, (4, 50, 50), dtype=np.uint8)
    mask = np.full((50, 50), 255, np.uint8)
    names = ["good/0.png", "good/1.png", "bad/2.png", "bad/3.png"]
    pictures = {name: (pixels, {}) for name, pixels in zip(names, noise, strict=True)}
    use_folder(pictures | {"ground_truth/bad/3_mask.png": (mask, {})})
    told = "1 of 2 defective pictures have no mask, such as bad/2.png; pixel metrics leave them out"
    assert f"data/parts: {told}\n" in capsys.readouterr().out
    stage.preprocess()
    told = "warning: 1 of 2 defective test pictures have no mask (bad/2.png): pixel metrics leave them out"
    assert told in capsys.readouterr().out
    assert read_manifest(paths.MANIFEST)["mask"].isna().tolist() == [True, False, True, True]
    assert open_array(paths.MASKS).any(axis=(1, 2)).tolist() == [False, True, False, False]


NAMES = ["train/good/0.png", "test/good/1.png", "test/cut/2.png", "ground_truth/cut/2_mask.png"]


def cut_short(name):
    noise = np.random.default_rng(0).integers(0, 256, (4, 50, 50), dtype=np.uint8)
    use_folder({name: (pixels, {}) for name, pixels in zip(NAMES, noise, strict=True)})
    path = paths.DATA / "parts" / name
    path.write_bytes(path.read_bytes()[:1000])
    download()


def test_a_picture_cut_short_is_refused_by_name_and_leaves_nothing():
    cut_short(NAMES[0])
    with pytest.raises(IadError, match=f"^{NAMES[0]}: cut short or damaged"):
        stage.preprocess()
    assert not files_left()


def test_a_mask_cut_short_is_left_out_by_name_and_the_picture_has_none(capsys):
    cut_short(NAMES[3])
    stage.preprocess()
    told = f"warning: 1 mask is left out of pixel metrics: {NAMES[3]}: cut short or damaged"
    assert told in capsys.readouterr().out
    assert read_manifest(paths.MANIFEST)["mask"].isna().all()


def test_without_the_download_it_says_what_to_run():
    with pytest.raises(IadError, match="missing; run `dvc repro`"):
        stage.preprocess()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child")
def test_ctrl_c_ends_at_once_and_leaves_nothing(project):
    """Thousands of pictures take long; the signal comes while they are decoded."""
    rows, file = 3000, io.BytesIO()
    Image.new("L", (2500, 2500)).save(file, "PNG")
    names = [f"{row:04d}.png" for row in range(rows)]
    paths.DOWNLOAD.mkdir(parents=True)
    with ZipFile(paths.ORIGINALS, "w") as archive:
        for name in names:
            archive.writestr(name, file.getvalue())
    columns = dict.fromkeys(COLUMNS, ["train"] * rows) | dict.fromkeys(("label", "width", "height"), [2500] * rows)
    columns |= {"image_id": names, "mask": [None] * rows}
    write_manifest(paths.RAW_MANIFEST, columns)
    with Popen(
        [sys.executable, "-m", "iad", "preprocess"], cwd=project, env=environment(), stderr=PIPE, text=True,
        preexec_fn=with_ctrl_c,
    ) as process:  # fmt: skip
        while process.poll() is None and not files_left():
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=180)
    assert process.returncode == 130, errors
    assert len(errors.splitlines()) == 1
    assert "interrupted" in errors
    assert not files_left()
