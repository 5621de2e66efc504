"""`download` and `preprocess` of pictures in object storage. The oracle: what they make of the same folder on disk."""

import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from zipfile import ZipFile

import fsspec
import numpy as np
import pytest
from PIL import Image

from iad import paths
from iad.config import load_params
from iad.data import remote
from iad.data.originals import Originals
from iad.errors import IadError
from iad.stages.download import download
from iad.stages.preprocess import preprocess
from tests.conftest import set_params
from tests.helpers import ROOT
from tests.object_storage import Storage, broken, needs_s3, s3_server

RESULTS = (paths.RAW_MANIFEST, paths.IMAGES, paths.MASKS, paths.MANIFEST, paths.DATA_REPORT)


def picture(seed, mode="L", kind="PNG", size=(40, 30)):
    file, rng = io.BytesIO(), np.random.default_rng(seed)
    if mode == "I;16":
        Image.fromarray(rng.integers(0, 4096, size[::-1], dtype=np.uint16)).save(file, kind)
    else:
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).convert(mode).save(file, kind)
    return file.getvalue()


PLAIN = {
    **{f"good/{row:02d} é.png": picture(row) for row in range(40)},
    **{f"bad/hole/{row}.png": picture(100 + row, "RGB") for row in range(4)},
    **{f"bad/dent/{row}.jpg": picture(200 + row, "RGB", "JPEG") for row in range(3)},
    "ground_truth/hole/0_mask.png": picture(300, "1"),
    "ground_truth/hole/1_mask.png": picture(301, "1", size=(9, 9)),  # of another size: left out
    "notes.txt": b"seen",
}
MVTEC = {
    **{f"train/good/{row}.tif": picture(row, "I;16", "TIFF") for row in range(6)},
    **{f"test/good/{row}.png": picture(50 + row, "I;16") for row in range(3)},
    **{f"test/hole/{row}.png": picture(80 + row, "I;16") for row in range(3)},
}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(remote, "PAUSES", (0.0, 0.0))
    Storage.start()
    return tmp_path


def choose(address=None, **data):
    set_params(
        ROOT / "params.yaml", paths.PARAMS,
        {"data": {"source": "folder", "category": "bolts", "folder": {"address": address}, **data}},
    )  # fmt: skip


def save(content):
    for name, data in content.items():
        path = paths.DATA / "bolts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def put(content, address="flaky://line"):
    fsspec.filesystem(address.partition(":")[0]).pipe({f"/line/bolts/{name}": data for name, data in content.items()})


def ran(capsys):
    """What both stages wrote, and what they said, but for where the pictures lie."""
    download()
    preprocess()
    said = capsys.readouterr().out.replace("flaky://line", "data").replace("s3://line", "data")
    return {path: path.read_bytes() if path.exists() else None for path in RESULTS}, said


def refusal(work):
    with pytest.raises(IadError) as caught:
        work()
    return str(caught.value)


def files_left():
    return [path for path in paths.STAGES.rglob("*") if path.is_file()]


@pytest.mark.parametrize("content", [PLAIN, MVTEC], ids=["plain", "mvtec, 16 bits"])
def test_results_are_those_of_the_same_folder_on_disk_bit_for_bit(content, capsys):
    save(content)
    choose()
    expected = ran(capsys)
    put(content)
    choose("flaky://line")
    assert ran(capsys) == expected


@needs_s3
def test_results_from_s3_are_those_of_the_same_folder_on_disk_bit_for_bit(monkeypatch, capsys):
    save(PLAIN)
    choose()
    expected = ran(capsys)
    with s3_server(monkeypatch) as client:
        client("create_bucket", Bucket="line")
        for name, data in PLAIN.items():
            client("put_object", Bucket="line", Key=f"bolts/{name}", Body=data)
        choose("s3://line")
        assert ran(capsys) == expected


def test_no_picture_is_kept_and_a_second_look_at_the_same_pictures_writes_the_same_bytes():
    put(PLAIN)
    choose("flaky://line")
    download()
    first = {path: path.read_bytes() for path in files_left()}
    assert not any(data[20:200] in kept for data in PLAIN.values() for kept in first.values() if len(data) > 200)
    assert set(first) == {paths.ORIGINALS, paths.RAW_MANIFEST}
    put(PLAIN)  # copied anew: another time, the same content
    download()
    assert {path: path.read_bytes() for path in files_left()} == first


def test_each_stage_reads_each_picture_once():
    put(MVTEC)
    choose("flaky://line", category="bolts")
    Storage.calls = 0
    download()
    folders = 1 + 2 + 3  # the listing: the top, train and test, and those in them
    assert Storage.calls == folders + len(MVTEC)
    preprocess()
    read_again = len(MVTEC)  # all are dark on the scale of 16 bits, so the check of levels looks at their values
    assert Storage.calls == folders + 2 * len(MVTEC) + read_again


