"""The verdict log: appended, never changed, safe against other programs, other files and a full disk."""

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from iad.cli import app
from iad.errors import IadError
from iad.serve.entries import Choice, Entry
from iad.serve.log import VerdictLog
from tests.helpers import ROOT

ENTRY = Entry("a.png", "/in/a.png", "", 3, 5, "ab", "b1", "vit", 0.1 + 0.2, 0.25, 0.75, False, "", 0.01)
BAD = replace(ENTRY, image_id="b.png", path="/in/b.png", score=2.0, rejected=True, bundle="b2")
TORN = replace(ENTRY, image_id="c.png", score=None, p_value=None, rejected=None, error="c.png: torn")


def refused(match, job, *arguments):
    with pytest.raises(IadError, match=match) as caught:
        job(*arguments)
    assert "\n" not in str(caught.value)


def test_what_was_written_is_read_to_the_last_bit_by_another_program(log):
    written = [log.append(one) for one in (ENTRY, BAD, TORN)]
    assert [one.number for one in written] == [1, 2, 3]
    code = "import sys; from pathlib import Path; from iad.serve.log import VerdictLog\n"
    code += "for one in VerdictLog(Path(sys.argv[1]), create=False).entries(): print(one)"
    command = [sys.executable, "-c", code, str(log.path)]
    found = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert found.stdout.splitlines() == [str(one) for one in written], found.stderr
    assert [one.verdict for one in written] == ["passed", "rejected", "unread"]


@pytest.mark.parametrize("text", ["UPDATE verdicts SET rejected = 0", "DELETE FROM verdicts", "DELETE FROM words"])
def test_nobody_changes_a_row(log, text):
    log.append(BAD)
    log.say(1, "bad")
    with sqlite3.connect(log.path) as base, pytest.raises(sqlite3.IntegrityError, match="stay as they are"):
        base.execute(text)
    assert [one.rejected for one in log.entries()] == [True]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(), [1, 2, 3]),
        (Choice(verdict="passed"), [1]),
        (Choice(verdict="rejected"), [2]),
        (Choice(verdict="unread"), [3]),
        (Choice(bundle="b"), [1, 2, 3]),
        (Choice(bundle="b2"), [2]),
        (Choice(bundle="2"), []),
        (Choice(name="b.p"), [2]),
        (Choice(name="%"), []),
        (Choice(spoken=True), [2]),
        (Choice(after=1), [2, 3]),
        (Choice(since=datetime.now(UTC) + timedelta(days=1)), []),
        (Choice(until=datetime.now(UTC) - timedelta(days=1)), []),
        (Choice(since=datetime.now(UTC) - timedelta(days=1), verdict="rejected", bundle="b2"), [2]),
    ],
)
def test_a_choice_gives_its_rows_in_order(log, choice, expected):
    for one in (ENTRY, BAD, TORN):
        log.append(one)
    log.say(2, "good")
    assert [one.number for one in log.entries(choice)] == expected
    assert [one.number for one in log.entries(choice, last=1)] == expected[-1:]
    assert [one.number for one in log.entries(choice, last=9)] == expected


def test_the_last_word_counts_and_no_word_is_lost(log):
    log.append(BAD)
    log.say(1, "good", speaker="Ann")
    log.say(1, "bad", speaker="Bo")
    assert next(log.entries()).word == "bad"
    with sqlite3.connect(log.path) as base:
        assert base.execute("SELECT word, speaker FROM words").fetchall() == [("good", "Ann"), ("bad", "Bo")]
    refused("no verdict has the number 2", log.say, 2, "bad")


def test_a_file_is_known_by_its_path_size_and_time(log):
    log.append(ENTRY)
    again = log.append(replace(ENTRY, bundle="b3"))
    assert log.of_file("/in/a.png", 3, 5) == again
    for other in (("/in/b.png", 3, 5), ("/in/a.png", 4, 5), ("/in/a.png", 3, 6)):
        assert log.of_file(*other) is None


def test_more_rows_than_a_page_come_in_order(log, monkeypatch):
    monkeypatch.setattr("iad.serve.log.PAGE", 3)
    for _ in range(10):
        log.append(ENTRY)
    assert [one.number for one in log.entries()] == [*range(1, 11)]
    assert [one.number for one in log.entries(last=4)] == [7, 8, 9, 10]


def test_threads_and_two_programs_write_at_once(log):
    with VerdictLog(log.path) as other, ThreadPoolExecutor(8) as pool:
        numbers = [one.number for one in pool.map(lambda n: (log, other)[n % 2].append(ENTRY), range(60))]
    assert sorted(numbers) == [*range(1, 61)]
    assert len(list(log.entries())) == 60


