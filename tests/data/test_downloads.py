"""A download ends complete and checked, or is refused; what was received is never fetched twice.

The oracle is the content that a server on this machine sends, cut off or changed as a test asks.
"""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from iad.data import downloads
from iad.data.downloads import download_file, hash_with_bar
from iad.errors import IadError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REMEDY = "bring your own copy"


class Server(ThreadingHTTPServer):
    """Sends CONTENT; `cut_after` bytes of each answer it hangs up, and `statuses` are answered first."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cut_after, self.ranges_known, self.statuses = CONTENT, None, True, []
        self.offsets, self.sent = [], 0
        self.url = f"http://127.0.0.1:{self.server_port}/data.bin"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1]) if server.ranges_known else 0
        server.offsets.append(start)
        if start >= len(server.content):
            self.send_error(416)
            return
        body = server.content[start:]
        self.send_response(206 if server.ranges_known else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        part = body[: server.cut_after]
        server.sent += len(part)
        self.wfile.write(part)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 2.0)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache/data.bin"


def fetch(server, target, sha256=SHA256):
    download_file(server.url, target, sha256, remedy=REMEDY)


def refusal(server, target, **options):
    with pytest.raises(IadError) as caught:
        fetch(server, target, **options)
    line = str(caught.value)
    assert line.startswith(server.url)
    assert REMEDY in line
    assert "\n" not in line
    assert not target.exists()
    return line


def part_of(target):
    return target.with_name("data.bin.part")


def test_a_file_arrives_whole(server, target):
    fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["data.bin"]


def test_a_connection_that_is_cut_is_continued_where_it_broke(server, target):
    server.cut_after = 400_000
    fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert server.sent == len(CONTENT)
    assert server.offsets == list(range(0, len(CONTENT), 400_000))


def test_a_later_call_continues_what_an_earlier_one_left(server, target):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:1_234_567])
    fetch(server, target)
    assert server.offsets == [1_234_567]
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_already_whole_needs_no_byte(server, target):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT)
    fetch(server, target)
    assert server.sent == 0
    assert target.read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges_sends_all_again(server, target):
    server.ranges_known = False
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:1000])
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_the_file_deleted(server, target):
    server.content = CONTENT[:-1] + b"!"
    assert SHA256 in refusal(server, target)
    assert not list(target.parent.iterdir())


def test_a_damaged_part_is_found_and_the_next_call_starts_afresh(server, target):
    target.parent.mkdir()
    part_of(target).write_bytes(b"damage" + CONTENT[6:1000])
    refusal(server, target)
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_server_without_any_byte_is_given_up_after_some_tries(server, target):
    server.cut_after = 0
    assert f"failed {downloads.TRIES} times (the connection was cut" in refusal(server, target)
    assert len(server.offsets) == downloads.TRIES


def test_a_server_that_stops_for_good_keeps_what_came(server, target, monkeypatch):
    server.cut_after = 700_000
    monkeypatch.setattr(downloads, "TRIES", 1)
    refusal(server, target)
    assert part_of(target).read_bytes() == CONTENT[:700_000]


def test_a_busy_server_is_asked_again(server, target):
    server.statuses = [503, 429, 500]
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_file_that_is_gone_is_not_asked_for_again(server, target):
    server.statuses = [404, 404]
    assert "the server answered 404 Not Found" in refusal(server, target)
    assert server.statuses == [404]


def test_no_server_at_all_is_one_line(server, target):
    server.server_close()
    assert "refused" in refusal(server, target)


def test_two_at_once_leave_one_whole_file(server, target):
    server.cut_after = 90_000
    errors = []

    def work():
        try:
            if not target.exists():
                fetch(server, target)
        except (IadError, OSError) as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert target.read_bytes() == CONTENT


def test_the_hash_is_that_of_the_file(tmp_path):
    (tmp_path / "f").write_bytes(CONTENT)
    assert hash_with_bar(tmp_path / "f") == SHA256
