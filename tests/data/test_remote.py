"""Pictures at an fsspec address: in memory always, and on a local S3 server where one can be installed.

The oracle is the same tree in a folder on disk, as `iad.data.tree` finds it.
"""

import functools
import http.server
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import fsspec
import pytest

from iad.data import remote
from iad.data.remote import RemoteFolder
from iad.data.tree import find_pictures, pictures_among
from iad.errors import IadError
from tests.object_storage import Storage, broken, needs_s3, s3_server, told

NAMES = [
    "good/1.png", "good/a b é#1%.png", "good/deep/er/2.JPG", "bad/x+y&z.png", "bad/hole/1.png", ".hidden/1.png",
    "good/.1.png", "bad/Thumbs.db", "__MACOSX/1.png", "notes.txt",
]  # fmt: skip
CONTENT = {name: f"the content of {name}".encode() for name in NAMES}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(remote, "PAUSES", (0.0, 0.0))
    Storage.start()


@pytest.fixture
def in_memory():
    files = fsspec.filesystem("memory")
    for name, data in CONTENT.items():
        files.pipe(f"/line/bolts/{name}", data)
    yield "memory://line/bolts"
    files.rm("/line", recursive=True)


@pytest.fixture
def on_disk(tmp_path):
    for name, data in CONTENT.items():
        path = tmp_path / "line/bolts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "line/bolts"


@pytest.fixture
def s3(monkeypatch):
    with s3_server(monkeypatch) as client:
        client("create_bucket", Bucket="line")
        for name in ("bolts/", "bolts/good/"):  # what consoles write for a folder
            client("put_object", Bucket="line", Key=name, Body=b"")
        for name, data in CONTENT.items():
            client("put_object", Bucket="line", Key=f"bolts/{name}", Body=data)
        yield client


def served(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def pictures_at(address):
    folder = RemoteFolder(address)
    return {name: file() for name, file in pictures_among(((f.image_id, f) for f in folder.files()), address).items()}


def line_of(work):
    with pytest.raises(IadError) as caught:
        work()
    line = str(caught.value)
    assert "\n" not in line
    return line


def listing(address):
    return lambda: list(RemoteFolder(address).files())


def expected(folder):
    return {name: path.read_bytes() for name, path in find_pictures(folder).items()}


def test_pictures_in_memory_are_those_of_the_same_folder_on_disk(in_memory, on_disk):
    assert pictures_at(in_memory) == pictures_at(f"{in_memory}/") == expected(on_disk)
    assert len(expected(on_disk)) == 5


def test_a_folder_on_disk_is_an_address_too(on_disk):
    assert pictures_at(f"file://{on_disk}") == expected(on_disk)


def test_a_web_server_that_lists_its_folders_will_do(on_disk):
    with served(on_disk.parent) as server:
        assert pictures_at(f"http://127.0.0.1:{server.server_port}/bolts") == expected(on_disk)
        line = line_of(listing(f"http://127.0.0.1:{server.server_port}/nuts"))
        server.shutdown()
    assert line.endswith("/nuts: not there; correct data.folder.address or data.category")


def test_accents_count_as_one_letter_as_in_a_folder_on_disk(in_memory):
    fsspec.filesystem("memory").pipe("/line/bolts/good/e\u0301.png", b"1")
    assert "good/\u00e9.png" in pictures_at(in_memory)
    fsspec.filesystem("memory").pipe("/line/bolts/good/\u00e9.png", b"2")
    assert "two files have the id 'good/\u00e9.png'" in line_of(lambda: pictures_at(in_memory))


def test_pictures_that_are_not_read_are_refused_by_their_address(in_memory):
    fsspec.filesystem("memory").pipe("/line/bolts/good/9.gif", b"1")
    assert line_of(lambda: pictures_at(in_memory)).startswith("memory://line/bolts/good/9.gif: pictures of kind '.gif'")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("memory://line/nuts", "memory://line/nuts: not there; correct data.folder.address or data.category"),
        ("memory://line/bolts/good/1.png", "memory://line/bolts/good/1.png: a file; name the folder"),
        ("nothing://x/y", "nothing://x/y: not an address that fsspec knows (Protocol not known: nothing)"),
    ],
)
def test_an_address_that_leads_to_no_folder_is_refused(in_memory, address, told):
    assert line_of(listing(address)).startswith(told)


@pytest.mark.parametrize(
    ("scheme", "told"), [("s3", "pip install 'iad[s3]'"), ("gs", "gcsfs"), ("abfs", "adlfs"), ("hdfs", "pyarrow")]
)
def test_a_scheme_whose_package_is_missing_names_it(monkeypatch, scheme, told):
    def absent(protocol):
        raise ImportError(f"Please install {told}")

    monkeypatch.setattr("fsspec.core.get_filesystem_class", absent)
    line = line_of(listing(f"{scheme}://line/bolts"))
    assert line.startswith(f"{scheme}://line/bolts: no package here reads {scheme}://; ")
    assert told in line


def flaky():
    Storage().pipe("/bolts/good/1.png", b"abc")
    return RemoteFolder("flaky://bolts")


def test_faults_of_the_network_are_tried_again():
    folder = flaky()
    Storage.fails = [broken(), TimeoutError("too slow")]
    (file,) = folder.files()
    assert Storage.calls == 4  # three for the folder, one for the folder in it
    Storage.fails = [broken(), broken()]
    assert file() == b"abc"


