"""Every kind of picture becomes the same kind of array; what cannot be read faithfully is refused in one line.

The oracles are a triangle filter written as matrix products, and an area average over exact pixel overlaps.
"""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from iad.data.decode import decode, decode_mask, decode_to_show, picture_size
from iad.errors import IadError

# a test runs without the filter that iad.data.decode sets for the whole process
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

SIZE = 32
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (60, 90, 3), dtype=np.uint8)
GREY = COLOUR[..., 0]


def triangle_weights(length, size):
    """(size, length): output pixel o averages the input under a triangle as wide as two output pixels."""
    scale = max(length / size, 1)
    centres = (np.arange(size) + 0.5) * length / size
    distance = np.abs(np.arange(length) + 0.5 - centres[:, None]) / scale
    weights = np.clip(1 - distance, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def resized_by_hand(channel, size=SIZE):
    return triangle_weights(channel.shape[0], size) @ channel.astype(float) @ triangle_weights(channel.shape[1], size).T


def overlap_weights(length, size):
    """(size, length): the share of output pixel o that input pixel i covers."""
    edges = np.arange(size + 1) * length / size
    starts, ends = edges[:-1, None], edges[1:, None]
    pixels = np.arange(length)
    return np.clip(np.minimum(ends, pixels + 1) - np.maximum(starts, pixels), 0, None) * size / length


def coverage_by_hand(mask, size=SIZE):
    return overlap_weights(mask.shape[0], size) @ (mask > 0) @ overlap_weights(mask.shape[1], size).T


def encode(pixels, kind="PNG", mode=None, **options):
    file = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def png_16bit(pixels):
    """A 16-bit PNG of (H, W, 3), which Pillow cannot write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff_16bit(pixels):
    """A 16-bit TIFF of (H, W, 3), which Pillow cannot write either."""
    height, width, _ = pixels.shape
    data = pixels.astype("<u2").tobytes()
    depths_at, data_at = 8 + 2 + 8 * 12 + 4, 8 + 2 + 8 * 12 + 4 + 6
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, depths_at), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, data_at), (277, 3, 1, 3), (279, 4, 1, len(data)),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I3H", 0, 16, 16, 16) + data


def png_that_claims(width, height):
    """A PNG whose header promises a size that is not there."""
    data = bytearray(encode(GREY[:2, :2]))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def decoded(data, name="a.png", **options):
    return decode(data, name, SIZE, **{"max_megapixels": 1, **options})


def refusal(data, name="a.png", **options):
    with pytest.raises(IadError) as caught:
        decoded(data, name, **options)
    line = str(caught.value)
    assert line.startswith(f"{name}: ")
    assert "\n" not in line
    return line


@pytest.mark.parametrize("shape", [(60, 90), (32, 32), (17, 200), (20, 11)])
def test_resizing_is_an_antialiased_triangle_filter_straight_to_the_square(shape):
    pixels = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    wanted = np.stack([resized_by_hand(pixels[..., channel]) for channel in range(3)], axis=2)
    found = decoded(encode(pixels))
    assert found.shape == (SIZE, SIZE, 3)
    assert found.dtype == np.uint8
    assert np.abs(found - wanted).max() <= 1.01  # Pillow rounds after each of the two passes


@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [("PNG", "a.png", {}), ("PNG", "A.PNG", {}), ("BMP", "a.bmp", {}), ("TIFF", "a.tif", {}), ("TIFF", "a.TIFF", {}),
     ("TIFF", "a.tiff", {"compression": "tiff_lzw"}), ("WEBP", "a.webp", {"lossless": True})],
)  # fmt: skip
def test_lossless_formats_give_the_same_array(kind, name, options):
    assert np.array_equal(decoded(encode(COLOUR, kind, **options), name), decoded(encode(COLOUR)))


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG"])
def test_jpeg_is_read(name):
    smooth = np.tile(np.linspace(0, 255, 90, dtype=np.uint8), (60, 1))
    found = decoded(encode(smooth, "JPEG", quality=95), name)
    assert np.abs(found[..., 0] - resized_by_hand(smooth)).max() < 5


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_a_grey_picture_gives_the_same_bytes_however_it_is_stored(mode):
    found = decoded(encode(GREY, mode=mode))
    assert np.array_equal(found, decoded(encode(np.repeat(GREY[..., None], 3, axis=2))))


def test_one_bit_pictures_are_black_and_white():
    bits = GREY > 100
    assert np.array_equal(decoded(encode(bits)), decoded(encode(bits.astype(np.uint8) * np.uint8(255))))


def test_a_palette_gives_its_colours():
    image = Image.fromarray(COLOUR).quantize(16)
    assert np.array_equal(decoded(encode(image)), decoded(encode(image.convert("RGB"))))


def test_transparent_pixels_are_white_whatever_lies_under_them():
    cut_out = np.zeros((8, 8, 4), np.uint8)
    cut_out[:, 4:] = (200, 0, 0, 255)
    pixels = decode(encode(cut_out), "a.png", 8, max_megapixels=1)
    assert (pixels[:, 0] == 255).all()
    assert (pixels[:, 7] == (200, 0, 0)).all()
    half = np.full((4, 4, 4), (0, 0, 0, 51), np.uint8)  # 51 is a fifth of 255
    assert (decoded(encode(half)) == 204).all()


def test_a_transparent_palette_entry_is_white():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    assert (decoded(encode(image)) == (10, 20, 30)).all()
    assert (decoded(encode(image, transparency=1)) == 255).all()


@pytest.mark.parametrize(("kind", "name"), [("PNG", "a.png"), ("TIFF", "a.tif")])
def test_16_bit_grey_is_scaled_and_clipped_at_its_white_level(kind, name):
    deep = np.repeat(np.uint16([0, 1000, 4095, 65535]), 8)[None].repeat(32, axis=0)  # (32, 32)
    data = encode(deep, kind)
    assert np.unique(decoded(data, name)[:, 4::8]).tolist() == [0, 4, 16, 255]
    assert decoded(data, name, white_16bit=4095)[0, 4::8, 0].tolist() == [0, 62, 255, 255]


def test_16_bit_grey_that_repeats_8_bits_gives_the_same_array():
    assert np.array_equal(decoded(encode(GREY.astype(np.uint16) * 257)), decoded(encode(GREY)))


@pytest.mark.parametrize(("write", "name"), [(png_16bit, "a.png"), (tiff_16bit, "a.tif")])
def test_16_bit_colour_is_read_at_full_scale_and_refused_at_any_other(write, name):
    data = write(COLOUR.astype(np.uint16) * 256 + 99)
    assert np.array_equal(decoded(data, name), decoded(encode(COLOUR)))
    assert "white_16bit = 65535, not 4095" in refusal(data, name, white_16bit=4095)
    assert np.array_equal(decoded(encode(COLOUR), white_16bit=4095), decoded(encode(COLOUR)))


@pytest.mark.parametrize(("kind", "name"), [("PNG", "a.png"), ("JPEG", "a.jpg"), ("TIFF", "a.tif"), ("WEBP", "a.webp")])
@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_turns_the_picture_and_its_size(kind, name, orientation, turn):
    exif = Image.Exif()
    exif[274] = orientation
    smooth = np.repeat(np.add.outer(np.arange(60), np.arange(90))[..., None], 3, axis=2).astype(np.uint8)
    data = encode(smooth, kind, exif=exif)
    upright = np.rot90(smooth, turn)
    assert picture_size(data, name, max_megapixels=1) == upright.shape[1::-1]
    assert np.abs(decoded(data, name)[..., 0] - resized_by_hand(upright[..., 0])).max() < 5


def test_the_size_is_told_without_decoding():
    assert picture_size(png_that_claims(900, 700), "a.png", max_megapixels=1) == (900, 700)


@pytest.mark.parametrize(("width", "height"), [(1001, 1000), (1500, 1000), (20_000, 15_000)])
def test_too_many_pixels_are_refused_by_the_header_alone(width, height):
    assert "more than 1 megapixels" in refusal(png_that_claims(width, height))


@pytest.fixture
def pillow_limit(monkeypatch):
    """Pillow's own limit, put back after the test."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000_000)
    return lambda: Image.MAX_IMAGE_PIXELS


def test_pillows_limit_for_the_whole_process_is_raised_where_it_must_be_and_never_lowered(pillow_limit, monkeypatch):
    picture_size(png_that_claims(20, 10), "a.png", max_megapixels=1)
    assert pillow_limit() == 100_000_000
    picture_size(png_that_claims(20, 10), "a.png", max_megapixels=300)
    picture_size(png_that_claims(20, 10), "a.png", max_megapixels=1)
    assert pillow_limit() == 300_000_000
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # the program that uses this package wants no limit
    picture_size(png_that_claims(20, 10), "a.png", max_megapixels=300)
    assert pillow_limit() is None


def test_a_thread_with_a_lower_limit_does_not_change_what_another_may_open(pillow_limit, monkeypatch):
    """The second opens a picture just when the first is about to."""
    whole, interrupted = Image.open, []

    def opened(*args, **options):
        if not interrupted:
            interrupted.append(True)
            other = Thread(target=picture_size, args=(png_that_claims(2, 2), "b.png"), kwargs={"max_megapixels": 1})
            other.start()
            other.join()
        return whole(*args, **options)

    monkeypatch.setattr(Image, "open", opened)
    assert picture_size(png_that_claims(20_000, 15_000), "a.png", max_megapixels=300) == (20_000, 15_000)
    assert interrupted


def test_many_threads_with_many_limits_leave_the_highest(pillow_limit):
    limits = [float(limit) for limit in RNG.permutation(np.arange(1, 2001))]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda limit: picture_size(png_that_claims(2, 2), "a.png", max_megapixels=limit), limits))
    assert pillow_limit() == 2_000_000_000