def test_two_programs_make_one_log(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        logs = list(pool.map(lambda _: VerdictLog(tmp_path / "new.db"), range(8)))
    for one in logs:
        one.append(ENTRY)
        one.close()
    with VerdictLog(tmp_path / "new.db", create=False) as found:
        assert found.last_number() == 8


def test_what_is_no_log_is_refused_and_stays_as_it_was(tmp_path):
    text, empty, folder = tmp_path / "a.txt", tmp_path / "b.db", tmp_path / "c"
    text.write_text("no database, but long enough to be one" * 99)
    folder.mkdir()
    with sqlite3.connect(empty) as base:
        base.execute("CREATE TABLE mine (x)")
    before = text.read_bytes(), empty.read_bytes()
    refused("no verdict log, but a file of another kind", VerdictLog, text)
    refused("a database of another program", VerdictLog, empty)
    refused("cannot be", VerdictLog, folder)
    assert (text.read_bytes(), empty.read_bytes()) == before
    with pytest.raises(IadError, match=r"gone.db: no such file; name a verdict log"):
        VerdictLog(tmp_path / "gone.db", create=False)
    assert not (tmp_path / "gone.db").exists()


def test_a_log_of_a_later_format_is_refused(log):
    with sqlite3.connect(log.path) as base:
        base.execute("PRAGMA user_version = 9")
    refused("of format 9, and this iad reads 1", VerdictLog, log.path)


def test_a_log_that_another_program_holds_is_told(log, monkeypatch):
    monkeypatch.setattr("iad.serve.log.WAIT_SECONDS", 0.05)
    with VerdictLog(log.path) as other, sqlite3.connect(log.path, isolation_level=None) as base:
        base.execute("BEGIN IMMEDIATE")
        refused("another program holds it", other.append, ENTRY)
        base.execute("ROLLBACK")
        assert other.append(ENTRY).number == 1


def test_a_full_disk_is_told_and_the_log_goes_on_when_there_is_room(log):
    log._base.execute("PRAGMA max_page_count = 12")
    many = [replace(ENTRY, error="x" * 500)] * 1000
    with pytest.raises(IadError, match="the disk is full"):
        list(map(log.append, many))
    written = log.last_number()
    log._base.execute("PRAGMA max_page_count = 100000")
    assert log.append(ENTRY).number == written + 1


@pytest.mark.parametrize("change", ["removed", "renamed", "replaced"])
def test_a_log_that_is_taken_away_takes_no_more_verdicts(log, change):
    log.append(ENTRY)
    if change == "removed":
        log.path.unlink()
    else:
        log.path.rename(log.path.with_name("old.db"))
    if change == "replaced":
        VerdictLog(log.path).close()
    refused("removed or replaced while it is in use", log.append, ENTRY)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be written here")
def test_a_folder_that_may_not_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    refused("cannot be", VerdictLog, tmp_path / "a.db")


def test_a_name_that_is_no_unicode_is_kept_readable(log):
    assert log.append(replace(ENTRY, image_id="caf\udce9.png")).number == 1
    assert next(log.entries()).image_id == "caf?.png"


def test_the_log_survives_a_kill_at_any_moment(tmp_path):
    path = tmp_path / "a.db"
    code = (
        "import sys; from pathlib import Path; from iad.serve.log import VerdictLog\n"
        "from tests.serve.test_log import ENTRY\n"
        "log = VerdictLog(Path(sys.argv[1]))\n"
        "while True: print(log.append(ENTRY).number, flush=True)"
    )
    told = 0
    for wait in (1, 7, 20):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        lines = [process.stdout.readline() for _ in range(wait)]
        process.kill()
        lines += process.communicate()[0].splitlines()
        told = max(told, *(int(line) for line in lines if line.strip()))
        with VerdictLog(path, create=False) as log:
            assert [one.number for one in log.entries()] == [*range(1, log.last_number() + 1)]
            assert log.last_number() in (told, told + 1)  # one may have been written and not told
    assert Path(path).exists()


def test_a_log_without_verdicts_is_told_where_people_look(tmp_path):
    file = tmp_path / "empty.db"
    VerdictLog(file).close()
    cases = {(): "no verdict yet", ("--json",): "no verdict yet", ("--verdict", "passed"): "no such verdict"}
    for words, said in cases.items():
        found = CliRunner().invoke(app, ["log", "show", "--log", str(file), *words], catch_exceptions=False)
        assert (found.exit_code, found.stdout) == (0, "")
        assert found.stderr == f"{file}: {said}\n"


def test_of_a_picture_that_could_not_be_read_nothing_is_said(tmp_path):
    with VerdictLog(tmp_path / "a.db") as log:
        unread = Entry("a.png", "", "", 0, 0, "", "b", "vit", None, None, 2.0, None, "cut short", 0.1)
        log.append_all([unread])
        with pytest.raises(IadError, match=r"a\.db: picture 1 could not be read, so nothing is said of it"):
            log.say(1, "good")
        assert [one.word for one in log.entries()] == [""]
