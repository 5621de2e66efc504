"""The record of pictures far away: looked up by name, the same bytes every time. The oracle is the list of entries."""

import random
from zipfile import ZipFile

import pytest

from iad.data.record import Entry, Record, is_record, write_record

NAMES = ["b.png", "a.png", "é/1.png", "a/2.png", "Z.png", "鋼.png"]
ENTRIES = [Entry(name, f"key of {name}", row * 2**33, f"{row:064d}", row % 3) for row, name in enumerate(NAMES)]


@pytest.fixture
def record(tmp_path):
    write_record(tmp_path / "r.zip", "s3://line/bolts", ENTRIES)
    with ZipFile(tmp_path / "r.zip") as archive:
        assert is_record(archive)
        return Record(archive)


def test_every_entry_is_found_by_its_name(record):
    assert [record[name] for name in NAMES] == ENTRIES
    assert record.address == "s3://line/bolts"
    for name in ("", "a", "b.pnh", "鋼鋼"):
        with pytest.raises(KeyError):
            record[name]


def test_a_column_follows_the_names_that_are_asked_for(record):
    names = random.Random(0).choices(NAMES, k=50)
    assert record.column("size", names).tolist() == [ENTRIES[NAMES.index(name)].size for name in names]
    with pytest.raises(KeyError, match=r"x\.png"):
        record.column("size", ["a.png", "x.png", "y.png"])


def test_the_order_of_the_entries_changes_no_byte(tmp_path, record):
    write_record(tmp_path / "again.zip", "s3://line/bolts", random.Random(0).sample(ENTRIES, len(ENTRIES)))
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "r.zip").read_bytes()


def test_an_archive_of_pictures_is_no_record(tmp_path):
    with ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("a.png", b"")
    with ZipFile(tmp_path / "images.zip") as archive:
        assert not is_record(archive)
