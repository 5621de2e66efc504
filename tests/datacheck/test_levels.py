"""Pictures of 10, 12 and 14 bits in 16-bit files, read as 16 bits, and the reverse: told, with the right white."""

import struct
import zlib

import numpy as np
import pytest

from tests.datacheck.planted import encoded, findings_of, texture

NAMES = [
    *(f"train/good/{row}.png" for row in range(6)),
    *(f"test/good/{row}.png" for row in range(3)),
    "test/spot/9.png",
]


def taken(bits, amplitude=1.0, **more):
    """A textured part in so many bits, whose brightest value is the largest of them somewhere, kept in 16 bits."""
    files = {}
    for row, name in enumerate(NAMES):
        pixels = 128 + amplitude * (texture(row, spot="spot" in name).astype(np.float64) - 128)
        pixels[0, 0] = 255
        files[name] = encoded(np.rint(pixels / 255 * (2**bits - 1)).astype(np.uint16))
    return files | more


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("amplitude", [1.0, 0.02])  # low contrast: some would be called blank
def test_the_bits_of_the_camera_are_proposed_and_cure_it(tmp_path, bits, amplitude):
    found = findings_of(taken(bits, amplitude), tmp_path)
    assert found["white_16bit"].advice == f"set preprocess.white_16bit to {2**bits - 1} ({bits} bits)"
    assert found["white_16bit"].pictures == sorted(NAMES)
    assert {"blank", "saturated", "dark"}.isdisjoint(found)
    assert "take them again" not in " ".join(finding.line() for finding in found.values())
    cured = findings_of(taken(bits), tmp_path, white_16bit=2**bits - 1)
    assert {"white_16bit", "blank", "saturated", "dark"}.isdisjoint(cured)


def test_values_above_a_white_that_is_too_low_are_told(tmp_path):
    found = findings_of(taken(16), tmp_path, white_16bit=4095)
    assert found["white_16bit"].advice == "set preprocess.white_16bit to 65535 (16 bits)"
    assert "all of that is read as white" in found["white_16bit"].line()
    assert {"blank", "saturated"}.isdisjoint(found)


@pytest.mark.parametrize(("bits", "white"), [(16, 65535), (12, 4095)])
def test_the_right_white_gives_no_finding(tmp_path, bits, white):
    assert {"white_16bit", "dark"}.isdisjoint(findings_of(taken(bits), tmp_path, white_16bit=white))


def test_eight_bit_pictures_beside_dark_16_bit_ones_hide_nothing(tmp_path):
    eight = {f"train/good/x{row}.png": encoded(texture(50 + row)) for row in range(9)}
    assert findings_of(taken(12, **eight), tmp_path)["white_16bit"].pictures == sorted(NAMES)


def test_a_blank_picture_among_rightly_scaled_ones_is_still_blank(tmp_path):
    blank = {"train/good/x.png": encoded(np.full((128, 128), 2000, np.uint16))}
    assert findings_of(taken(12, **blank), tmp_path, white_16bit=4095)["blank"].pictures == ["train/good/x.png"]


def test_eight_bit_files_that_use_few_levels_are_told(tmp_path):
    files = {name: encoded(texture(row) // 16) for row, name in enumerate(NAMES)}  # the upper bits of 12 in 16
    found = findings_of(files, tmp_path)
    assert found["dark"].what == "no pixel of 10 8-bit pictures is brighter than 12 of 255"
    assert "blank" not in found


def colour_png(pixels):
    """A PNG of 16-bit colour, which Pillow reads but cannot write, of uint16 (H, W)."""
    height, width = pixels.shape
    rows = np.repeat(pixels.astype(">u2")[:, :, None], 3, axis=2).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(("bits", "told"), [(12, True), (16, False)])
def test_colour_of_few_bits_in_16_is_told_to_be_saved_as_8(tmp_path, bits, told):
    values = {name: texture(row).astype(np.uint16) * 2 ** (bits - 8) for row, name in enumerate(NAMES)}
    found = findings_of({name: colour_png(pixels) for name, pixels in values.items()}, tmp_path)
    assert ("white_16bit" in found) == told
    if told:
        assert "like 12 bits in a 16-bit file: save them as 8-bit colour" in found["white_16bit"].advice
