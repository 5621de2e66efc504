"""A download ends complete and checked, or is refused; of an archive, exactly the files of a category come out.

What was received is never fetched twice, and no archive writes outside of its folder. The oracles are the content that
a server on this machine sends, cut off or changed as a test asks, and the files that an archive was made from.
"""

import hashlib
import io
import re
import sys
import tarfile
import threading
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from subprocess import PIPE, Popen

import numpy as np
import pytest

from iad.data import archives
from iad.data.archives import download_file, hash_with_bar, unpack_category
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
    monkeypatch.setattr(archives, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(archives, "TIMEOUT_SECONDS", 2.0)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache/data.bin"


def fetch(server, target, sha256=SHA256):
    download_file(server.url, target, sha256, remedy=REMEDY)


def refused_download(server, target, **options):
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
    assert SHA256 in refused_download(server, target)
    assert not list(target.parent.iterdir())


def test_a_damaged_part_is_found_and_the_next_call_starts_afresh(server, target):
    target.parent.mkdir()
    part_of(target).write_bytes(b"damage" + CONTENT[6:1000])
    refused_download(server, target)
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_server_without_any_byte_is_given_up_after_some_tries(server, target):
    server.cut_after = 0
    assert f"failed {archives.TRIES} times (the connection was cut" in refused_download(server, target)
    assert len(server.offsets) == archives.TRIES


def test_a_server_that_stops_for_good_keeps_what_came(server, target, monkeypatch):
    server.cut_after = 700_000
    monkeypatch.setattr(archives, "TRIES", 1)
    refused_download(server, target)
    assert part_of(target).read_bytes() == CONTENT[:700_000]


def test_a_busy_server_is_asked_again(server, target):
    server.statuses = [503, 429, 500]
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_file_that_is_gone_is_not_asked_for_again(server, target):
    server.statuses = [404, 404]
    assert "the server answered 404 Not Found" in refused_download(server, target)
    assert server.statuses == [404]


def test_no_server_at_all_is_one_line(server, target):
    server.server_close()
    assert "refused" in refused_download(server, target)


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


FILES = {
    "carpet/train/good/0.png": b"0", "carpet/test/hole/1.png": b"1", "carpet/readme.txt": b"r",
    "screw/train/good/0.png": b"s", "license.txt": b"l",
}  # fmt: skip
CARPET = {name.removeprefix("carpet/"): data for name, data in FILES.items() if name.startswith("carpet/")}


class Shown:
    """A bar that shows nothing."""

    def update(self, n=1):
        pass


def make(path, files=FILES, top="", extra=(), compression="xz"):
    with tarfile.open(path, f"w:{compression}") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{top}{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in extra:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def special(name, kind=tarfile.REGTYPE, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def found(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused_archive(archive, folder, category="carpet"):
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(IadError) as caught:
        unpack_category(archive, category, folder)
    assert sorted(folder.parent.rglob("*")) == before
    line = str(caught.value)
    assert line.startswith(str(archive))
    return line


@pytest.mark.parametrize("top", ["", "./", "mvtec_anomaly_detection/"])
@pytest.mark.parametrize("compression", ["xz", "gz", ""])
def test_the_category_comes_out_and_nothing_else(tmp_path, top, compression):
    archive = make(tmp_path / "a.tar", top=top, compression=compression)
    unpack_category(archive, "carpet", tmp_path / "out/carpet")
    assert found(tmp_path / "out") == {f"carpet/{name}": data for name, data in CARPET.items()}


def test_a_folder_that_is_there_is_complete_and_stays(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/0.png").touch()
    archive = make(tmp_path / "a.tar")
    monkeypatch.setattr("tarfile.open", None)
    unpack_category(archive, "carpet", tmp_path / "out")
    assert list(found(tmp_path / "out")) == ["0.png"]


def test_of_two_that_unpack_at_once_the_faster_one_keeps_its_folder(tmp_path, monkeypatch):
    """The second process is done while the first unpacks, and somebody reads what it left."""
    archive, folder = make(tmp_path / "a.tar"), tmp_path / "out/carpet"
    read = []

    @contextmanager
    def meanwhile(*_, **__):
        monkeypatch.setattr(archives, "bar", lambda *_, **__: nullcontext(Shown()))
        unpack_category(archive, "carpet", folder)
        read.append((folder.stat().st_ino, (folder / "train/good/0.png").open("rb")))
        yield Shown()

    monkeypatch.setattr(archives, "bar", meanwhile)
    unpack_category(archive, "carpet", folder)
    number, reader = read[0]
    with reader:
        assert reader.read() == CARPET["train/good/0.png"]
    assert folder.stat().st_ino == number
    assert found(folder) == CARPET
    assert [path.name for path in folder.parent.iterdir()] == ["carpet"]


def test_two_processes_that_unpack_at_once_both_end_well(tmp_path):
    content = {f"carpet/{i:03d}": bytes(range(256)) * 40 for i in range(300)}
    archive, folder = make(tmp_path / "a.tar", content), tmp_path / "out/carpet"
    code = (
        "import sys, pathlib; from iad.data.archives import unpack_category\n"
        "archive, folder = map(pathlib.Path, sys.argv[1:])\n"
        "unpack_category(archive, 'carpet', folder)\n"
        "print(sum(len(path.read_bytes()) for path in folder.iterdir()))"
    )
    command = [sys.executable, "-c", code, str(archive), str(folder)]
    running = [Popen(command, stdout=PIPE, text=True) for _ in range(2)]
    assert [int(process.communicate()[0]) for process in running] == [300 * 256 * 40] * 2
    assert [process.returncode for process in running] == [0, 0]
    assert [path.name for path in folder.parent.iterdir()] == ["carpet"]


@pytest.mark.parametrize(
    "member",
    [
        special("/evil"),
        special("../evil"),
        special("carpet/../../evil"),
        special("screw/../../evil"),
        special("carpet\\..\\evil"),
        special("C:/evil"),
        special("carpet/link", tarfile.SYMTYPE, "../../evil"),
        special("carpet/link", tarfile.SYMTYPE, "/etc/passwd"),
        special("screw/link", tarfile.LNKTYPE, "../evil"),
    ],
    ids=lambda member: f"{member.name} {member.linkname}",
)
def test_a_member_that_climbs_out_is_refused_wherever_it_stands(tmp_path, member):
    assert f"member '{member.name}' climbs out" in refused_archive(
        make(tmp_path / "a.tar", extra=[member]), tmp_path / "out"
    )
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_only_regular_files_come_out(tmp_path, kind):
    member = special("carpet/x", kind, "carpet/readme.txt")
    assert "'carpet/x' is not a regular file" in refused_archive(
        make(tmp_path / "a.tar", extra=[member]), tmp_path / "out"
    )


def test_an_archive_without_the_category_is_refused(tmp_path):
    assert "holds no category 'wood'" in refused_archive(make(tmp_path / "a.tar"), tmp_path / "out", "wood")


@pytest.mark.parametrize("compression", ["xz", "gz", ""])
def test_an_archive_that_is_cut_short_is_refused(tmp_path, compression):
    archive = make(
        tmp_path / "a.tar", {f"carpet/{i}": bytes(range(256)) * 9 for i in range(60)}, compression=compression
    )
    data = archive.read_bytes()
    for length in (0, 40, len(data) // 2):
        archive.write_bytes(data[:length])
        assert "cut short or not a tar archive" in refused_archive(archive, tmp_path / "out")


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"PK\3\4" + bytes(5000))
    assert "not a tar archive" in refused_archive(tmp_path / "a.tar", tmp_path / "out")
