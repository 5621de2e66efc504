"""The inspection page: what it adds to a server's start, memory and work, and how soon a dropped picture is judged.

Run it from the top folder of a project that ran, after `iad bundle METHOD`, where a Chromium is on the path:
python benchmarks/page.py BUNDLE [--seconds 10] [--rounds 3]
Two servers start one after the other, without the page and with it; then clients ask the second one in rounds, in turn
while no browser has the page open and while one follows the line. Start and work are processor time of the server's
process, which other work on the machine disturbs least; memory is private (RssAnon, Linux).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Run, command, machine, private_mib, python, unpack, with_this_iad
from playwright.sync_api import Page, sync_playwright

from iad import paths

DROPS = 10


@contextmanager
def served(bundle: Path, folder: Path, *options: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A server that is ready: its port and its process."""
    words = python("-m", "iad", "serve", str(bundle), "--port", "0", *options)
    server = subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True, env=with_this_iad())
    port = int(re.search(r":(\d+);", server.stderr.readline())[1])  # type: ignore[union-attr,index]
    threading.Thread(target=lambda: list(server.stderr), daemon=True).start()  # type: ignore[call-overload]
    try:
        yield port, server
    finally:
        server.terminate()
        server.wait()


def worked(process: int) -> float:
    """Seconds of processor time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(port: int, pictures: list[bytes], seconds: float) -> int:
    """Pictures that were judged while two clients asked without a pause."""
    import httpx

    began, done = time.perf_counter(), [0, 0]

    def client(number: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as one:
            while time.perf_counter() - began < seconds:
                data = pictures[(done[number] * 2 + number) % len(pictures)]
                one.post("/v1/predict", content=data, headers={"Content-Type": "image/png"}).raise_for_status()
                done[number] += 1

    threads = [threading.Thread(target=client, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done)


def drop(page: Page, files: Sequence[Path]) -> list[float]:
    """Seconds from when each picture was given to the page to when its verdict was to be seen."""
    found = []
    for file in files:
        began = time.perf_counter()
        page.set_input_files("#iad-files", file)
        page.wait_for_function("it => document.querySelector('.iad-name').textContent.startsWith(it)", arg=file.name)
        found.append(time.perf_counter() - began)
        page.wait_for_selector(".iad-goods figure, .iad-hint:not(:empty)")
        time.sleep(2)  # until the map of this one is made
    return found


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def opened(browser: Any, port: int) -> Page:
    """The page, connected."""
    page: Page = browser.new_page(viewport={"width": 1360, "height": 900})
    page.goto(f"http://127.0.0.1:{port}/")
    page.wait_for_selector(".iad-verdict")
    return page


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve, open, ask, measure."""
    asked = options().parse_args(arguments)
    run, bundle = Run(), asked.bundle.absolute()
    print(machine("torch", "nicegui", "uvicorn"))
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        unpack(paths.ORIGINALS, run.manifest["image_id"][run.test[:64]], folder / "new")
        files = sorted(path for path in (folder / "new").rglob("*") if path.is_file())
        pictures = [path.read_bytes() for path in files]
        with served(bundle, folder, "--no-page") as (_, server):
            print(f"start without the page: {worked(server.pid):.1f} s, {private_mib(server.pid):.0f} MiB")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with served(bundle, folder) as (port, server):
            print(f"start with the page:    {worked(server.pid):.1f} s, {private_mib(server.pid):.0f} MiB")
            ask(port, pictures, 3)
            for _ in range(asked.rounds):
                for is_open in (False, True):
                    page = opened(browser, port) if is_open else None
                    before, began = worked(server.pid), time.perf_counter()
                    done = ask(port, pictures, asked.seconds)
                    spent, cost = time.perf_counter() - began, (worked(server.pid) - before) / done
                    state = "open" if is_open else "closed"
                    print(
                        f"page {state:<6} {done / spent:6.2f} pictures/s, {1000 * cost:6.0f} ms of processor time each"
                    )
                    if page is not None:
                        page.close()
            page = opened(browser, port)
            waited = np.array(drop(page, files[:DROPS]))
            print(f"drop to verdict: median {np.median(waited):.2f} s, {waited.min():.2f} to {waited.max():.2f}")
            print(f"memory at the end: {private_mib(server.pid):.0f} MiB")
        browser.close()


if __name__ == "__main__":
    main()
