"""Pictures that come into a folder: each gets one verdict, once it is complete, also across restarts."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from iad.bundles.verdict import Verdict
from iad.errors import IadError
from iad.serve.entries import Entry
from iad.serve.folder.inbox import Inbox
from iad.serve.folder.watcher import Watcher
from iad.serve.log import VerdictLog
from iad.serve.running.guard import Guard
from iad.serve.running.loop import alone
from iad.serve.running.sorting import Sorting


class Inspector:
    """Rejects what begins with "bad", cannot read what begins with "torn"."""

    method, threshold, batch_size = "vit", 0.5, 4

    def __init__(self):
        self.seen, self.before = [], lambda: None

    def predict(self, files, *, maps, errors, batch_size):
        assert (maps, errors) == (False, "return")
        assert 1 <= batch_size <= self.batch_size
        for file in files:
            self.seen.append(file.name)
            self.before()
            name = Path(file.name).name
            try:
                data = file.read()
            except IadError as refusal:
                yield Verdict(file.name, file.path, float("nan"), float("nan"), None, error=str(refusal))
                continue
            sha256 = hashlib.sha256(data).hexdigest()
            if name.startswith("torn"):
                yield Verdict(file.name, file.path, float("nan"), float("nan"), None, error=f"{file.path}: torn")
                continue
            bad = name.startswith("bad")
            levels = (0, 0) if data == b"black" else (0, 255)
            yield Verdict(file.name, file.path, float(bad), 0.5, bad, sha256=sha256, levels=levels)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    return Line()


class Line:
    """A folder that is watched, with restarts."""

    def __init__(self):
        self.clock, self.log, self.inspector = Clock(), VerdictLog(Path("a.db")), Inspector()
        self.restart()

    def restart(self, **changes):
        folders = {name: Path(name) for name in ("passed", "rejected")} if changes.pop("sort", False) else {}
        sorting = Sorting(folders, copy=changes.pop("copy", False))
        inbox = Inbox(Path("in"), settle=0.5, outside=list(folders.values()))
        self.watcher = Watcher(
            self.inspector, "b1", inbox, self.log, sorting, changes.pop("guard", Guard()), clock=self.clock
        )  # fmt: skip
        assert not changes

    def after(self, seconds=0.0):
        """Verdicts after some seconds, in steps of a tenth."""
        found = list(self.watcher.step())
        for _ in range(round(10 * seconds)):
            self.clock.now += 0.1
            found += self.watcher.step()
        return [one.image_id for one in found]


def drop(name, content=None):
    path = Path("in") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(name.encode() if content is None else content)
    return path


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_what_the_log_knows_is_told_and_what_was_put_into_the_folder_is_not_judged_again(line):
    told = []
    drop("a.png")
    drop("b.png")
    assert line.after(1) == ["a.png", "b.png"]
    for sort, known in ((True, 2), (False, 2)):
        line.restart(sort=sort)
        line.watcher.tell = told.append
        assert line.after(1) == []
        assert told.pop().startswith(f"{known} pictures have a verdict in a.db already and will not be inspected again")
    line.watcher.sorting = Sorting({"passed": Path("in/kept/passed")})
    drop("c.png")
    assert line.after(1) == ["c.png"]
    assert names("in") == ["a.png", "b.png", "kept/passed/c.png"]
    line.restart()  # without --keep, so that the folder in it is looked through
    line.watcher.tell = told.append
    assert line.after(1) == []
    assert told == ["3 pictures have a verdict in a.db already and will not be inspected again"]
    drop("kept/passed/c.png", b"another part under this name")
    assert line.after(1) == ["kept/passed/c.png"]


def test_pictures_that_another_folder_was_given_are_inspected_there(line):
    drop("a.png")
    line.watcher.sorting = Sorting({"passed": Path("next/in")})
    assert line.after(1) == ["a.png"]
    line.watcher.inbox = Inbox(Path("next"), settle=0.5)
    assert line.after(1) == ["in/a.png"]


def test_a_picture_is_inspected_once_it_stays_as_it_is(line):
    drop("a.png", b"first")
    assert line.after(0.4) == []
    drop("a.png", b"first and more")
    assert line.after(0.4) == []
    assert line.after(0.2) == ["a.png"]
    assert line.after(2) == []
    drop("a.png", b"another part under the same name")
    assert line.after(1) == ["a.png"]
    assert len(line.inspector.seen) == 2


def test_the_oldest_comes_first_and_folders_count(line):
    for age, name in enumerate(("c.png", "b.jpg", "day 2/a.tif")):
        os.utime(drop(name), ns=(10**18 - age, 10**18 - age))
    assert line.after(1) == ["day 2/a.tif", "b.jpg", "c.png"]


@pytest.mark.parametrize("name", [".a.png", "a.txt", "a.png.part", ".camera/a.png"])
def test_what_is_no_picture_yet_is_passed_over(line, name):
    drop(name)
    assert line.after(2) == []


def test_a_pipe_and_a_device_hold_up_nothing(line):
    os.mkfifo("in/a.png")
    Path("in/b.png").symlink_to("/dev/zero")
    drop("c.png")
    assert line.after(2) == ["c.png"]


def test_a_second_watcher_of_the_same_folder_and_log_is_refused(line):
    again, said = alone(Path("a.db"), Path("in/.")), r"^in: another `iad watch` with this log is at work there"
    with alone(Path("a.db"), Path("in")), alone(Path("b.db"), Path("in")), pytest.raises(IadError, match=said), again:
        pass
    with alone(Path("a.db"), Path("in")):
        pass


def test_a_picture_of_a_kind_that_is_not_read_is_not_passed_over_in_silence(line):
    drop("torn.gif")
    assert line.after(1) == ["torn.gif"]
    assert next(line.log.entries()).verdict == "unread"


def test_the_log_has_all_that_is_told(line):
    path = drop("bad.png")
    line.after(1)
    entry, found = next(line.log.entries()), path.stat()
    assert entry == replace(
        entry, image_id="bad.png", path=str(path.absolute()), kept="", size=found.st_size, modified=found.st_mtime_ns,
        sha256=hashlib.sha256(b"bad.png").hexdigest(), bundle="b1", method="vit", score=1.0, p_value=0.5,
        threshold=0.5, rejected=True, error="",
    )  # fmt: skip


def test_pictures_are_moved_by_their_verdict_and_keep_their_folders(line):
    line.restart(sort=True)
    for name in ("a.png", "x/bad.png", "torn.png"):
        drop(name)
    line.after(1)
    assert names("in") == ["torn.png"]
    assert (names("passed"), names("rejected")) == (["a.png"], ["x/bad.png"])
    drop("a.png", b"another")
    line.after(1)
    assert names("passed") == ["a-1.png", "a.png"]
    assert Path("passed/a.png").read_bytes() == b"a.png"
    assert [one.kept for one in line.log.entries()][-1] == str(Path("passed/a-1.png").absolute())


def test_copies_are_made_once_whatever_happens_to_them(line):
    line.restart(sort=True, copy=True)
    drop("a.png")
    drop("b.png")
    line.after(1)
    assert names("in") == names("passed") == ["a.png", "b.png"]
    Path("passed/a.png").unlink()  # taken away by the next machine
    line.restart(sort=True, copy=True)
    assert line.after(1) == []
    assert names("passed") == ["b.png"]


def test_a_folder_for_verdicts_inside_of_the_inbox_is_not_inspected(line):
    line.watcher.sorting = Sorting({"passed": Path("in/ok")})
    line.watcher.inbox = Inbox(Path("in"), settle=0.5, outside=[Path("in/ok")])
    drop("a.png")
    assert line.after(3) == ["a.png"]
    assert names("in") == ["ok/a.png"]


def test_after_a_restart_nothing_is_inspected_twice_and_nothing_is_missed(line):
    drop("a.png")
    line.after(1)
    drop("b.png")
    line.restart()
    assert line.after(1) == ["b.png"]
    assert line.inspector.seen == ["a.png", "b.png"]


@pytest.mark.parametrize("copy", [True, False])
def test_a_picture_whose_verdict_was_written_last_is_put_into_its_place_after_a_kill(line, monkeypatch, copy):
    line.restart(sort=True, copy=copy)
    drop("a.png")
    with monkeypatch.context() as killed:
        killed.setattr(Sorting, "put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            line.after(1)
    line.restart(sort=True, copy=copy)
    assert line.after(1) == []
    assert names("passed") == ["a.png"]
    assert names("in") == (["a.png"] if copy else [])


def test_a_move_to_another_disk_that_was_cut_short_is_finished_without_a_second_copy(line):
    line.restart(sort=True)
    drop("a.png")
    line.after(1)
    Path("in/a.png").write_bytes(b"a.png")
    found = Path("passed/a.png").stat()
    os.utime("in/a.png", ns=(found.st_atime_ns, found.st_mtime_ns))
    line.restart(sort=True)
    assert line.after(1) == []
    assert (names("in"), names("passed")) == ([], ["a.png"])


def test_a_move_to_another_disk_copies_and_removes(line, monkeypatch):
    monkeypatch.setattr("iad.serve.running.sorting._renamed", lambda *_: False)
    line.restart(sort=True)
    drop("bad.png")
    line.after(1)
    assert (names("in"), names("rejected")) == ([], ["bad.png"])


def test_a_place_that_cannot_be_written_is_told_and_the_picture_stays(line):
    line.restart(sort=True)
    Path("passed").write_text("a file in its place")
    drop("a.png")
    with pytest.raises(IadError, match=r"^in/a.png: cannot be moved to .*passed/a.png \(.*\); make room, or name"):
        line.after(1)
    assert names("in") == ["a.png"]
    Path("passed").unlink()
    line.restart(sort=True)
    assert line.after(1) == []
    assert (names("in"), names("passed")) == ([], ["a.png"])


def test_a_picture_that_vanishes_before_it_is_read_ends_nothing(line):
    one = drop("a.png")
    drop("b.png")
    line.inspector.before = lambda: one.unlink(missing_ok=True)
    assert sorted(line.after(1)) == ["a.png", "b.png"]
    assert sorted((found.image_id, found.verdict) for found in line.log.entries()) == [
        ("a.png", "unread"), ("b.png", "passed"),
    ]  # fmt: skip


def test_the_inbox_may_be_away_for_a_while(line):
    drop("a.png")
    line.after(0.2)
    Path("in").rename("gone")
    with pytest.raises(OSError, match="in"):
        line.after()
    Path("gone").rename("in")
    assert line.after(1) == ["a.png"]


def test_what_cannot_be_watched_is_refused(line):
    with pytest.raises(IadError, match=r"^gone: no such folder; name a folder to watch"):
        Inbox(Path("gone"), settle=1)
    with pytest.raises(IadError, match=r"^a.db: a file; name a folder to watch"):
        Inbox(Path("a.db"), settle=1)
    with pytest.raises(IadError, match=r"^in: is where pictures come"):
        Sorting({"passed": Path("in")}).require_apart(Path("in"))
    with pytest.raises(IadError, match=r"^a.db: cannot be a folder"):
        Sorting({"passed": Path("a.db")}).require_apart(Path("in"))


# broken cameras


def entry(*, rejected=False, sha256=""):
    return Entry("a", "", "", 0, 0, sha256, "b", "vit", 0.0, 1.0, 1.0, rejected, "", 0.0)


@pytest.mark.parametrize(
    ("levels", "expected"), [((0, 8), "black"), ((247, 255), "white"), ((100, 104), "of one colour"), ((0, 9), "")]
)
def test_five_frames_that_show_nothing_stop(levels, expected):
    guard = Guard()
    said = [guard.see(entry(), levels) for _ in range(5)]
    assert said[:4] == [""] * 4
    assert (expected in said[4]) if expected else said[4] == ""


def test_a_frame_that_shows_something_starts_the_count_again():
    guard = Guard()
    for levels in [(0, 0)] * 4 + [(0, 200)] + [(0, 0)] * 4 + [None] + [(0, 0)] * 4:
        assert guard.see(entry(), levels) == ""


def test_five_times_the_same_file_stops():
    guard = Guard()
    assert [bool(guard.see(entry(sha256="a"), (0, 255))) for _ in range(5)] == [False] * 4 + [True]
    other = Guard()
    assert not any(other.see(entry(sha256="ab"[n % 2]), (0, 255)) for n in range(9))


def test_more_rejected_than_the_limit_stop_once_there_are_enough():
    guard = Guard(most=0.5, of=10)
    turns = [True] * 5 + [False] * 5
    assert not any(guard.see(entry(rejected=one), (0, 255)) for one in turns)
    assert "60 % of the last 10" in [guard.see(entry(rejected=one), (0, 255)) for one in [True] * 6][-1]
    never = Guard(most=1.0, of=10)
    assert not any(never.see(entry(rejected=True), (0, 255)) for _ in range(50))


def test_a_stop_comes_after_the_verdict_that_shows_it(line):
    for number in range(7):
        os.utime(drop(f"{number}.png", b"black"), ns=(number, number))
    line.clock.now = 9
    with pytest.raises(
        IadError, match=r"^in: stopped: the last 5 pictures are black; .*; start again when that is mended$"
    ):
        line.after(1)
    assert line.log.last_number() == 5
    line.restart()
    assert line.after(1) == ["5.png", "6.png"]
