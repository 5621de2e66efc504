"""A tiny line whose server runs in a process of its own, and a browser that opens its page."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import chdir, contextmanager

import pytest

from iad.bundles.predictor import load
from iad.serve.http.station import Station
from iad.serve.page.keepsake import Keepsake
from tests.bundled import bundle_of, run_project
from tests.helpers import ROOT

METHOD, KEY = "patch_vit", "a long secret ä"


@pytest.fixture(scope="session")
def project(tiny_template, tmp_path_factory):
    """The tiny project with a bundle of one method, and its pictures as files; do not change it."""
    folder = tmp_path_factory.mktemp("line") / "project"
    run_project(tiny_template, folder, {"compute": {"precision": "fp32"}}, methods=(METHOD,))
    with chdir(folder):
        bundle_of(METHOD)
    return folder


@pytest.fixture(scope="session")
def bundle(project):
    return project / f"bundles/{METHOD}.iad"


@pytest.fixture(scope="session")
def pictures(project):
    """Files of the test split, by name."""
    return sorted((project / "pictures/test").rglob("*.png"))


@contextmanager
def served(bundle, folder, *options, key=""):
    """A server of the bundle: its address."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "IAD_API_KEY": key}
    command = [
        sys.executable,
        "-m",
        "iad",
        "serve",
        str(bundle),
        "--port",
        "0",
        "--log",
        str(folder / "a.db"),
        *options,
    ]
    with (folder / "err.txt").open("w") as errors:
        process = subprocess.Popen(command, stderr=errors, cwd=folder, env=environment)
        try:
            yield _address(process, folder / "err.txt")
        finally:
            process.terminate()
            assert process.wait(180) in (0, -15, 143)


def _address(process, errors):
    while process.poll() is None:
        if found := re.search(r" at (http://\S+);", errors.read_text()):
            return found[1]
    raise AssertionError(errors.read_text())


@pytest.fixture(scope="session")
def server(bundle, project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with served(
        bundle, folder, "--pictures", str(project / "pictures/test"), "--pictures", str(project / "pictures/train")
    ) as address:
        yield address, folder


@pytest.fixture(scope="session")
def locked(bundle, tmp_path_factory):
    """A server that asks for `KEY`."""
    folder = tmp_path_factory.mktemp("locked")
    with served(bundle, folder, key=KEY) as address:
        yield address
    assert "secret" not in (folder / "err.txt").read_text()


@pytest.fixture
def station(bundle, log):
    kept = Keepsake()
    found = Station("line", load(bundle), "b1", log, keep=kept.add)
    found.kept = kept
    yield found
    found.close()


@pytest.fixture(scope="session")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium on this computer")
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", *camera])
        yield browser
        browser.close()


@pytest.fixture
def asked():
    """Addresses of everything that pages asked for."""
    return []


@pytest.fixture
def opened(chromium, asked):
    """Opens a page in a browser of its own, which reaches no other host."""
    contexts = []

    def at(address, *, wait=".iad-verdict", **options):
        contexts.append(chromium.new_context(**{"viewport": {"width": 1360, "height": 900}} | options))
        page = contexts[-1].new_page()
        page.set_default_timeout(180_000)  # milliseconds; a machine may be busy
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        page.on("pageerror", lambda error: asked.append(f"error: {error}"))
        page.goto(address)
        page.wait_for_selector(wait)
        return page

    yield at
    for context in contexts:
        context.close()


def judged(page, files):
    """Give a page pictures, and wait until the last one is judged."""
    names = [file["name"] if isinstance(file, dict) else file.name for file in files]
    page.set_input_files("#iad-files", files)
    page.wait_for_function("document.querySelector('#iad-drop').ariaBusy === 'false'")
    page.wait_for_function(
        "names => names.some(it => document.querySelector('.iad-name').textContent.startsWith(it))", arg=names
    )
