"""`iad watch` with a camera and a trigger, as a command; `iad watch` and `iad serve` killed under load."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iad.bundles.predictor import load
from iad.errors import IadError
from iad.serve.log import VerdictLog
from tests.bundled import PICTURES, bundle_of, iad
from tests.conftest import environment
from tests.helpers import ROOT

pytestmark = pytest.mark.usefixtures("as_the_pipeline")


@pytest.fixture
def video(project):
    """A bundle, and a video of test pictures."""
    cv2 = pytest.importorskip("cv2", reason="the extra iad[camera] is not installed")
    bundle, found = bundle_of("vit"), sorted((PICTURES / "test").rglob("*.png"))[:6]
    shown = [np.asarray(Image.open(path).convert("RGB")) for path in found]
    height, width = shown[0].shape[:2]
    writer = cv2.VideoWriter("parts.avi", cv2.VideoWriter_fourcc(*"MJPG"), 10, (width, height))
    for frame in shown:
        writer.write(frame[..., ::-1])
    writer.release()
    return bundle


def test_frames_get_the_verdicts_that_their_kept_files_get(video):
    words = ("--every", "0.01", "--keep", "kept", "--json", "--most-rejected", "1")
    done = iad("watch", "--camera", "parts.avi", "--bundle", video, *words)
    told = [json.loads(line) for line in done.splitlines() if line.startswith("{")]
    assert len(told) == 6
    assert {Path(one["kept"]).parent.name for one in told} == {one["verdict"] for one in told}
    scores = {Path(one.path).name: one.pred_score for one in load(video).predict("kept")}
    assert scores == {one["image_id"]: one["score"] for one in told}
    with VerdictLog(Path("verdicts.db"), create=False) as log:
        assert [one.record() for one in log.entries()] == told


def test_once_takes_one_frame(video):
    done = iad("watch", "--camera", "parts.avi", "--bundle", video, "--every", "1", "--once")
    assert "1 picture inspected" in done


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "where do pictures come from"),
        (("in", "--camera", "parts.avi"), "a folder and a camera"),
        (("in", "--every", "1"), "are of a camera"),
        (("--camera", "parts.avi"), "when is a frame to be taken"),
        (("--camera", "gone.avi", "--every", "1"), "no camera and no file"),
        (("--camera", "parts.avi", "--trigger", "opcua:ns=2;s=x"), "of which server"),
        (("--camera", "parts.avi", "--every", "1", "--mqtt", "mqtt://host"), "give an address as mqtt"),
        (("--camera", "parts.avi", "--every", "1", "--copy"), "--copy without a folder"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(video, words, error):
    with pytest.raises(IadError, match=error) as caught:
        iad("watch", *words, "--bundle", video)
    assert "\n" not in str(caught.value)


def test_kills_under_load_lose_nothing_and_give_nothing_twice(project):
    pytest.importorskip("fastapi", reason="the extra iad[serve] is not installed")
    words = [sys.executable, ROOT / "benchmarks/kills.py", bundle_of("ae"), PICTURES / "test", "--kills", "2"]
    done = subprocess.run(words, env=environment() | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["watch"]["parts"] > 0
