"""What `iad serve` answers to what nobody should send, and what it costs; what commands say to files that will not do.

python benchmarks/hostile.py BUNDLE PICTURES
PICTURES is a folder of good pictures. A server with a key is asked one thing after the other; after each it has to be
healthy. ms is the server's processor time, MB how far its memory rose above what it was before. Commands cost their
start. Ends with 1 if an answer is not the one that is expected, has no sentence, or the server is not well afterwards.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from hostile_cases import COMMANDS, KEY, Case, requests
from measuring import command, machine, python

PATIENCE_SECONDS = 40.0
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
MUCH_MS, MUCH_MB = 200.0, 100.0


class Server:
    """A server of `iad serve` in a process of its own."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        words = python("-m", "iad", "serve", str(bundle), "--port", "0")
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path[1:], os.getcwd()]), "IAD_API_KEY": KEY}  # noqa: PTH109
        self.process = subprocess.Popen(words, cwd=folder, env=environment, text=True, stderr=subprocess.PIPE)
        line = next((one for one in self.process.stderr or () if "serving" in one), "")
        self.port = int(re.search(r":(\d+)[;/]", line)[1])  # type: ignore[index]
        threading.Thread(target=lambda: [None for _ in self.process.stderr or ()], daemon=True).start()

    def is_well(self) -> bool:
        """Whether it answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    def cpu_ms(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_MS

    def memory_mb(self, name: str) -> float:
        """VmRSS, or VmHWM since it was forgotten."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1]) / 1000  # type: ignore[index]

    def forget_peak(self) -> None:
        """Let VmHWM begin at what is used now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


def asked(server: Server, case: Case) -> tuple[int, str]:
    """Status of the answer, 0 if there was none, and its sentence."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
        try:
            for part in case.parts:
                if isinstance(part, float):
                    time.sleep(part)
                else:
                    connection.sendall(part)
            if case.hangs_up:
                return 0, "(hung up)"
        except OSError:  # it was answered before all was sent
            time.sleep(0.1)
        return answer_of(received(connection))


def received(connection: socket.socket) -> bytes:
    """All that comes, until it is complete or nothing more comes."""
    found = b""
    try:
        while more := connection.recv(65536):
            found += more
            head, sign, body = found.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            if sign and length and len(body) >= int(length[1]):
                break
    except OSError:
        return found
    return found


def answer_of(data: bytes) -> tuple[int, str]:
    """Status and sentence of an answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    status = int(head.split()[1]) if head.startswith(b"HTTP/1.") else 0
    try:
        told = json.loads(body)
    except ValueError:
        return status, body.decode("utf-8", "replace").strip()
    if not isinstance(told, dict):
        return status, "as it should be"
    if "verdicts" in told:
        return status, next((one["error"] for one in told["verdicts"] if one["error"]), "a verdict")
    return status, str(told.get("error", "as it should be"))


def tell_costs(server: Server, cases: Iterator[Case]) -> Iterator[tuple[str, int, str, str, str, bool]]:
    """A row for each case, and whether it is as it should be."""
    for case in cases:
        server.forget_peak()
        cpu, memory = server.cpu_ms(), server.memory_mb("VmRSS")
        status, sentence = asked(server, case)
        ms, mb = server.cpu_ms() - cpu, server.memory_mb("VmHWM") - memory
        good = status in case.status and bool(sentence) and "\n" not in sentence and server.is_well()
        good = good and (case.dear or (ms <= MUCH_MS and mb <= MUCH_MB))
        yield case.name, status, sentence, f"{ms:.0f}", f"{max(mb, 0):.0f}", good


def commands(bundle: Path, pictures: Path, folder: Path) -> Iterator[tuple[str, int, str, str, str, bool]]:
    """A row for each command: its exit code and its last line."""
    for name, words, prepare in COMMANDS:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            prepare(Path(place), bundle, pictures)
            environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path[1:], os.getcwd()])}  # noqa: PTH109
            done = subprocess.run(
                python("-m", "iad", *words), cwd=place, env=environment, capture_output=True, text=True, timeout=120
            )
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            sentence = lines[-1].replace(place, "") if lines else ""
            yield name, done.returncode, sentence, "", "", done.returncode == 1 and "Traceback" not in done.stderr


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, print the table."""
    parser = command(__doc__, __file__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("pictures", type=Path)
    given = parser.parse_args(arguments)
    print(machine("fastapi", "uvicorn", "pillow"))
    bundle, pictures = given.bundle.absolute(), given.pictures.absolute()
    wrong = 0
    print("\n| # | sent | status | sentence | ms | MB |\n|--:|:--|--:|:--|--:|--:|")
    with tempfile.TemporaryDirectory() as name:
        server = Server(bundle, Path(name))
        try:
            good = next(path for path in sorted(pictures.rglob("*.png"))).read_bytes()
            for case in list(requests(good))[-2:]:  # so that it is warm
                asked(server, case)
            rows = [tell_costs(server, requests(good)), commands(bundle, pictures, Path(name))]
            for number, (*row, fine) in enumerate((row for some in rows for row in some), start=1):
                wrong += not fine
                cells = " | ".join(str(cell).replace("|", "\\|")[:170] for cell in row)
                print(f"| {number}{'' if fine else ' (!)'} | {cells} |", flush=True)
        finally:
            server.process.terminate()
            server.process.wait()
    print(f"\n{number} inputs, {wrong} not as they should be")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