def test_more_pixels_than_pillow_allows_are_accepted_if_the_limit_says_so():
    data = png_that_claims(20_000, 15_000)
    assert picture_size(data, "a.png", max_megapixels=300) == (20_000, 15_000)
    assert "cut short" in refusal(data[:60], max_megapixels=300)


@pytest.mark.parametrize(
    ("kind", "name"), [("PNG", "a.png"), ("JPEG", "a.jpg"), ("BMP", "a.bmp"), ("TIFF", "a.tif"), ("WEBP", "a.webp")]
)
def test_a_file_cut_anywhere_is_refused(kind, name):
    data = encode(COLOUR, kind)
    for length in [1, 3, 10, 20, 30, 50, len(data) // 3, len(data) // 2, len(data) - 200]:
        assert refusal(data[:length], name).endswith("or delete it")


def test_an_empty_file_is_refused():
    assert "empty file (0 bytes)" in refusal(b"")


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"some text", "not a picture"), (b"GIF89a....", "GIF"), (b"%PDF-1.4", "PDF"), (b"\0\0\0\x18ftypheic", "HEIC")],
)
def test_what_is_no_readable_picture_is_named(data, told):
    line = refusal(data)
    assert told in line
    assert "BMP, JPEG, PNG, TIFF, WEBP" in line


