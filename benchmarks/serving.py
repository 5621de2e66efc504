"""A server of `iad serve` beside its own predictor: pictures a second at saturation, and waiting at half of that.

Run it from the top folder of a project that ran, after `iad bundle METHOD`:
python benchmarks/serving.py BUNDLE [--seconds 20] [--soak 600] [--hostile 0.05]
Clients send test pictures over connections that stay open; a share of their requests is torn or too large, if that is
asked for. The predictor inspects the same pictures from files. Half load: requests at even times, as many as half of
what the server answered at saturation; waiting is from when a request was due to its answer. Memory is private
(RssAnon, Linux), every tenth of the time at saturation. With --soak the time at saturation is that many seconds, and
the rest of the run stays as short as --seconds says. The last line is JSON.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import numpy as np
from measuring import Run, command, machine, private_mib, python, unpack

import iad
from iad import paths
from iad.serve.log import VerdictLog

CLIENTS = 16
HEADERS = {"Content-Type": "application/octet-stream"}


class Client:
    """A connection that stays open."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, data: bytes) -> int:
        """The status of the answer."""
        try:
            self.connection.request("POST", "/v1/predict", data, HEADERS)
            answer = self.connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return 0
        return answer.status


def saturate(port: int, pictures: list[bytes], seconds: float, hostile: float) -> tuple[dict[int, int], float]:
    """Answers by status while all clients ask without a pause, and how long that was."""
    began, found, lock = time.perf_counter(), dict[int, int](), threading.Lock()

    def client(number: int) -> None:
        one, rng = Client(port), np.random.default_rng(number)
        while time.perf_counter() - began < seconds:
            data = pictures[rng.integers(len(pictures))]
            status = one.ask(data[: len(data) // 2] if rng.random() < hostile else data)
            with lock:
                found[status] = found.get(status, 0) + 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    return found, time.perf_counter() - began


class Memory:
    """Private memory of a process, looked at in even steps while the block runs: `seen`, MiB."""

    def __init__(self, pid: int, seconds: float) -> None:
        self.pid, self.step, self.seen, self.end = pid, seconds / 10, [private_mib(pid)], threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> list[float]:
        self.thread.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self.end.set()
        self.thread.join()

    def _look(self) -> None:
        while not self.end.wait(self.step):
            self.seen.append(private_mib(self.pid))


def waits(port: int, pictures: list[bytes], rate: float, seconds: float) -> np.ndarray:
    """Seconds from when each request was due to its answer, at an even rate."""
    began, numbers, waited = time.perf_counter() + 0.1, count(), list[float]()

    def client(_: int) -> None:
        one = Client(port)
        while (due := next(numbers) / rate) < seconds:
            time.sleep(max(0.0, began + due - time.perf_counter()))
            one.ask(pictures[int(due * rate) % len(pictures)])
            waited.append(time.perf_counter() - began - due)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    return np.array(waited)


def own_rate(bundle: Path, files: list[Path], seconds: float) -> float:
    """Pictures a second of the predictor alone, in batches, from files."""
    inspector = iad.load(bundle)
    list(inspector.predict(files, maps=False))  # until everything is made that is made when it pays
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        done += len(list(inspector.predict(files, maps=False)))
    return done / (time.perf_counter() - began)


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--soak", type=float, help="seconds at saturation (default: as --seconds)")
    parser.add_argument("--hostile", type=float, default=0.0, help="share of requests that are cut in half")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve, ask, measure."""
    asked = options().parse_args(arguments)
    run, bundle, soaked = Run(), asked.bundle.absolute(), asked.soak or asked.seconds
    print(machine("torch", "fastapi", "uvicorn"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(paths.ORIGINALS, run.manifest["image_id"][run.test[:128]], folder / "new")
        files = sorted(path for path in (folder / "new").rglob("*") if path.is_file())
        pictures = [path.read_bytes() for path in files]
        words = python("-m", "iad", "serve", str(bundle), "--port", "0")
        environment = os.environ | {"PYTHONPATH": os.getcwd()}  # noqa: PTH109
        with (folder / "requests").open("w") as told:
            server = subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True, env=environment)
            port = int(re.search(r":(\d+);", server.stderr.readline())[1])  # type: ignore[union-attr,index]
            threading.Thread(target=lambda: told.writelines(server.stderr), daemon=True).start()  # type: ignore[arg-type]
            try:
                saturate(port, pictures, 3, 0)
                with Memory(server.pid, soaked) as seen:
                    answers, spent = saturate(port, pictures, soaked, asked.hostile)
                rate = sum(answers.values()) / spent
                waited = waits(port, pictures, rate / 2, asked.seconds)
            finally:
                server.terminate()
                server.wait()
        with VerdictLog(folder / "verdicts.db", create=False) as log:
            logged = log.last_number()
        alone = own_rate(bundle, files, asked.seconds)
    middle, last = np.quantile(waited, [0.5, 0.99])
    print(f"predictor alone      {alone:8.1f} pictures/s")
    print(f"server, saturated    {rate:8.1f} pictures/s, {rate / alone:.0%}; answers {answers}")
    print(f"server, at half load p50 {1000 * middle:.0f} ms, p99 {1000 * last:.0f} ms, {last / middle:.1f} times")
    print(f"private memory, MiB  {' '.join(f'{mib:.0f}' for mib in seen)}; {logged} verdicts in the log")
    print(json.dumps({"alone": alone, "server": rate, "p50": middle, "p99": last, "memory": seen, "seconds": spent}))


if __name__ == "__main__":
    main()
