"""Data sets of several categories come from a download (a server here), a copy of the archive, or a folder."""

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import pytest

from iad.data.manifest import sorted_pictures
from iad.data.sources import btad, load_pictures, mvtec_ad2, mvtec_loco, visa
from iad.errors import IadError

LOCO = ["train/good/0.png", "validation/good/1.png", "test/good/2.png", "test/logical_anomalies/3.png",
        "ground_truth/logical_anomalies/3/000.png"]  # fmt: skip
AD2 = ["train/good/0.png", "validation/good/1.png", "test_public/good/2.png", "test_public/bad/3.png",
       "test_public/ground_truth/bad/3_mask.png", "test_private/4.png"]  # fmt: skip
BTAD = ["train/ok/0.bmp", "test/ok/1.bmp", "test/ko/2.bmp", "ground_truth/ko/2.png"]
VISA = ["Data/Images/Normal/0.JPG", "Data/Images/Normal/1.JPG", "Data/Images/Anomaly/2.JPG", "Data/Masks/Anomaly/2.png"]


def visa_split(category):
    images, masks = f"{category}/Data/Images", f"{category}/Data/Masks"
    return (
        f"{category},train,normal,{images}/Normal/0.JPG,\n{category},test,normal,{images}/Normal/1.JPG,\n"
        f"{category},test,anomaly,{images}/Anomaly/2.JPG,{masks}/Anomaly/2.png\n"
    )


def files(source):
    """What the archive of a source holds, of two of its categories."""
    names = {"mvtec_loco": LOCO, "mvtec_ad2": AD2, "btad": BTAD, "visa": VISA}[source]
    module = MODULES[source]
    found = {f"{category}/{name}": name for category in module.CATEGORIES[:2] for name in names}
    if source == "mvtec_loco":
        found |= {f"{category}/defects_config.json": "[]" for category in module.CATEGORIES[:2]}
    if source == "visa":
        rows = "".join(map(visa_split, module.CATEGORIES[:2]))
        found["split_csv/1cls.csv"] = f"object,split,label,image,mask\n{rows}"
    return found


MODULES = {"mvtec_loco": mvtec_loco, "mvtec_ad2": mvtec_ad2, "btad": btad, "visa": visa}
SPLITS = {
    "mvtec_loco": ["calibration", "test", "test", "train"], "mvtec_ad2": ["calibration", "test", "test", "train"],
    "btad": ["test", "test", "train"], "visa": ["test", "test", "train"],
}  # fmt: skip


def archived(source):
    """The archive of a source, as bytes."""
    data = io.BytesIO()
    if MODULES[source].ARCHIVE_URL.endswith(".zip"):
        with ZipFile(data, "w") as archive:
            for name, content in files(source).items():
                archive.writestr(f"BTech_Dataset_transformed/{name}", content)
        return data.getvalue()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files(source).items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return data.getvalue()


class Server(ThreadingHTTPServer):
    """Serves one file, and counts how often."""

    def __init__(self, content):
        self.content, self.asked = content, 0
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=MODULES)
def source(request):
    return request.param


@pytest.fixture
def server(source, monkeypatch):
    content, module = archived(source), MODULES[source]
    server = Server(content)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    name = module.ARCHIVE_URL.rpartition("/")[2]
    monkeypatch.setattr(module, "ARCHIVE_URL", f"http://127.0.0.1:{server.server_port}/{name}")
    monkeypatch.setattr(module, "ARCHIVE_SHA256", hashlib.sha256(content).hexdigest())
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def load(source, path, row=0):
    category = MODULES[source].CATEGORIES[row]
    options = {"path": None if path is None else str(path)}
    return sorted_pictures(load_pictures(source, category, seed=0, options=options, root=Path()))


def written(source, folder):
    for name, content in files(source).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def test_the_archive_is_downloaded_once_and_unpacked_by_category(source, server):
    first = load(source, None)
    assert sorted(picture.split for picture in first) == SPLITS[source]
    assert [picture.read().decode() for picture in first] == [
        picture.image_id.partition("/")[2] if source == "visa" else picture.image_id for picture in first
    ]
    [defective] = [picture for picture in first if picture.label]
    assert defective.mask is not None
    load(source, None, row=1)
    load(source, None)
    assert server.asked == 1


def test_a_copy_of_the_archive_or_the_folder_is_read_without_a_download(source, server, tmp_path):
    suffix = MODULES[source].ARCHIVE_URL.rpartition("/")[2]
    (tmp_path / suffix).write_bytes(archived(source))
    wanted = [(picture.image_id, picture.split, picture.defect) for picture in load(source, None)]
    for path in (tmp_path / suffix, written(source, tmp_path / "all")):
        assert [(picture.image_id, picture.split, picture.defect) for picture in load(source, path)] == wanted
    assert server.asked == 1


def test_another_file_than_the_published_one_is_refused_and_deleted(source, server, monkeypatch, cache):
    monkeypatch.setattr(MODULES[source], "ARCHIVE_SHA256", "0" * 64)
    with pytest.raises(IadError, match=rf"the download has sha256 .* set data\.{source}\.path to a copy"):
        load(source, None)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_an_archive_that_is_cut_leaves_nothing(source, tmp_path, cache):
    name = MODULES[source].ARCHIVE_URL.rpartition("/")[2]
    (tmp_path / name).write_bytes(archived(source)[:700])
    with pytest.raises(IadError, match="cut short"):
        load(source, tmp_path / name)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_an_unknown_category_and_a_path_that_leads_nowhere_are_refused(source, tmp_path):
    with pytest.raises(IadError, match=r"unknown .* category 'x'"):
        load_pictures(source, "x", seed=0, options={"path": None}, root=Path())
    with pytest.raises(IadError, match=rf"^data\.{source}\.path = .*none: there is no such file"):
        load(source, tmp_path / "none")
    with pytest.raises(IadError, match=rf"^data\.{source}\.path = .*: holds neither a folder"):
        load(source, tmp_path)


@pytest.mark.parametrize("name", ["../x.bmp", "/x.bmp", "top/../../x.bmp", "01\\..\\x.bmp", "C:x.bmp"])
def test_a_member_of_a_zip_that_climbs_out_is_refused(tmp_path, cache, name):
    with ZipFile(tmp_path / "btad.zip", "w") as archive:
        archive.writestr("01/train/ok/1.bmp", b"x")
        archive.writestr(ZipInfo(name), b"x")
    with pytest.raises(IadError, match="climbs out of its folder"):
        load("btad", tmp_path / "btad.zip")
    assert [path for path in cache.rglob("*") if path.is_file()] == []
