"""`iad watch` and `iad serve` killed at random moments under load: is a verdict lost, is one there twice?

python benchmarks/kills.py BUNDLE PICTURES [--kills 25] [--seed 0]
PICTURES is a folder. Each program is killed so many times (SIGKILL), at a random moment of the five seconds after it
says that it is at work, and started again with the same log. Meanwhile pictures go on being dropped into the watched
folder, each a new file, and eight clients go on sending, each picture under a new name. Then it is counted:

watch  files without a verdict, files with more than one, verdicts that were printed and are not in the log, and
       pictures that are not in the folder of their verdict, once
serve  verdicts that a client has and that are not in the log as it has them, and numbers that two clients have

The last line is JSON; it ends with 1 if anything was lost or there twice.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import Any

from measuring import command, machine, python

from iad.serve.log import VerdictLog

CLIENTS = 8
LATEST_SECONDS = 5.0  # after a program is at work, when it is killed
START_SECONDS = 120.0
DROPS_A_SECOND = 2.0


class Program:
    """A command that is killed and started again; the lines that it prints are kept.

    Args:
        words: of the command.
        folder: where it runs.
        sign: what its line on standard error holds when it is at work.
    """

    def __init__(self, words: Sequence[str], folder: Path, sign: str) -> None:
        self._words, self._folder, self._sign = python("-m", "iad", *words), folder, sign
        self.printed: list[str] = []

    def start(self) -> None:
        """Start it, and wait until it is at work."""
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path[1:], os.getcwd()])}  # noqa: PTH109
        self._process = subprocess.Popen(
            self._words, cwd=self._folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        ready, process = Event(), self._process

        def listen() -> None:
            for line in process.stderr or ():
                if self._sign in line:
                    ready.set()

        self._readers = [Thread(target=listen), Thread(target=lambda: self.printed.extend(process.stdout or ()))]
        for reader in self._readers:
            reader.start()
        if not ready.wait(START_SECONDS):
            sys.exit(f"{' '.join(self._words)} does not begin")

    def end(self, *, kill: bool) -> None:
        """Kill it, or ask it to end."""
        (self._process.kill if kill else self._process.terminate)()
        self._process.wait()
        for reader in self._readers:
            reader.join()


def killed(program: Program, kills: int, moments: random.Random, name: str) -> None:
    """Start a program and kill it, so many times."""
    for number in range(kills):
        program.start()
        time.sleep(moments.uniform(0.0, LATEST_SECONDS))
        program.end(kill=True)
        print(f"{name}: killed {number + 1} of {kills}", end="\r", file=sys.stderr)


def watch(bundle: Path, pictures: list[Path], kills: int, moments: random.Random, folder: Path) -> dict[str, int]:
    """What is wrong after kills of `iad watch`."""
    inbox, dropped, stop = folder / "in", list[str](), Event()
    inbox.mkdir()

    def drop() -> None:
        while not stop.wait(1 / DROPS_A_SECOND):
            source, name = pictures[len(dropped) % len(pictures)], f"{len(dropped):06}"
            part = inbox / f".{name}.part"
            shutil.copyfile(source, part)
            part.rename(inbox / f"{name}{source.suffix}")
            dropped.append(f"{name}{source.suffix}")

    words = ["watch", "in", "--bundle", str(bundle), "--settle", "0", "--json", "--most-rejected", "1"]
    words += ["--passed", "passed", "--rejected", "rejected", "--log", "watch.db"]
    program, dropping = Program(words, folder, "watching"), Thread(target=drop)
    dropping.start()
    killed(program, kills, moments, "watch")
    stop.set()
    dropping.join()
    program.start()
    wait_until_empty(inbox)
    program.end(kill=False)
    with VerdictLog(folder / "watch.db", create=False) as log:
        entries = list(log.entries())
    seen, told = Counter(one.image_id for one in entries), {one.number: one.record() for one in entries}
    places = Counter(path.name for verdict in ("passed", "rejected") for path in (folder / verdict).iterdir())
    printed = [json.loads(line) for line in program.printed if line.endswith("}\n")]
    return {
        "parts": len(dropped),
        "lost": sum(name not in seen for name in dropped),
        "twice": sum(count > 1 for count in seen.values()),
        "printed and not logged": sum(told.get(one["number"]) != one for one in printed),
        "not in their folder once": sum(places[name] != 1 for name in dropped),
    }


def serve(bundle: Path, pictures: list[Path], kills: int, moments: random.Random, folder: Path) -> dict[str, int]:
    """What is wrong after kills of `iad serve`."""
    port, stop, answers = free_port(), Event(), Queue[dict[str, Any]]()
    data = [path.read_bytes() for path in pictures]
    clients = [Thread(target=ask, args=(port, data, number, stop, answers)) for number in range(CLIENTS)]
    program = Program(["serve", str(bundle), "--port", str(port), "--log", "serve.db"], folder, "serving")
    for client in clients:
        client.start()
    killed(program, kills, moments, "serve")
    stop.set()
    for client in clients:
        client.join()
    with VerdictLog(folder / "serve.db", create=False) as log:
        told = {one.number: one.record() for one in log.entries()}
    got = [answers.get() for _ in range(answers.qsize())]
    seen = Counter(one["number"] for one in got)
    same = ("image_id", "score", "verdict", "sha256", "time")
    return {
        "parts": len(got),
        "lost": sum(one["number"] not in told for one in got),
        "other than told": sum(
            any(told[one["number"]][name] != one[name] for name in same) for one in got if one["number"] in told
        ),
        "twice": sum(count > 1 for count in seen.values()),
        "names twice in the log": sum(n > 1 for n in Counter(one["image_id"] for one in told.values()).values()),
    }


def ask(port: int, data: list[bytes], client: int, stop: Event, answers: Queue[dict[str, Any]]) -> None:
    """Send pictures, each under a name of its own, until the end; keep what is answered."""
    number = 0
    while not stop.is_set():
        number += 1
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            body, address = data[(client + number) % len(data)], f"/v1/predict?name={client}-{number}.png"
            connection.request("POST", address, body, {"Content-Type": "application/octet-stream"})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):  # it was killed
            time.sleep(0.05)
            continue
        finally:
            connection.close()
        if answer.status == http.client.OK:
            answers.put(json.loads(text)["verdicts"][0])


def free_port() -> int:
    """A port that nobody listens at."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_empty(folder: Path) -> None:
    """Wait until all files have left a folder, as long as they do."""
    left, since = -1, time.monotonic()
    while (now := len(list(folder.iterdir()))) and time.monotonic() - since < START_SECONDS:
        if now != left:
            left, since = now, time.monotonic()
        time.sleep(0.2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, count, tell."""
    parser = command(__doc__, __file__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--kills", type=int, default=25, help="of each program")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    pictures = sorted(path for path in asked.pictures.rglob("*") if path.is_file())
    print(machine("torch", "fastapi", "uvicorn"))
    found, moments = {}, random.Random(asked.seed)
    for run in (watch, serve):
        with tempfile.TemporaryDirectory() as name:
            found[run.__name__] = run(asked.bundle.absolute(), pictures, asked.kills, moments, Path(name))
        print(f"{run.__name__:<6} killed {asked.kills} times: {found[run.__name__]}")
    print(json.dumps(found))
    return int(any(count for one in found.values() for name, count in one.items() if name != "parts"))


if __name__ == "__main__":
    sys.exit(main())
