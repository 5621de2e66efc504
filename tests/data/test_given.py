"""Pictures as people hand them over. The oracle is the decoder of files, which the stage `preprocess` uses."""

import hashlib
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iad.data.decode import decode
from iad.data.given import prepare, read_pictures
from iad.data.pictures import PictureFile
from iad.errors import IadError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (30, 50, 3), dtype=np.uint8)
GREY = COLOUR[..., 0]
DEEP = RNG.integers(0, 4096, (30, 50), dtype=np.uint16)
SIZE = 16


def as_file(image, **options):
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def decoded(image, **options):
    return decode(as_file(image), "a.png", SIZE, max_megapixels=1, **options)


def prepared(picture, **options):
    return prepare(picture, "it", SIZE, **{"max_megapixels": 1, **options})


def read(pictures, **options):
    return list(read_pictures(pictures, SIZE, max_megapixels=1, **options))


def ids(found):
    return [one.image_id for one in found]


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.png", "deep/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.roll(COLOUR, len(name), axis=0)).save(tmp_path / name)
    return tmp_path


# a picture in memory is what the file of it would be


@pytest.mark.parametrize("array", [COLOUR, GREY, DEEP, COLOUR[:, ::-1], np.asfortranarray(GREY)])
def test_an_array_is_prepared_as_the_file_of_it_would_be(array):
    before = array.copy()
    found = prepared(array)
    assert (found.dtype, found.shape) == (np.uint8, (SIZE, SIZE, 3))
    np.testing.assert_array_equal(found, decoded(Image.fromarray(np.ascontiguousarray(array))))
    np.testing.assert_array_equal(array, before)


def test_16_bit_grey_of_a_camera_of_12_bits_is_as_light_as_in_a_file():
    found = prepared(DEEP, white_16bit=4095)
    np.testing.assert_array_equal(found, decoded(Image.fromarray(DEEP), white_16bit=4095))
    assert found.mean() > prepared(DEEP).mean() + 50


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1"])
def test_a_pil_picture_of_any_kind_is_prepared_as_its_file(mode):
    image = Image.fromarray(COLOUR).convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(GREY))
    before = image.tobytes()
    np.testing.assert_array_equal(prepared(image), decoded(image))
    assert (image.mode, image.tobytes()) == (mode, before)


