"""A video through OpenCV, and a stream over HTTP that breaks and comes back."""

import io
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

cv2 = pytest.importorskip("cv2", reason="the extra iad[camera] is not installed")

from iad.serve.cameras.opencv import Video, open_live  # noqa: E402  # it needs OpenCV
from iad.serve.cameras.plugged import Plugged  # noqa: E402


def picture(number):
    pixels = np.full((48, 64, 3), (200, 40, 40), np.uint8)
    pixels[:, : number % 64] = (40, 40, 200)
    return pixels


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "parts.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(4):
        writer.write(picture(16 * number)[..., ::-1])
    writer.release()
    return path


class Stream(ThreadingHTTPServer):
    """A camera of the network: motion JPEG, 50 frames a second, each a bit further."""

    daemon_threads = True

    def __init__(self, port=0):
        self.on, self.number = True, 0
        super().__init__(("127.0.0.1", port), Frames)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.on = False
        self.shutdown()
        self.server_close()


class Frames(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        while self.server.on:
            self.server.number += 1
            file = io.BytesIO()
            Image.fromarray(picture(self.server.number)).save(file, "JPEG")
            self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + file.getvalue() + b"\r\n")
            time.sleep(0.02)

    def log_message(self, *_):
        pass


def test_a_video_gives_its_frames_in_rgb_and_ends(video):
    camera = Video(video)
    frames = [camera.take() for _ in range(4)]
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 4
    assert np.abs(frames[2][0, -1].astype(int) - (200, 40, 40)).max() < 20
    with pytest.raises(EOFError):
        camera.take()
    camera.close()


def test_a_stream_gives_the_frame_of_now_breaks_and_comes_back():
    stream = Stream()
    url = f"http://127.0.0.1:{stream.server_port}/video"
    camera = open_live(url)
    first = camera.take()
    time.sleep(0.5)
    assert not (camera.take() == first).all()  # no frame from before
    camera.close()
    told = []
    plug = Plugged(url, told.append)
    assert plug.take().shape == (48, 64, 3)
    port = stream.server_port
    stream.stop()
    end = time.monotonic() + 30
    while not told and time.monotonic() < end:
        plug.look()
        time.sleep(0.05)
    assert "waiting for it" in told[0]
    again = Stream(port)
    while len(told) < 2 and time.monotonic() < end:
        plug.look()
        time.sleep(0.05)
    assert told[1] == "http://127.0.0.1: is back"
    assert plug.take().shape == (48, 64, 3)
    plug.close()
    again.stop()