def test_a_network_that_stays_down_is_one_line():
    folder = flaky()
    Storage.fails = [broken() for _ in range(3)]
    line = line_of(lambda: folder.read("good/1.png"))
    assert line.startswith("flaky://bolts/good/1.png: cannot be read ([Errno 104] Connection reset by peer)")
    assert line.endswith("check the network and the storage, and run again")
    assert Storage.calls == 3


@pytest.mark.parametrize("error", [PermissionError("Forbidden"), type("NoCredentialsError", (Exception,), {})("none")])
def test_missing_rights_are_told_at_once(error):
    folder = flaky()
    Storage.fails = [error]
    line = line_of(lambda: folder.read("good/1.png"))
    assert line.startswith("flaky://bolts/good/1.png: may not be read (")
    assert Storage.calls == 1


def test_a_picture_that_vanished_or_changed_since_it_was_listed_is_named():
    folder = flaky()
    (file,) = folder.files()
    Storage().pipe("/bolts/good/1.png", b"abcd")
    assert line_of(file) == "flaky://bolts/good/1.png: 4 bytes, but 3 when it was listed; run again"
    Storage().rm("/bolts/good/1.png")
    assert line_of(file).startswith("flaky://bolts/good/1.png: not there; put it back, or run `dvc repro --force downl")


def test_what_an_error_says_is_one_short_line_without_secrets():
    folder = flaky()
    said = "GET https://me:secret@host/x?X-Amz-Signature=secret failed\nand\nso on " + "x" * 1000
    Storage.fails = [OSError(said)] * 3
    line = line_of(lambda: folder.read("good/1.png"))
    assert "GET https://host/x failed and so on" in line
    assert "secret" not in line
    assert len(line) < 400


@pytest.mark.parametrize(("asynchronous", "at_once"), [(True, 8), (False, 1)])
def test_a_storage_that_is_not_made_for_threads_is_asked_one_thing_at_a_time(monkeypatch, asynchronous, at_once):
    monkeypatch.setattr(Storage, "async_impl", asynchronous)
    folder = flaky()
    Storage.wait = 0.02
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(folder.read, ["good/1.png"] * 16)) == [b"abc"] * 16
    assert (Storage.most == 1) == (at_once == 1)


@needs_s3
def test_pictures_on_s3_are_those_of_the_same_folder_on_disk(s3, on_disk):
    assert pictures_at("s3://line/bolts") == expected(on_disk)


@needs_s3
def test_a_picture_on_s3_costs_one_request(s3, monkeypatch):
    (file,) = RemoteFolder("s3://line/bolts/bad/hole").files()
    asked, call = [], type(file.folder._system)._call_s3

    async def counted(self, method, *args, **options):
        asked.append(method)
        return await call(self, method, *args, **options)

    monkeypatch.setattr(type(file.folder._system), "_call_s3", counted)
    assert file() == CONTENT["bad/hole/1.png"]
    assert asked == ["get_object"]


@needs_s3
def test_more_files_than_a_page_of_the_listing_are_all_found(s3):
    from moto.s3.models import s3_backends

    for row in range(1005):  # past the server, which takes its time for each
        s3_backends["123456789012"]["aws"].put_object("line", f"many/{row:04d}.png", b"")
    assert sorted(file.key for file in RemoteFolder("s3://line/many").files()) == [
        f"{row:04d}.png" for row in range(1005)
    ]


@needs_s3
def test_what_is_wrong_with_a_place_on_s3_is_one_line(s3):
    assert (
        line_of(listing("s3://line/nuts")) == "s3://line/nuts: not there; correct data.folder.address or data.category"
    )
    assert line_of(listing("s3://lime/bolts")).startswith(
        "s3://lime/bolts: not there (The specified bucket does not exist"
    )
    assert line_of(listing("s3://line/bolts/notes.txt")).startswith(
        "s3://line/bolts/notes.txt: a file; name the folder"
    )
    s3("put_object", Bucket="line", Key="nuts/good//1.png", Body=b"1")
    assert line_of(listing("s3://line/nuts")).startswith("s3://line/nuts/good: holds a folder without a name ('//')")
    assert line_of(listing("s3://li_ne!/x")).startswith("s3://li_ne!/x: cannot be read (Parameter validation failed")


@needs_s3
def test_wrong_and_missing_credentials_are_one_line(s3, monkeypatch):
    from s3fs import S3FileSystem

    reset = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth"
    (file,) = RemoteFolder("s3://line/bolts/bad/hole").files()
    told(reset, b"0")  # from now on the server looks at keys
    assert line_of(listing("s3://line/bolts")).startswith("s3://line/bolts: may not be read (The AWS Access Key Id you")
    assert line_of(file).startswith("s3://line/bolts/bad/hole/1.png: may not be read (")
    told(reset, b"1000000")
    S3FileSystem.clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/no/such/file")
    assert "may not be read (Unable to locate credentials)" in line_of(listing("s3://line/bolts"))


@needs_s3
def test_a_server_that_is_gone_is_one_line(s3, monkeypatch):
    (file,) = RemoteFolder("s3://line/bolts/bad/hole").files()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    line = line_of(listing("s3://line/bolts"))
    assert line.startswith("s3://line/bolts: cannot be read (Could not connect to the endpoint URL")
    assert file() == CONTENT["bad/hole/1.png"]
