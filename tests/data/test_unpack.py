"""Exactly the files of the category come out of an archive, and no archive writes outside of its folder.

The oracle is the dictionary of files that an archive was made from.
"""

import io
import sys
import tarfile
from contextlib import contextmanager, nullcontext
from subprocess import PIPE, Popen

import pytest

from iad.data import unpack
from iad.data.unpack import unpack_category
from iad.errors import IadError

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


def refusal(archive, folder, category="carpet"):
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
        monkeypatch.setattr(unpack, "bar", lambda *_, **__: nullcontext(Shown()))
        unpack_category(archive, "carpet", folder)
        read.append((folder.stat().st_ino, (folder / "train/good/0.png").open("rb")))
        yield Shown()

    monkeypatch.setattr(unpack, "bar", meanwhile)
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
        "import sys, pathlib; from iad.data.unpack import unpack_category\n"
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
    assert f"member '{member.name}' climbs out" in refusal(make(tmp_path / "a.tar", extra=[member]), tmp_path / "out")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_only_regular_files_come_out(tmp_path, kind):
    member = special("carpet/x", kind, "carpet/readme.txt")
    assert "'carpet/x' is not a regular file" in refusal(make(tmp_path / "a.tar", extra=[member]), tmp_path / "out")


def test_an_archive_without_the_category_is_refused(tmp_path):
    assert "holds no category 'wood'" in refusal(make(tmp_path / "a.tar"), tmp_path / "out", "wood")


@pytest.mark.parametrize("compression", ["xz", "gz", ""])
def test_an_archive_that_is_cut_short_is_refused(tmp_path, compression):
    archive = make(
        tmp_path / "a.tar", {f"carpet/{i}": bytes(range(256)) * 9 for i in range(60)}, compression=compression
    )
    data = archive.read_bytes()
    for length in (0, 40, len(data) // 2):
        archive.write_bytes(data[:length])
        assert "cut short or not a tar archive" in refusal(archive, tmp_path / "out")


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"PK\3\4" + bytes(5000))
    assert "not a tar archive" in refusal(tmp_path / "a.tar", tmp_path / "out")
