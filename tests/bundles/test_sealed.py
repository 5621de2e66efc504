"""A sealed file: what is written is read again, and nothing that was altered is."""

import json
import os
import struct

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save, save_file

from iad.bundles.sealed import HEADER, content_sha256, in_one_line, read_sealed, write_sealed
from iad.errors import IadError

RNG = np.random.default_rng(0)
VALUES = {"format": 1, "name": "ä.png", "share": 0.1 + 0.2, "tiny": 1e-300, "nested": {"a": [1, None, True], "b": {}}}
ARRAYS = {
    "half": RNG.normal(size=(7, 4)).astype(np.float16), "rows": np.arange(7), "scores": np.array([1 / 3]),
    "empty": np.zeros((0, 3), np.float32), "count": np.array(5), "flags": np.array([True, False]),
    "turned": RNG.normal(size=(2, 3)).T,
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some.iad"
    write_sealed(path, VALUES, ARRAYS)
    return path


def read(path):
    return read_sealed(path, what="bundle", remedy="make one")


def refused(path, match):
    with pytest.raises(IadError, match=match) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def header_of(path):
    with safe_open(path, framework="numpy") as opened:
        return json.loads(opened.metadata()[HEADER])


def with_header(path, text):
    path.write_bytes(save(load_file(path), metadata={HEADER: text}))


def test_what_was_written_is_read_to_the_bit(file):
    values, arrays, digest = read(file)
    assert values == VALUES
    assert set(arrays) == set(ARRAYS)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, ARRAYS[name])
        assert (array.dtype, array.shape) == (ARRAYS[name].dtype, ARRAYS[name].shape)
    assert header_of(file)["sha256"] == digest == content_sha256(VALUES, ARRAYS)


def test_the_same_content_is_the_same_file(file, tmp_path):
    write_sealed(tmp_path / "again", VALUES, ARRAYS)
    assert (tmp_path / "again").read_bytes() == file.read_bytes()
    write_sealed(tmp_path / "copy", *read(file)[:2])
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_others_may_read_it_as_any_other_file(file, tmp_path):
    (tmp_path / "any").write_bytes(b"")
    assert file.stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_a_file_written_again_keeps_its_permissions(file, mode):
    file.chmod(mode)
    write_sealed(file, VALUES | {"name": "other"}, ARRAYS)
    assert file.stat().st_mode & 0o777 == mode
    assert read(file)[0]["name"] == "other"


def test_what_a_killed_writer_left_is_deleted_after_a_day(file):
    names = [".some.iad.12-0.part", ".some.iad.13-4.part", ".other.iad.12-0.part", ".some.iad.12-0.part.png"]
    for name in names:
        file.with_name(name).write_text("half")
    for name in (names[0], *names[2:]):
        os.utime(file.with_name(name), (0, 0))
    write_sealed(file, VALUES, ARRAYS)  # the second may be of a writer that is at work
    assert sorted(path.name for path in file.parent.iterdir()) == sorted([file.name, *names[1:]])


def test_nothing_is_left_beside_it(file):
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_numbers_that_json_does_not_have_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_sealed(tmp_path / "x", {"value": float("nan")}, {})
    assert list(tmp_path.iterdir()) == []


def test_it_may_be_cut_short_at_no_byte(file):
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    for length in {0, 1, 7, 8, 9, 30, end // 2, end - 1, end, end + 1, len(data) // 2, len(data) - 1}:
        file.write_bytes(data[:length])
        refused(file, "cut short|no bundle")


def test_it_may_be_altered_at_no_byte(file):
    data = file.read_bytes()
    for place in range(0, len(data), 7):
        altered = bytearray(data)
        altered[place] ^= 1
        file.write_bytes(altered)
        refused(file, "altered|no bundle")


@pytest.mark.parametrize("changed", [{"share": 0.5}, {"name": "b"}, {"more": 1}, {"sha256": None}, {"sha256": 3}])
def test_an_altered_value_is_refused(file, changed):
    header = header_of(file)
    with_header(file, json.dumps(header))
    read(file)
    with_header(file, json.dumps(header | changed))
    refused(file, "altered since it was written")


@pytest.mark.parametrize("name", ARRAYS)
def test_an_altered_array_is_refused(file, name):
    for changed in (ARRAYS[name].astype(np.complex64), ARRAYS[name][None], None):
        arrays = {other: array for other, array in load_file(file).items() if other != name}
        more = {} if changed is None else {name: np.asarray(changed, order="C")}
        save_file(arrays | more, file.with_name("x"), metadata={HEADER: json.dumps(header_of(file))})
        refused(file.with_name("x"), "altered since it was written")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "[[1, 2]]", '{"a": NaN}', '{"a": Infinity}', "[" * 100_000, '{"a":' * 100_000]
)
def test_a_header_that_is_no_mapping_of_values_is_refused(file, text):
    with_header(file, text)
    refused(file, "its header was altered")


def test_half_of_a_character_in_a_header_is_refused(file):
    with_header(file, '{"a": "\\ud800", "sha256": ""}')
    refused(file, "altered since it was written")


def test_what_is_something_else_is_refused(tmp_path):
    refused(tmp_path / "nowhere", "no such file; make one")
    refused(tmp_path, "a folder; make one")
    (tmp_path / "text").write_text("hello")
    refused(tmp_path / "text", "no bundle, but a file of another kind; make one$")
    (tmp_path / "empty").touch()
    refused(tmp_path / "empty", "no bundle, but an empty file; make one$")
    save_file({"a": np.zeros(3)}, tmp_path / "weights")
    refused(tmp_path / "weights", "a safetensors file, but no bundle")


@pytest.mark.parametrize("size", [2**20, 2**40, 2**64 - 1])
def test_a_header_that_is_said_to_be_huge_is_refused(tmp_path, size):
    (tmp_path / "x").write_bytes(struct.pack("<Q", size) + b'{"__metadata__":{"iad":"{}"}}')
    refused(tmp_path / "x", "cut short or altered|no bundle")


@pytest.mark.parametrize(("dtype", "size"), [("BF16", 2), ("F8_E4M3", 1), ("F99", 1)])
def test_numbers_of_types_that_numpy_lacks_are_refused(tmp_path, dtype, size):
    tensors = {"a": {"dtype": dtype, "shape": [1], "data_offsets": [0, size]}}
    header = json.dumps({"__metadata__": {HEADER: "{}"}, **tensors}).encode()
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * size)
    refused(tmp_path / "x", "numbers of a type|cut short or altered|altered since")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be read here")
def test_a_file_that_may_not_be_read_is_refused(file):
    file.chmod(0)
    refused(file, "cannot be read")


def test_whatever_does_not_fit_together_is_told_in_one_line():
    for wrong in (lambda: {}["a\nb"], lambda: np.zeros(2) @ np.zeros(3), lambda: int("x" * 999), lambda: 1 / 0):
        with (
            pytest.raises(IadError, match=r"^here: its parts do not fit together \(\w+: ") as caught,
            in_one_line("here"),
        ):
            wrong()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300
    with pytest.raises(IadError, match=r"^here: no$"), in_one_line("here"):
        raise IadError("no")
    with pytest.raises(IadError, match=r"^here: no$"), in_one_line("here"):
        raise IadError("here: no")
    with pytest.raises(KeyboardInterrupt), in_one_line("here"):
        raise KeyboardInterrupt