def test_a_suffix_that_does_not_fit_the_content_is_refused_with_the_right_one():
    assert "the content is JPEG, not what '.png' says; rename the file to .jpg" in refusal(encode(COLOUR, "JPEG"))
    assert "rename the file to .png" in refusal(encode(COLOUR), "b.jpg")


@pytest.mark.parametrize(("kind", "name"), [("PNG", "a.png"), ("TIFF", "a.tif"), ("WEBP", "a.webp")])
def test_several_frames_are_refused(kind, name):
    other = Image.fromarray(COLOUR[::-1])
    data = encode(COLOUR, kind, save_all=True, append_images=[other])
    assert "(2 frames)" in refusal(data, name)


def test_a_phone_picture_with_a_preview_is_one_picture():
    data = encode(COLOUR, "MPO", save_all=True, append_images=[Image.fromarray(COLOUR[::2, ::2])])
    assert np.array_equal(decoded(data, "a.jpg"), decoded(encode(COLOUR, "JPEG"), "a.jpg"))


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "a.jpg"), ("TIFF", "a.tif")])
def test_cmyk_is_refused(kind, name):
    assert "CMYK" in refusal(encode(COLOUR, kind, mode="CMYK"), name)


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_other_pixels_are_refused_by_their_kind(mode):
    image = Image.new(mode, (8, 8))
    assert f"pixels of kind '{mode}'" in refusal(encode(image, "TIFF"), "a.tif")


