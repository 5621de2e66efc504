"""Frames of a camera: one verdict each, also where the camera gives none; unplugged, back, kept, stopped."""

import hashlib
import io
import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from iad.bundles.verdict import Verdict
from iad.data.given import read_pictures
from iad.errors import IadError
from iad.serve.cameras.frames import NoFrameError, frame_of
from iad.serve.cameras.plugged import Plugged, name_of
from iad.serve.cameras.taking import Taker
from iad.serve.cameras.watcher import CameraWatcher
from iad.serve.running.guard import Guard
from iad.serve.running.sorting import Sorting
from iad.serve.triggers.shots import Shot


class Inspector:
    """Rejects bright pictures."""

    method, threshold, batch_size = "vit", 150.0, 4
    bundle = SimpleNamespace(
        pictures=SimpleNamespace(grid_array=lambda: np.full((2, 32, 32), 128, np.uint8)),
        preprocess=SimpleNamespace(white_16bit=65535),
    )

    def predict(self, pictures, *, maps, errors, batch_size):
        assert (maps, errors, batch_size) == (False, "return", 1)
        for one in read_pictures(pictures, 8, errors=errors, max_megapixels=1):
            score = float(one.pixels.mean())
            yield Verdict(one.image_id, one.path, score, 0.5, score >= 150, sha256=one.sha256, sight=(0.5,) * 8)


class Camera:
    """Gives the frames that it is told to; None: it is unplugged."""

    def __init__(self, frames):
        self.frames, self.problem, self.closed = frames, "", False

    def take(self):
        if not self.frames:
            raise EOFError
        frame = self.frames.pop(0)
        if isinstance(frame, Exception):
            raise frame
        if isinstance(frame, str):
            self.problem = frame
            raise NoFrameError(frame)
        return frame

    def close(self):
        self.closed = True


class Now:
    """Asks at once, for so many frames as there are."""

    def __init__(self, part=True):
        self.part, self.answers = part, []

    def next(self, _seconds):
        return Shot(part=self.part, answered=self.answers.append)


def seen(level, seed=0):
    return np.random.default_rng(seed).integers(level - 20, level + 20, (40, 60)).astype(np.uint8)