def test_several_pictures_are_waited_for_at_once_by_either_stage(monkeypatch):
    put(PLAIN)
    choose("flaky://line")
    monkeypatch.setattr(Storage, "async_impl", True)
    Storage.wait = 0.05
    for stage in (download, preprocess):
        Storage.most = 0
        stage()
        assert Storage.most > 8


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda: put({"good/03 é.png": picture(999)}), "good/03 é.png: not the picture that `download` read; run `dvc"),
        (lambda: Storage().rm("/line/bolts/good/03 é.png"), "good/03 é.png: not there; put it back, or run `dvc"),
        (lambda: put({"ground_truth/hole/0_mask.png": picture(9, "1")}), "0_mask.png: not the picture that `download`"),
    ],
)
def test_a_picture_that_changed_since_download_stops_preprocess_by_name(change, told):
    put(PLAIN)
    choose("flaky://line")
    download()
    change()
    before = files_left()
    line = refusal(preprocess)
    assert told in line
    assert line.startswith("flaky://line/bolts/")
    assert files_left() == before


def test_a_network_that_breaks_half_way_leaves_nothing():
    put(PLAIN)
    choose("flaky://line")
    Storage.fails = [None] * 20 + [broken()] * 100
    assert "cannot be read ([Errno 104] Connection reset by peer); check the network" in refusal(download)
    assert not files_left()
    Storage.fails = []
    download()
    before = files_left()
    Storage.fails = [None] * 20 + [broken()] * 100
    assert "check the network" in refusal(preprocess)
    assert files_left() == before


@pytest.mark.parametrize(
    "change",
    [
        {"good/03 é.png": b""},
        {"good/x.png": b"text"},
        {"bad/good/1.png": picture(1)},
        {f"bad/copy {row}.png": PLAIN[f"good/0{row} é.png"] for row in range(8)},  # some train
        {"ground_truth/hole/9_mask.png": picture(9)},
        {"good/1.gif": b"GIF89a"},
        {"other/1.png": picture(2)},
    ],
)  # fmt: skip
def test_refusals_are_those_of_a_folder_on_disk(change):
    save(PLAIN | change)
    choose()
    expected = refusal(download)
    put(PLAIN | change)
    choose("flaky://line")
    assert refusal(download).replace("flaky://line", "data") == expected
    assert not files_left()


def test_originals_are_read_by_their_name_from_any_thread_and_after_pickling():
    put(PLAIN)
    choose("flaky://line")
    download()
    with Originals(paths.ORIGINALS) as originals:
        assert originals.remote
        again = pickle.loads(pickle.dumps(originals))  # noqa: S301  # our own
        names = [name for name in PLAIN if name not in ("notes.txt", "ground_truth/hole/1_mask.png")]
        assert originals.sizes(names).tolist() == [len(PLAIN[name]) for name in names]
    with again, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(again.read, names)) == list(again.stream(names)) == [PLAIN[name] for name in names]
        assert "has no 'x.png'; run `dvc repro --force download`" in refusal(lambda: again.read("x.png"))
        assert "has no 'x.png'; run `dvc repro --force download`" in refusal(lambda: again.sizes(["x.png"]))


def test_a_damaged_record_is_refused_with_the_command_that_mends_it():
    put(PLAIN)
    choose("flaky://line")
    download()
    data = bytearray(paths.ORIGINALS.read_bytes())
    data[len(data) // 2] ^= 255
    paths.ORIGINALS.unlink()
    paths.ORIGINALS.write_bytes(data)
    assert "images.zip: not a readable ZIP file" in refusal(preprocess)


def test_the_record_holds_where_and_what_and_nothing_else():
    put(PLAIN)
    choose("flaky://line")
    download()
    with ZipFile(paths.ORIGINALS) as archive:
        assert archive.read(archive.namelist()[0]) == b'{"address": "flaky://line/bolts"}'
        assert len(archive.namelist()) == 2


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIA:secret@host/line", "https://secret@host/line", "https://host/line?X-Amz-Signature=secret",
        "simplecache::s3://secret/line", "secret/line", "", "s3://secret line",
    ],
)  # fmt: skip
def test_an_address_with_a_secret_or_without_a_scheme_is_refused_and_not_repeated(address):
    choose(address)
    line = refusal(load_params)
    assert line.startswith("params.yaml: data.folder.address: ")
    assert "secret" not in line


def test_a_container_before_the_host_is_no_secret():
    choose("abfs://line@account.dfs.core.windows.net/parts")
    assert load_params().data.folder.address == "abfs://line@account.dfs.core.windows.net/parts"


@pytest.mark.parametrize("category", ["../nuts", "/nuts"])
def test_a_category_that_leaves_the_address_is_refused(category):
    choose("flaky://line", category=category)
    assert f"data.category = '{category}' leaves flaky://line" in refusal(download)