def test_a_pil_picture_is_turned_upright_as_its_exif_asks():
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn clockwise
    data = as_file(Image.fromarray(COLOUR), exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        found = prepared(image)
    np.testing.assert_array_equal(found, prepared(np.ascontiguousarray(np.rot90(COLOUR, -1))))
    np.testing.assert_array_equal(found, decode(data, "a.png", SIZE, max_megapixels=1))


# names and order


def test_files_and_folders_have_names_paths_and_the_hash_of_their_bytes(folder):
    found = read([folder / "b.png", str(folder)])
    assert ids(found) == ["b.png", "a.png", "b.png", "deep/c.png"]
    assert [one.path for one in found] == [folder / name for name in ("b.png", "a.png", "b.png", "deep/c.png")]
    data = (folder / "deep/c.png").read_bytes()
    assert found[3].sha256 == hashlib.sha256(data).hexdigest()
    np.testing.assert_array_equal(found[3].pixels, decode(data, "c.png", SIZE, max_megapixels=1))
    assert {one.error for one in found} == {""}


def test_what_has_no_name_has_its_number_among_those_given(folder):
    found = read([COLOUR, folder / "a.png", Image.fromarray(GREY)])
    assert ids(found) == ["0", "a.png", "2"]
    assert [one.path for one in found] == [None, folder / "a.png", None]
    assert [bool(one.sha256) for one in found] == [False, True, False]


def test_one_picture_need_not_be_a_list_and_an_array_of_four_axes_is_many(folder):
    assert ids(read(COLOUR)) == ids(read(Image.fromarray(GREY))) == ["0"]
    assert ids(read(str(folder / "a.png"))) == ["a.png"]
    assert ids(read(PictureFile(folder / "a.png", "my name"))) == ["my name"]
    many = read(np.stack([COLOUR, COLOUR[::-1]]))
    assert ids(many) == ["0", "1"]
    np.testing.assert_array_equal(many[1].pixels, prepared(COLOUR[::-1]))
    assert read([]) == read(np.empty((0, 4, 4, 3), np.uint8)) == []


def test_each_is_read_when_it_is_asked_for(folder):
    asked = []

    def endless():
        while True:
            asked.append(len(asked))
            yield folder / "a.png"

    stream = read_pictures(endless(), SIZE, max_megapixels=1)
    assert asked == []
    assert [next(stream).image_id for _ in range(3)] == ["a.png"] * 3
    assert asked == [0, 1, 2]


# refusals


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (COLOUR.astype(np.float32), r"^picture 0: an array of float32 .* \(30, 50, 3\); give uint8 \(height"),
        (COLOUR[..., :2], r"shape \(30, 50, 2\)"),
        (COLOUR.astype(np.uint16), r"an array of uint16 and the shape \(30, 50, 3\)"),
        (GREY > 9, "an array of bool"),
        (np.array(None), r"an array of object and the shape \(\)"),
        (np.empty((0, 5, 3), np.uint8), r"an empty picture \(5 x 0 px\)"),
        (np.zeros((1200, 1000), np.uint8), "more than 1 megapixels; cut or shrink it"),
        (Image.new("CMYK", (4, 4)), "pixels of kind 'CMYK' are not read; convert the picture to grey or RGB"),
        (Image.new("F", (4, 4)), "pixels of kind 'F' are not read"),
        (3, "of the type int; give a path, an array or a PIL picture"),
        (None, "of the type NoneType"),
        (b"bytes of a file", "of the type bytes"),
        ([[COLOUR]], "of the type list"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(picture, said):
    with pytest.raises(IadError, match=said) as caught:
        read(picture)
    assert "\n" not in str(caught.value)


def test_an_animation_and_a_damaged_picture_are_refused_in_memory_too():
    frames = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1])]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(IadError, match=r"^it: animated or many-paged \(2 frames\); give one frame$"):
        prepared(Image.open(file))
    with pytest.raises(IadError, match=r"^it: .*damaged"):
        prepared(Image.open(io.BytesIO(as_file(frames[0])[:400])))
    closed = Image.open(io.BytesIO(as_file(frames[0])))
    closed.close()
    with pytest.raises(IadError, match=r"^it: "):
        prepared(closed)


def test_what_cannot_be_read_is_raised_or_returned_in_its_place(folder):
    (folder / "a.png").write_bytes(b"no picture")
    places = [folder, folder / "nowhere.png", COLOUR.astype(float), folder / "b.png"]
    stream = read_pictures(places, SIZE, max_megapixels=1)
    with pytest.raises(IadError, match=rf"^{folder / 'a.png'}: "):
        next(stream)
    found = read(places, errors="return")
    assert ids(found) == ["a.png", "b.png", "deep/c.png", str(folder / "nowhere.png"), "2", "b.png"]
    assert [one.pixels is None for one in found] == [bool(one.error) for one in found] == [
        True, False, False, True, True, False,
    ]  # fmt: skip
    assert [one.path is None for one in found] == [False, False, False, True, True, False]
    assert found[0].sha256 == hashlib.sha256(b"no picture").hexdigest()
    assert "nowhere.png: no such file or folder" in found[3].error
    assert found[4].error.startswith("picture 2: an array of float64")


def test_a_file_that_vanishes_after_it_was_found_is_told_of(folder):
    stream = read_pictures(folder, SIZE, errors="return", max_megapixels=1)
    assert next(stream).error == ""
    Path(folder / "b.png").unlink()
    assert "b.png: cannot be read (No such file" in next(stream).error
    assert next(stream).error == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_folder_with_a_pipe_and_a_broken_link_gives_its_pictures_and_tells_of_the_others(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "b.png")
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "c.png").symlink_to(tmp_path / "gone.png")
    found = list(read_pictures(tmp_path, 4, errors="return", max_megapixels=1))
    assert [one.image_id for one in found] == ["a.png", "b.png", "c.png"]
    assert [one.pixels is not None for one in found] == [False, True, False]
    assert "not a regular file" in found[0].error
    assert "to nothing" in found[2].error
    with pytest.raises(IadError, match="not a regular file"):
        list(read_pictures(tmp_path, 4, max_megapixels=1))