def test_a_mask_pixel_is_defective_if_half_of_its_area_is():
    mask = np.zeros((96, 160), np.uint8)
    mask[20:70, 30:131] = 255
    mask[80:90, 5:25] = 1  # anything that is not black
    found = decode_mask(encode(mask), "m.png", SIZE, max_megapixels=1)
    assert found.dtype == np.uint8
    assert np.array_equal(found, coverage_by_hand(mask) >= 0.5)


@pytest.mark.parametrize("mode", ["1", "RGB", "RGBA", "P", "LA", "I;16"])
def test_a_mask_may_be_stored_in_any_mode(mode):
    mask = (GREY > 128).astype(np.uint8) * np.uint8(255)
    stored = mask.astype(np.uint16) * 257 if mode == "I;16" else Image.fromarray(mask).convert(mode)
    assert np.array_equal(
        decode_mask(encode(stored), "m.png", SIZE, max_megapixels=1),
        decode_mask(encode(mask), "m.png", SIZE, max_megapixels=1),
    )


def test_the_blur_of_jpeg_is_no_defect():
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    found = decode_mask(encode(mask, "JPEG", quality=40), "m.jpg", SIZE, max_megapixels=1)
    assert np.array_equal(found, mask[::2, ::2] > 0)


def test_no_defect_vanishes_beside_a_large_one():
    mask = np.zeros((320, 320), np.uint8)
    mask[10:110, 10:110] = 255
    mask[205, 203] = 255  # a hundredth of one pixel of the result
    mask[300, 100:200] = 255  # a scratch: a tenth of each pixel that it crosses
    found = decode_mask(encode(mask), "m.png", SIZE, max_megapixels=1)
    wanted = coverage_by_hand(mask) >= 0.5
    wanted[20, 20] = True
    wanted[30, 10:20] = True
    assert np.array_equal(found, wanted)


def test_an_empty_mask_stays_empty():
    assert not decode_mask(encode(np.zeros((50, 70), np.uint8)), "m.png", SIZE, max_megapixels=1).any()


def test_a_damaged_mask_is_refused_by_its_name():
    with pytest.raises(IadError, match=r"^m\.png: cut short or damaged"):
        decode_mask(encode(GREY)[:-300], "m.png", SIZE, max_megapixels=1)


def test_a_picture_to_show_keeps_its_shape_and_is_reduced_if_it_is_larger_than_asked():
    shown = decode_to_show(encode(COLOUR), "a.png", 90, max_megapixels=1)
    np.testing.assert_array_equal(shown, COLOUR)
    assert decode_to_show(encode(COLOUR), "a.png", 45, max_megapixels=1).shape == (30, 45, 3)
    grey = decode_to_show(encode(GREY), "a.png", 90, max_megapixels=1)
    np.testing.assert_array_equal(grey, np.repeat(GREY[..., None], 3, axis=2))


@pytest.mark.parametrize("read", [decode, decode_mask])
def test_a_palette_that_is_not_there_is_damage(read):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 3, 0, 0, 0))  # colour type 3: numbers of a palette
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(72))) + chunk(b"IEND", b"")
    more = {"white_16bit": 65535} if read is decode else {}
    with pytest.raises(IadError, match=r"^a\.png: cut short or damaged \(\w+\); copy the picture again or delete it$"):
        read(data, "a.png", 4, max_megapixels=1, **more)