@pytest.fixture
def line(log, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("iad.serve.cameras.plugged.AGAIN_SECONDS", 0.0)

    def make(*frames, part=True, sort=False, guard=None):
        camera, told = Camera(list(frames)), []
        monkeypatch.setattr("iad.serve.cameras.plugged.opener", lambda _: lambda: opened(camera))
        plug = Plugged("7", told.append)
        folders = {name: Path("kept") / name for name in ("passed", "rejected", "unread")} if sort else {}
        trigger = Now(part)
        taker = Taker(plug, trigger)
        made.append(taker)
        found = CameraWatcher(Inspector(), "b1", taker, log, Sorting(folders), guard or Guard())
        found.told, found.answers = told, trigger.answers
        return found

    made = []
    yield make
    for one in made:
        one.close()


def opened(camera):
    """The camera, when it has been plugged in again."""
    camera.problem = ""
    if camera.frames and camera.frames[0] is None:
        camera.frames.pop(0)
        raise NoFrameError("cannot be opened")
    return camera


def verdicts(watcher, count):
    found = []
    while len(found) < count:
        found += watcher.step()
    return found


def test_each_frame_gets_a_verdict_that_is_logged_answered_and_told(line, log):
    watcher = line(seen(100), seen(200))
    found = verdicts(watcher, 2)
    assert [one.verdict for one in found] == ["passed", "rejected"]
    assert found == list(log.entries()) == watcher.answers
    assert all(one.image_id.endswith("Z.png") and one.path == one.kept == "" and one.sha256 for one in found)
    assert log.rows("SELECT count(*) FROM sights", [])[0][0] == 2


def test_a_frame_is_kept_by_its_verdict_and_is_the_very_one_that_was_judged(line):
    watcher = line(seen(100), seen(200), np.zeros((40, 60), np.uint8), sort=True)
    for entry in verdicts(watcher, 3):
        kept = Path(entry.kept)
        assert kept.parent.name == entry.verdict
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == entry.sha256
    assert (np.asarray(Image.open(next(Path("kept/passed").iterdir()))) == seen(100)).all()


def test_a_place_that_cannot_be_written_is_told(line):
    watcher = line(seen(100), sort=True)
    Path("kept").write_text("a file in its place")
    with pytest.raises(IadError, match=r"cannot be written \(.*\); make room, or name another folder to keep frames"):
        verdicts(watcher, 1)


@pytest.mark.parametrize("frame", [np.zeros((40, 60), np.uint8), np.full((40, 60), 255, np.uint8)])
def test_a_frame_of_a_broken_camera_never_passes(line, frame):
    (entry,) = verdicts(line(frame), 1)
    assert (entry.verdict, entry.rejected, entry.score) == ("unread", None, None)
    assert entry.error.startswith("camera 7: the frame is ")


def test_a_frozen_camera_never_passes_and_stops_the_line(line, log):
    watcher = line(*[seen(100)] * 9)
    with pytest.raises(IadError, match=r"^camera 7: stopped: the last 5 pictures are the very same"):
        verdicts(watcher, 9)
    assert [one.verdict for one in log.entries()] == ["passed", *["unread"] * 4]


def test_black_frames_stop_the_line_as_they_do_in_a_folder(line, log):
    noise = [np.random.default_rng(seed).integers(0, 5, (40, 60)).astype(np.uint8) for seed in range(9)]
    with pytest.raises(IadError, match="the last 5 pictures are black"):
        verdicts(line(*noise), 9)
    assert log.last_number() == 5


def test_too_many_rejected_stop_the_line(line):
    watcher = line(*(seen(200, seed) for seed in range(9)), guard=Guard(most=0.5, of=4))
    with pytest.raises(IadError, match=r"100 % of the last 4 pictures were rejected"):
        verdicts(watcher, 9)


def test_a_part_of_which_the_camera_gives_no_frame_did_not_pass_and_the_camera_comes_back(line, log):
    watcher = line(seen(100), "is unplugged", None, None, seen(101))
    assert [one.verdict for one in verdicts(watcher, 1)] == ["passed"]
    (unseen,) = verdicts(watcher, 1)
    assert (unseen.verdict, unseen.error) == ("unread", "camera 7: is unplugged; the part was not seen")
    while not (found := verdicts(watcher, 1))[0].score:
        assert found[0].error == "camera 7: is away; the part was not seen"
    assert found[0].verdict == "passed"
    assert watcher.told == ["camera 7: is unplugged; waiting for it", "camera 7: is back"]
    assert len(watcher.answers) == log.last_number()


def test_the_clock_gets_no_verdict_of_a_camera_that_is_away(line, log):
    watcher = line("is unplugged", None, None, None, seen(100), part=False)
    verdicts(watcher, 1)
    assert [one.verdict for one in log.entries()] == ["passed"]


def test_frames_are_taken_while_the_one_before_is_judged(line):
    watcher = line(*(seen(100, seed) for seed in range(4)))
    judge, left = watcher.inspector.predict, []

    def slow(pictures, **how):
        end = time.monotonic() + 20
        while camera.frames and time.monotonic() < end:
            time.sleep(0.01)
        left.append(len(camera.frames))
        return judge(pictures, **how)

    camera = watcher.taker._camera._camera
    watcher.inspector.predict = slow
    assert len(verdicts(watcher, 4)) == 4
    assert left[0] == 0  # all were taken before the first one was judged


def test_a_part_that_is_asked_for_too_long_ago_was_not_seen(line, monkeypatch):
    monkeypatch.setattr("iad.serve.cameras.taking.LATE_SECONDS", -1.0)
    (entry,) = verdicts(line(seen(100)), 1)
    assert entry.verdict == "unread"
    assert entry.error.endswith("s late, since parts come faster than judged; the part was not seen")


def test_a_fault_of_a_camera_ends_the_line_and_does_not_hang(line):
    with pytest.raises(ZeroDivisionError):
        verdicts(line(seen(100), ZeroDivisionError()), 2)


def test_the_shadow_gets_the_frame_itself(line):
    watcher = line(seen(100))
    (entry,) = verdicts(watcher, 1)
    picture = watcher.picture(entry)
    assert (picture.name, picture.sha256) == (entry.image_id, entry.sha256)


def test_a_camera_that_is_not_there_at_the_start_is_refused():
    pytest.importorskip("cv2", reason="the extra iad[camera] is not installed")
    with pytest.raises(IadError, match=r"^--camera 99: cannot be opened; check that it is there"):
        Plugged("99", print)
    with pytest.raises(IadError, match=r"^--camera rtsp://127.0.0.1: cannot be opened") as caught:
        Plugged("rtsp://me:secret@127.0.0.1:9/stream", print)
    assert "secret" not in str(caught.value)
    with pytest.raises(IadError, match=r"^--camera gone.avi: no camera and no file; give the number"):
        Plugged("gone.avi", print)


def test_a_name_shows_no_password():
    assert name_of("rtsp://me:secret@10.0.0.9/x") == "rtsp://10.0.0.9"


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_frame_is_a_lossless_picture(shape, kind):
    if kind is np.uint16 and len(shape) == 3:
        pytest.skip("no camera gives colours of 16 bits")
    pixels = (np.arange(np.prod(shape)).reshape(shape) * 300 % np.iinfo(kind).max).astype(kind)
    back = np.asarray(Image.open(io.BytesIO(frame_of(pixels, "7", "a.png").read())))
    assert json.dumps(back.tolist()) == json.dumps(pixels.tolist())
