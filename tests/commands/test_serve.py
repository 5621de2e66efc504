"""`iad serve` as a process, asked by `iad predict --server`. The oracle is `iad predict` without."""

import json
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from iad.bundles.predictor import load
from iad.errors import IadError
from iad.serve.log import VerdictLog
from tests.bundled import PICTURES, bundle_of, iad
from tests.conftest import environment
from tests.helpers import ROOT, with_ctrl_c

pytest.importorskip("fastapi")
pytestmark = pytest.mark.usefixtures("as_the_pipeline")


@pytest.fixture
def served(project):
    """A server of two bundles with a key, its address, and a folder of pictures."""
    shutil.copytree(PICTURES / "test", "new")
    bundles = [bundle_of("vit"), bundle_of("ae")]
    words = [sys.executable, "-m", "iad", "serve", *map(str, bundles), "--port", "0"]
    process = subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, preexec_fn=with_ctrl_c,
        env=environment() | {"PYTHONPATH": str(ROOT), "IAD_API_KEY": "secret"},
    )  # fmt: skip
    line = process.stderr.readline()
    found = re.match(r"serving vit, ae at (http://127.0.0.1:\d+); log verdicts.db", line)
    assert found, line
    yield process, found[1]
    process.kill()
    process.communicate()


def refused(*words, match):
    with pytest.raises(IadError, match=match) as caught:
        iad(*words)
    assert "\n" not in str(caught.value)


def logged():
    with VerdictLog(Path("verdicts.db"), create=False) as log:
        return list(log.entries())


def test_a_server_says_what_predict_says_and_ends_well(served, monkeypatch):
    process, url = served
    Path("new/torn.png").write_bytes(b"torn")
    refused("predict", "vit", "new", "--server", url, match="answers 401: no key, or a wrong one")
    monkeypatch.setenv("IAD_API_KEY", "secret")
    iad("predict", "vit", "new", "--server", url, "--out", "there.csv", code=3)
    iad("predict", "bundles/vit.iad", "new", "--out", "here.csv", code=3)
    assert Path("there.csv").read_text() == Path("here.csv").read_text()
    assert "rejected (score >=" in iad("predict", "vit", "new", "--server", url, code=3)
    refused("predict", "nuts", "new", "--server", url, match="answers 404: no bundle 'nuts'; name one of vit, ae")
    refused("predict", "vit", "new", "--server", url, "--maps", "maps", match="--maps with --server")
    refused("predict", "vit", "new", "--server", "line7:8000", match="begins with http")
    refused("predict", "vit", "new", "--server", "http://127.0.0.1:9", match="cannot be reached")
    assert len(logged()) == 2 * len(list(Path("new").rglob("*.png")))
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=180)
    assert process.returncode == 0
    assert json.loads(told.splitlines()[0])["status"] == 401


def test_after_a_kill_every_answer_is_in_the_log_once(served):
    process, url = served
    pictures = [path.read_bytes() for path in sorted(Path("new").rglob("*.png"))]
    answers = []

    def ask(number):
        if len(answers) >= 12:
            process.kill()
        headers = {"Content-Type": "image/png", "X-API-Key": "secret"}
        address = f"{url}/v1/predict?bundle=vit&name={number}.png"
        request = Request(address, pictures[number % len(pictures)], headers)  # noqa: S310  # of this test
        try:
            with urlopen(request, timeout=180) as answer:  # noqa: S310
                answers.extend(json.load(answer)["verdicts"])
        except HTTPError:
            raise
        except (OSError, HTTPException):  # it was killed, perhaps between the head of an answer and its body
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(40)))
    entries = {one.number: one for one in logged()}
    assert 0 < len(answers) < 40
    assert len({one["image_id"] for one in answers}) == len(answers)
    for one in answers:
        assert (one["image_id"], one["score"]) == (entries[one["number"]].image_id, entries[one["number"]].score)
    assert len({one.image_id for one in entries.values()}) == len(entries)
    expected = {one.sha256: one.pred_score for one in load("bundles/vit.iad").predict("new")}
    assert all(one.score == expected[one.sha256] for one in entries.values())


def test_what_cannot_be_served_is_refused(project, monkeypatch):
    monkeypatch.delenv("IAD_API_KEY", raising=False)
    bundle = bundle_of("ae")
    shutil.copy(bundle, "ae.iad")
    refused("serve", bundle, "ae.iad", match="two bundles are called 'ae'")
    refused("serve", bundle, "--host", "::", match="other computers could send pictures; set IAD_API_KEY")
    refused("serve", "gone.iad", "--port", "0", match="no such file")
    refused("serve", bundle, "--host", "192.0.2.1", match="set IAD_API_KEY")
    monkeypatch.setenv("IAD_API_KEY", "x")
    refused("serve", bundle, "--host", "192.0.2.1", match="cannot listen there")
