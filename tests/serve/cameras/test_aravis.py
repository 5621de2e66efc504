"""A camera of GigE Vision: the one that Aravis imitates, over this computer's own network; and pixels of each kind."""

import shutil
import subprocess
import time

import numpy as np
import pytest

from iad.errors import IadError
from iad.serve.cameras.aravis import AravisCamera, aravis, pixels_of
from iad.serve.cameras.frames import NoFrameError
from iad.serve.cameras.plugged import Plugged

FAKE = shutil.which("arv-fake-gv-camera-0.8")


def start():
    process = subprocess.Popen([FAKE, "-i", "127.0.0.1", "-s", "IAD01"], stdout=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            AravisCamera("Aravis-IAD01").close()
        except NoFrameError:
            time.sleep(0.2)
        else:
            return process
    process.kill()
    process.wait()
    return pytest.fail("the camera does not answer")


@pytest.fixture
def camera():
    try:
        aravis()
    except IadError as why:
        pytest.skip(str(why))
    if FAKE is None:
        pytest.skip("no arv-fake-gv-camera-0.8 on this computer (Debian: aravis-tools)")
    process = start()
    yield process
    process.kill()
    process.wait()


def test_a_camera_exposes_when_it_is_asked_is_unplugged_and_comes_back(camera, monkeypatch):
    monkeypatch.setattr("iad.serve.cameras.plugged.AGAIN_SECONDS", 0.2)
    told = []
    plug = Plugged("aravis:Aravis-IAD01", told.append)
    frames = [plug.take() for _ in range(3)]
    assert [(one.shape, one.dtype) for one in frames] == [((512, 512), np.uint8)] * 3
    assert not (frames[0] == frames[1]).all()
    camera.kill()
    camera.wait()
    with pytest.raises(NoFrameError):
        plug.take()
    assert told[0].endswith("waiting for it")
    again = start()
    end = time.monotonic() + 30
    while len(told) < 2 and time.monotonic() < end:
        plug.look()
        time.sleep(0.1)
    assert told[1] == "aravis:Aravis-IAD01: is back"
    assert plug.take().shape == (512, 512)
    plug.close()
    again.kill()
    again.wait()


def test_a_camera_that_is_not_there_is_refused(camera):
    with pytest.raises(IadError, match=r"^--camera aravis:Nobody-9: cannot be opened \("):
        Plugged("aravis:Nobody-9", print)


RED, GREEN, BLUE = 200, 100, 50


@pytest.mark.parametrize(
    ("kind", "block"),
    [
        ("BayerRG8", [RED, GREEN, GREEN, BLUE]), ("BayerGR8", [GREEN, RED, BLUE, GREEN]),
        ("BayerGB8", [GREEN, BLUE, RED, GREEN]), ("BayerBG8", [BLUE, GREEN, GREEN, RED]),
    ],
)  # fmt: skip
def test_every_order_of_a_mosaic_gives_the_same_colour(kind, block):
    mosaic = np.tile(np.array(block, np.uint8).reshape(2, 2), (2, 3))
    found = pixels_of(mosaic.tobytes(), mosaic.shape, kind)
    assert found.shape == (4, 6, 3)
    assert (found == (RED, GREEN, BLUE)).all()


@pytest.mark.parametrize(("kind", "white"), [("Mono10", 1023), ("Mono12", 4095), ("Mono14", 16383), ("Mono16", 65535)])
def test_white_of_any_depth_is_near_the_white_of_16_bits(kind, white):
    found = pixels_of(np.array([[white, 0]], "<u2").tobytes(), (1, 2), kind)
    assert found.dtype == np.uint16
    assert found[0, 0] > 65000
    assert found[0, 1] == 0
