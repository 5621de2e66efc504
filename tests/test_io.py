"""A file is complete or absent: after any failure the old file stands, and nothing lies beside it."""

import errno
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from iad.errors import IadError
from iad.io import (
    cache_folder,
    new_array,
    new_folder,
    open_array,
    read_json,
    read_table,
    replacing,
    sha256_of,
    write_csv,
    write_json,
    write_table,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def full_disk(*_arguments, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def old(tmp_path):
    """A file with content, alone in its folder."""
    path = tmp_path / "file"
    path.write_text("old")
    return path


def test_a_file_is_replaced_when_the_block_ends(old):
    with replacing(old) as part:
        part.write_text("new")
        assert old.read_text() == "old"
        assert part.parent == old.parent
    assert old.read_text() == "new"
    assert names(old.parent) == ["file"]


def test_missing_folders_are_made(tmp_path):
    with replacing(tmp_path / "a/b/file") as part:
        part.write_text("new")
    assert (tmp_path / "a/b/file").read_text() == "new"


def test_a_name_may_be_as_long_as_the_system_takes(tmp_path):
    for name in ("x" * 255, "ü" * 127):
        write_json(tmp_path / name, 1)
    assert len(names(tmp_path)) == 2


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_no_part(old, failure):
    def write_half():
        with replacing(old) as part:
            part.write_text("half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert old.read_text() == "old"
    assert names(old.parent) == ["file"]


def test_a_full_disk_is_refused_by_the_files_name(old):
    def write_on():
        with replacing(old) as part:
            part.write_text("half")
            full_disk()

    with pytest.raises(IadError, match=r"file: the disk is full; free some space and run the command again"):
        write_on()
    assert old.read_text() == "old"
    assert names(old.parent) == ["file"]


def test_another_failure_of_the_disk_keeps_its_own_name(old):
    def write_on():
        with replacing(old):
            raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        write_on()


def test_two_that_write_one_file_do_not_mix_their_bytes(old):
    with replacing(old) as first, replacing(old) as second:
        first.write_text("first")
        second.write_text("second")
    assert old.read_text() == "first"  # its block ended last
    assert names(old.parent) == ["file"]


def test_a_folder_appears_whole(tmp_path):
    folder = tmp_path / "a/folder"
    with new_folder(folder) as part:
        (part / "in").mkdir()
        (part / "in/fresh").write_text("new")
        assert not folder.exists()
    assert (folder / "in/fresh").read_text() == "new"
    assert names(folder.parent) == ["folder"]


def test_a_folder_that_somebody_reads_stays_and_is_the_very_same(tmp_path):
    folder = tmp_path / "folder"
    with new_folder(folder) as slow:
        (slow / "from").write_text("slow")
        with new_folder(folder) as fast:
            (fast / "from").write_text("fast")
        reader, before = (folder / "from").open(), folder.stat()
    with reader:
        assert reader.read() == (folder / "from").read_text() == "fast"
    assert (folder.stat().st_ino, folder.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert names(tmp_path) == ["folder"]


def test_a_failure_leaves_no_folder_and_no_part(tmp_path):
    def write_half():
        with new_folder(tmp_path / "folder") as part:
            (part / "fresh").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert names(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_stays(old):
    with pytest.raises(OSError, match="file"), new_folder(old) as part:
        (part / "fresh").touch()
    assert old.read_text() == "old"
    assert names(old.parent) == ["file"]


def test_a_full_disk_is_refused_by_the_folders_name(tmp_path):
    with pytest.raises(IadError, match="folder: the disk is full"), new_folder(tmp_path / "folder"):
        full_disk()
    assert names(tmp_path) == []


def test_json_comes_back_and_has_no_nan(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"größe": [1, 0.1, None]})
    assert read_json(path) == {"größe": [1, 0.1, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"value": float("nan")})
    assert read_json(path) == {"größe": [1, 0.1, None]}


def test_a_table_comes_back_with_its_types_and_order(tmp_path):
    path = tmp_path / "a.parquet"
    table = {
        "image_id": ["b/ä 1.png", "a.png"],
        "score": np.array([0.1, 1 / 3]),
        "label": np.array([0, 1]),
        "rejected": np.array([True, False]),
        "mask": [None, "m"],
    }
    write_table(path, table)
    read = read_table(path)
    assert list(read) == list(table)
    assert read.dtypes.astype(str).tolist() == ["str", "float64", "int64", "bool", "str"]
    assert read.index.equals(pd.RangeIndex(2))
    for name in ("image_id", "score", "label", "rejected"):
        assert read[name].tolist() == list(table[name])
    assert read["mask"].isna().tolist() == [True, False]
    assert read["mask"][1] == "m"
    pd.testing.assert_frame_equal(read, pd.DataFrame(table))


def test_numbers_come_back_to_the_bit(tmp_path):
    generator = np.random.default_rng(0)
    floats = generator.integers(0, 2**64, 5000, dtype=np.uint64).view(np.float64)
    floats = np.concatenate([floats[np.isfinite(floats)], [0.0, -0.0, 5e-324, np.inf]])
    table = {"score": floats, "n": generator.integers(-(2**63), 2**63 - 1, len(floats))}
    write_table(tmp_path / "a.parquet", table)
    read = read_table(tmp_path / "a.parquet")
    assert read["score"].to_numpy().tobytes() == floats.tobytes()
    assert read["n"].to_numpy().tobytes() == table["n"].tobytes()


def test_an_index_is_neither_kept_nor_looked_at(tmp_path):
    picked = pd.DataFrame({"image_id": list("abcd"), "score": [1.0, 2.0, 3.0, 4.0]}).iloc[[3, 1]]
    other = pd.Series([7, 8], index=[5, 6])
    write_table(tmp_path / "frame", picked)
    write_table(tmp_path / "columns", {"image_id": picked["image_id"], "score": picked["score"], "n": other})
    assert read_table(tmp_path / "frame").to_dict("list") == {"image_id": ["d", "b"], "score": [4.0, 2.0]}
    assert read_table(tmp_path / "columns")["n"].tolist() == [7, 8]
    assert read_table(tmp_path / "columns").index.tolist() == [0, 1]


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path):
    (tmp_path / "method=ae").mkdir()
    write_table(tmp_path / "method=ae/a.parquet", {"score": [1.0]})
    assert list(read_table(tmp_path / "method=ae/a.parquet")) == ["score"]


def test_the_same_table_is_the_same_bytes_however_it_is_held(tmp_path):
    scores, ids = np.arange(5.0), list("abcde")
    held = [
        {"score": scores, "image_id": ids},
        {"score": scores.tolist(), "image_id": np.array(ids, dtype=object)},
        pd.DataFrame({"score": scores, "image_id": ids}, index=ids),
    ]
    for number, table in enumerate(held):
        write_table(tmp_path / str(number), table)
    assert len({sha256_of(path) for path in tmp_path.iterdir()}) == 1
    assert b"pandas" not in (tmp_path / "0").read_bytes()


def test_csv_has_unix_lines_and_quotes_where_needed(tmp_path):
    wanted = b'image_id,score,place\n"a,b",0.1,\nc,1,2\n'
    write_csv(tmp_path / "a.csv", ["image_id", "score", "place"], [["a,b", 0.1, None], ["c", 1, 2]])
    assert (tmp_path / "a.csv").read_bytes() == wanted
    write_csv(tmp_path / "empty.csv", ["image_id", "score"], [])
    assert (tmp_path / "empty.csv").read_bytes() == b"image_id,score\n"


def test_csv_of_columns_holds_floats_in_full_and_no_index(tmp_path):
    floats = [0.1, 1 / 3, 1e-5, 1e16, 123456789.123456789, float("inf")]
    for table in ({"score": floats}, pd.DataFrame({"score": floats}, index=list("abcdef"))):
        write_csv(tmp_path / "a.csv", table)
        assert (tmp_path / "a.csv").read_text().split() == ["score", *map(repr, floats)]


def test_only_who_reads_or_writes_a_table_waits_for_pandas():
    code = "import sys, iad.io; print(sorted({'pandas', 'pyarrow', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("shape", [(3, 4), (0, 4), (2, 3, 5)])
def test_an_array_comes_back_and_cannot_be_written(tmp_path, shape):
    path = tmp_path / "a.npy"
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    with new_array(path, shape, np.float32) as array:
        array[...] = values
    read = open_array(path)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values)
    np.testing.assert_array_equal(np.load(path), values)
    assert not read.flags.writeable


def test_an_array_reserves_its_space_before_the_first_write(tmp_path, monkeypatch):
    monkeypatch.setattr("os.posix_fallocate", full_disk, raising=False)
    with pytest.raises(IadError, match=r"a\.npy: the disk is full"), new_array(tmp_path / "a.npy", (4,), np.uint8):
        pytest.fail("there was no space for it")
    assert names(tmp_path) == []


def damaged(data):
    return {
        "cut": data[: len(data) // 2],
        "empty": b"",
        "beheaded": data[len(data) // 3 :],
        "overwritten": b"\x00" * 8 + data[8:],
    }


def refusal(read, path):
    with pytest.raises(IadError) as caught:
        read(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert "run `dvc repro` to write it" in line
    return line


@pytest.mark.parametrize("read", [read_json, read_table, open_array])
def test_a_missing_file_is_refused(read, tmp_path):
    assert refusal(read, tmp_path / "absent").endswith("absent: missing; run `dvc repro` to write it")


@pytest.mark.parametrize("damage", ["cut", "empty", "beheaded"])
def test_a_damaged_table_is_refused(damage, tmp_path):
    path = tmp_path / "a.parquet"
    write_table(path, {"score": np.arange(1000.0), "image_id": [str(i) for i in range(1000)]})
    path.write_bytes(damaged(path.read_bytes())[damage])
    refusal(read_table, path)


@pytest.mark.parametrize("damage", ["cut", "empty", "beheaded", "overwritten"])
def test_a_damaged_array_is_refused(damage, tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(1000))
    path.write_bytes(damaged(path.read_bytes())[damage])
    refusal(open_array, path)


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe"])
def test_a_damaged_json_is_refused(content, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    refusal(read_json, path)


class Trap:
    """An object whose unpickling would leave a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_nothing_is_unpickled_from_an_array_file(tmp_path):
    path, sprung = tmp_path / "a.npy", tmp_path / "sprung"
    for content in (pickle.dumps(Trap(sprung)), None):
        if content is None:
            np.save(path, np.array([Trap(sprung)], dtype=object), allow_pickle=True)
        else:
            path.write_bytes(content)
        refusal(open_array, path)
        assert not sprung.exists()


def test_an_archive_is_no_array(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(3))
    refusal(open_array, tmp_path / "a.npz")


def test_sha256_is_that_of_the_standard(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("IAD_CACHE", raising=False)
    assert cache_folder() == tmp_path / "xdg/iad"
    monkeypatch.setenv("IAD_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
