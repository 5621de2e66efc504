"""`iad predict` on a tiny project. The oracle is the pipeline: its scores, its thresholds, its maps."""

import csv
import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from iad import cli, paths
from iad.bundles.predictor import load
from iad.bundles.verdicts import COLUMNS
from iad.data.manifest import read_manifest
from iad.detectors.maps import FullMaps
from iad.errors import IadError
from iad.io import read_json, read_table
from tests.bundled import METHODS, PICTURES, WITH_MAPS, bundle_of, iad, pictures_of

INPUT = r"(is an input itself; name another|lies in an input \(.*\), which|an input lies in it \(.*\); name)"

PASSED, REJECTED, UNREAD = 0, 3, 4


pytestmark = pytest.mark.usefixtures("as_the_pipeline")


@pytest.fixture
def sorted_out(project):
    """A bundle, and the test pictures that it passes and rejects."""
    file = bundle_of("vit")
    verdicts = list(load(file).predict(PICTURES / "test"))
    found = file, *([one.path for one in verdicts if one.rejected == wanted] for wanted in (False, True))
    assert all(found)
    return found


def predicted(*arguments, code=None):
    return iad("predict", *arguments, code=code)


def refused(*arguments, match):
    with pytest.raises(IadError, match=match) as caught:
        predicted(*arguments)
    assert "\n" not in str(caught.value)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# scores


@pytest.mark.parametrize("method", METHODS)
def test_scores_and_verdicts_are_those_of_the_pipeline(project, method):
    file = bundle_of(method)
    predicted(file, PICTURES / "test", "--out", "a.csv")
    rows, table = rows_of(Path("a.csv")), read_table(paths.SCORE / method / paths.TEST_SCORES)
    threshold = read_json(paths.THRESHOLD / method / paths.THRESHOLD_FILE)["value"]
    assert {row["image_id"]: float(row["score"]) for row in rows} == dict(
        zip(table["image_id"], table["score"], strict=True)
    )
    assert [row["rejected"] == "True" for row in rows] == [float(row["score"]) >= threshold for row in rows]


def test_every_kind_of_table_holds_the_same_to_the_last_digit(sorted_out):
    file, passed, rejected = sorted_out
    Path("torn.png").write_bytes(b"torn")
    train = pictures_of("train")[0]
    given = (passed[0], rejected[0], "torn.png", train)
    for suffix in ("csv", "jsonl", "parquet", "CSV"):
        predicted(file, *given, "--out", f"a.{suffix}", code=REJECTED)
    verdicts = list(load(file).predict(given, errors="return"))
    lines = [json.loads(line) for line in Path("a.jsonl").read_text(encoding="utf-8").splitlines()]
    parquet, text = pd.read_parquet("a.parquet"), rows_of(Path("a.csv"))
    assert Path("a.CSV").read_bytes() == Path("a.csv").read_bytes()
    assert tuple(parquet.columns) == tuple(lines[0]) == tuple(text[0]) == COLUMNS
    assert COLUMNS == ("image_id", "path", "score", "p_value", "rejected", "known", "error")
    for row, one in enumerate(verdicts):
        unread = bool(one.error)
        expected = {
            "image_id": one.image_id, "path": one.path.as_posix(), "score": one.pred_score, "p_value": one.p_value,
            "rejected": one.rejected, "known": one.known, "error": one.error,
        }  # fmt: skip
        for name, value in expected.items():
            missing = unread and name in ("score", "p_value", "rejected")
            assert lines[row][name] == (None if missing else value)
            assert text[row][name] == ("" if missing else str(value))
            assert pd.isna(parquet[name][row]) if missing else parquet[name][row] == value
    assert [one.error != "" for one in verdicts] == [False, False, True, False]
    assert [one.known for one in verdicts] == [False, False, False, True]


def test_the_table_on_the_screen_names_each_picture_and_says_what_was_found(sorted_out):
    file, passed, rejected = sorted_out
    shown = predicted(file, passed[0], rejected[0], pictures_of("train")[0], code=REJECTED).splitlines()
    assert shown[0].split() == ["picture", "verdict", "score", "p"]
    cells = [line.split() for line in shown[2:5]]
    one, two = load(file).predict([passed[0], rejected[0]])
    assert cells[0] == [one.name, "passed", f"{one.pred_score:.4f}", f"{one.p_value:.4f}"]
    assert cells[1] == [two.name, "rejected", f"{two.pred_score:.4f}", f"{two.p_value:.4f}"]
    assert shown[-2].startswith("1 is a picture that the bundle was made of, so the verdict says nothing: ")
    threshold = load(file).threshold
    assert shown[-1] == f"1 of 3 rejected (score >= {threshold:.4f})"
    quiet = predicted(file, passed[0], "--out", "a.csv", code=PASSED)  # the table is in the file
    assert quiet == f"0 of 1 rejected (score >= {threshold:.4f})\n"


def test_two_folders_may_hold_the_same_names_and_a_picture_named_twice_counts_once(sorted_out):
    file, passed, rejected = sorted_out
    for folder, picture in (("one", passed[0]), ("two", rejected[0])):
        Path(folder).mkdir()
        Path(folder, "a.png").write_bytes(picture.read_bytes())
    predicted(file, "one", "two", "one/a.png", "./two", "--out", "a.jsonl", code=REJECTED)
    rows = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert [(row["image_id"], row["path"], row["rejected"]) for row in rows] == [
        ("a.png", "one/a.png", False), ("a.png", "two/a.png", True),
    ]  # fmt: skip


# exit codes, and pictures that cannot be read


def test_the_exit_code_says_what_was_found_and_help_says_what_it_means(sorted_out):
    file, passed, rejected = sorted_out
    Path("torn.png").write_bytes(b"torn")
    assert "0 of 1 rejected" in predicted(file, passed[0], code=PASSED)
    assert "1 of 2 rejected" in predicted(file, passed[0], rejected[0], code=REJECTED)
    shown = predicted(file, passed[0], "torn.png", code=UNREAD)
    assert "not read: torn.png: " in shown
    assert "0 of 1 rejected" in shown
    assert shown.splitlines()[-1].endswith(", 1 not read")
    assert "1 of 1 rejected" in predicted(file, "torn.png", rejected[0], code=REJECTED)
    assert "nothing inspected: 1 picture not read" in predicted(file, "torn.png", code=UNREAD)
    text = " ".join(predicted("--help", code=0).split())
    for said in ("0 - every picture passed", "3 - one or more were rejected", "4 - none was rejected, but one or more"):
        assert said in text


def test_pictures_that_cannot_be_read_are_told_and_passed_over(sorted_out):
    file, passed, _ = sorted_out
    Path("new").mkdir()
    Path("new/a.png").write_bytes(passed[0].read_bytes())
    Path("new/b.png").write_bytes(passed[0].read_bytes()[:300])
    Path("new/c.heic").write_bytes(b"a kind that is not read")
    Path("new/d.jpg").write_bytes(passed[0].read_bytes())
    Path("new/e.png").write_bytes(b"")
    Image.new("CMYK", (9, 9)).save("new/f.tif")
    Path("new/notes.txt").write_text("no picture")
    shown = predicted(file, "new", "--out", "a.jsonl", "--maps", "maps", code=UNREAD)
    rows = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert [row["image_id"] for row in rows] == ["a.png", "b.png", "c.heic", "d.jpg", "e.png", "f.tif"]
    assert [row["score"] is None for row in rows] == [False, True, True, True, True, True]
    assert shown.count("not read: new/") == 5
    assert all("\n" not in row["error"] for row in rows)
    assert [path.name for path in Path("maps").iterdir()] == ["a.png"]


def test_a_picture_that_vanishes_in_between_is_told_and_passed_over(sorted_out, monkeypatch):
    file, passed, _ = sorted_out
    Path("new").mkdir()
    for name in "ab":
        Path(f"new/{name}.png").write_bytes(passed[0].read_bytes())
    from iad.bundles import predictor

    def late(*args, **options):
        Path("new/a.png").unlink()
        return load(*args, **options)

    monkeypatch.setattr(predictor, "load", late)
    assert "not read: new/a.png: cannot be read (No such file" in predicted(file, "new", code=UNREAD)


def test_places_without_pictures_are_refused(project):
    file = bundle_of("ae")
    Path("empty").mkdir()
    refused(file, "empty", match="^empty: no picture in this folder")
    refused(file, PICTURES, "nowhere", match="^nowhere: no such file or folder")
    refused("nowhere.iad", PICTURES, match=r"^nowhere\.iad: no such file")
    refused(file, PICTURES, "--device", "gpu", match="gpu: not on this machine")
    refused(file, PICTURES, "--weights", "wheel", match="has no backbone")
    assert "Missing argument" in predicted(file, code=2)


# names


def test_a_name_cannot_steer_the_terminal(sorted_out):
    file, passed, _ = sorted_out
    names = ["\x1b[2Jred.png", "two\nlines.png", "back\x08.png", "\x9bcsi.png"]
    Path("new").mkdir()
    for name in names:
        Path("new", name).write_bytes(passed[0].read_bytes())
    Path("new", "torn\x1b]0;.png").write_bytes(b"torn")
    shown = predicted(file, "new", "--out", "a.jsonl", code=UNREAD) + predicted(file, "new", code=UNREAD)
    assert not any((ord(letter) < 32 and letter != "\n") or 127 <= ord(letter) < 160 for letter in shown)
    assert "new/?[2Jred.png" in shown
    assert "new/two?lines.png" in shown
    rows = [json.loads(line) for line in Path("a.jsonl").read_text(encoding="utf-8").split("\n") if line]
    assert {row["image_id"] for row in rows} >= set(names)  # the table has them as they are


def test_a_refusal_is_one_line_without_control_characters_too(project, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["iad", "predict", "no\n\x1b[2Jsuch.iad", "pictures"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.count("\n") == 1
    assert "\x1b" not in said


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_that_cannot_show_a_name_loses_no_result(sorted_out, monkeypatch, encoding):
    file, passed, _ = sorted_out
    Path("零件.png").write_bytes(passed[0].read_bytes())

    def shown(*options):
        console = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", console)
        monkeypatch.setattr(sys, "argv", ["iad", "predict", str(file), "零件.png", *options])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        console.flush()
        return ended.value.code, console.buffer.getvalue()

    assert shown("--out", "a.csv")[0] == PASSED
    (one,) = load(file).predict("零件.png")
    assert [(row["image_id"], float(row["score"])) for row in rows_of(Path("a.csv"))] == [("零件.png", one.pred_score)]
    code, table = shown()
    assert code == PASSED
    assert table.splitlines()[2].split()[:2] == [b"??.png", b"passed"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_whose_name_is_no_unicode_can_be_named(sorted_out):
    file, passed, _ = sorted_out
    folder = Path(os.fsdecode(b"caf\xe9"))
    folder.mkdir()
    (folder / "a.png").write_bytes(passed[0].read_bytes())
    assert "caf?/a.png" in predicted(file, folder, code=PASSED)
    for suffix in ("csv", "jsonl", "parquet"):
        predicted(file, folder, "--out", f"a.{suffix}", code=PASSED)
    assert json.loads(Path("a.jsonl").read_text())["path"] == pd.read_parquet("a.parquet")["path"][0] == "caf?/a.png"


# maps


@pytest.mark.parametrize("method", WITH_MAPS)
def test_overlays_are_red_exactly_where_the_map_reaches_the_bundles_threshold(project, method):
    file = bundle_of(method)
    maps = load(file).bundle.maps
    predicted(file, PICTURES / "test", "--maps", "maps")
    drawn = sorted(path.relative_to("maps") for path in Path("maps").rglob("*.png"))
    assert drawn == [path.relative_to(PICTURES / "test") for path in pictures_of("test")]
    full = FullMaps(np.load(paths.SCORE / method / paths.TEST_MAPS), 64, maps.sigma * 64)
    manifest = read_manifest(paths.MANIFEST)
    place = {image_id: row for row, image_id in enumerate(manifest["image_id"][manifest["split"] == "test"])}
    marked = 0
    for path in drawn:
        pixels = np.asarray(Image.open("maps" / path)).astype(int)
        red = pixels[..., 0] > pixels[..., 2]
        np.testing.assert_array_equal(red, full[place[path.as_posix()]] >= maps.red)
        marked += red.sum()
    assert 0 < marked < 64 * 64 * len(drawn)


def test_an_overlay_has_the_size_of_its_picture_and_no_two_share_a_file(project):
    file = bundle_of("patch_vit")
    Path("wide").mkdir()
    Image.open(pictures_of("test")[0]).resize((90, 40)).save("wide/a.png")
    predicted(file, "wide", "--maps", "maps")
    assert Image.open("maps/a.png").size == (90, 40)
    Image.open("wide/a.png").save("wide/a.jpg")
    refused(file, "wide", "--maps", "others", match=r"a\.jpg and wide.a\.png would share the overlay a\.png")
    assert not Path("others").exists()


def test_overlays_of_several_folders_lie_in_folders_of_their_names(project):
    file, picture = bundle_of("ae"), pictures_of("test")[0]
    for name in ("one/a.png", "two/deep/a.png", "b.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(picture.read_bytes())
    predicted(file, "one", "two", "b.png", "--maps", "maps")
    drawn = sorted(path.relative_to("maps").as_posix() for path in Path("maps").rglob("*.png"))
    assert drawn == ["b.png", "one/a.png", "two/deep/a.png"]


def test_an_overlay_that_cannot_be_written_is_told_and_the_verdicts_stand(project):
    one, other, third = pictures_of("test")[:3]
    for picture, name in ((one, "a.jpg"), (other, "a.png/b.png"), (third, f"{'x' * 251}.png")):
        (Path("odd") / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("jpg"):
            Image.open(picture).convert("RGB").save(Path("odd") / name)  # its overlay is a.png, here a folder
        else:
            (Path("odd") / name).write_bytes(picture.read_bytes())
    shown = predicted(bundle_of("vit"), "odd", "--maps", "maps", "--out", "a.csv")
    assert [row["error"] for row in rows_of(Path("a.csv"))] == ["", "", ""]
    assert len([line for line in shown.splitlines() if line.startswith("no overlay: maps/a.png")]) == 1
    assert len([path for path in Path("maps").rglob("*.png") if path.is_file()]) == 2


def test_a_method_without_maps_says_so(project):
    file = bundle_of("lof")
    refused(file, PICTURES, "--maps", "maps", match=rf"^{file}: lof gives no maps; leave --maps out")
    assert not Path("maps").exists()


# outputs


def test_what_is_there_is_replaced_only_by_force(sorted_out):
    file, passed, _ = sorted_out
    Path("a.csv").write_text("mine")
    Path("maps").mkdir()
    Path("maps/mine.txt").write_text("mine")
    refused(file, passed[0], "--out", "a.csv", match=r"^a\.csv: exists already; choose another name, or say --force")
    refused(file, passed[0], "--maps", "maps", match=r"^maps: holds files already; .*--force")
    assert Path("a.csv").read_text() == "mine"
    predicted(file, passed[0], "--out", "a.csv", "--maps", "maps", "--force", code=PASSED)
    assert len(rows_of(Path("a.csv"))) == 1
    assert {path.name for path in Path("maps").iterdir()} == {"mine.txt", passed[0].name}


def test_no_output_is_an_input_or_lies_in_or_around_one(sorted_out):
    file, passed, _ = sorted_out
    Path("new").mkdir()
    Path("new/a.png").write_bytes(passed[0].read_bytes())
    Path("link").symlink_to("new")
    Path("linked").mkdir()
    Path("linked/b.png").symlink_to(Path("new/a.png").absolute())
    Path("pic.csv").write_bytes(passed[0].read_bytes())  # a picture by its content, whatever it is called
    Path("b.csv").hardlink_to("pic.csv")
    bundle_as_table = Path("bundle.csv")
    bundle_as_table.write_bytes(file.read_bytes())
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    for force in ([], ["--force"]):
        for maps in ("new", "link", "new/maps", "link/maps", ".", "..", "new/../new"):
            refused(file, "new", "--maps", maps, *force, match=f"^{re.escape(maps)}: {INPUT}")
        refused(file, "new/a.png", "--maps", "new", *force, match=INPUT)
        refused(file, "new", "--maps", "bundles", *force, match=r"^bundles: an input lies in it .* folder of its own")
        refused(file, "pic.csv", "--out", "pic.csv", *force, match="is an input itself")
        refused(file, "pic.csv", "--out", "b.csv", *force, match="is an input itself")
        refused(bundle_as_table, "new", "--out", bundle_as_table, *force, match="is an input itself")
        # a link to a picture is an input where it lies, and where it leads
        for maps in ("linked", "new"):
            refused(file, "linked/b.png", "--maps", maps, *force, match=INPUT)
        refused(file, "new/a.png", "--out", "a.csv", "--maps", "a.csv", *force, match=r"is the table too \(a\.csv\)")
        refused(file, "new/a.png", "--out", "a.csv", "--maps", "a.csv/b", *force, match=r"is the table too \(a\.csv\)")
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_table_may_lie_beside_its_pictures(sorted_out):
    file, passed, _ = sorted_out
    Path("new").mkdir()
    Path("new/a.png").write_bytes(passed[0].read_bytes())
    predicted(file, "new", "--out", "new/verdicts.csv", code=0)
    predicted(file, "new", "--out", "new/verdicts.csv", "--force", code=0)
    assert [row["image_id"] for row in rows_of(Path("new/verdicts.csv"))] == ["a.png"]


def test_a_folder_by_a_name_in_other_letters_is_the_same_where_the_system_says_so(sorted_out, monkeypatch):
    file, passed, _ = sorted_out
    Path("new").mkdir()
    Path("new/a.png").write_bytes(passed[0].read_bytes())

    def folded(path):  # as on Windows and macOS
        return path if os.path.lexists(path) else Path(*(part.lower() for part in path.parts))

    real_stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **options: real_stat(folded(path), **options))
    monkeypatch.setattr(Path, "exists", lambda path, **_: os.path.exists(folded(path)))  # noqa: PTH110
    refused(file, "new", "--maps", "NEW", "--force", match=INPUT)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--out", "a.txt"), r"^a\.txt: what kind of table is '\.txt'\? Use one of \.csv \(CSV\), \.jsonl .*\.parquet"),
        (("--out", "verdicts"), "what kind of table is ''"),
        (("--out", "pictures.csv/"), "a folder; name a file"),
        (("--out", "params.yaml/a.csv"), "cannot be written"),
        (("--maps", "params.yaml"), "a file; name a folder"),
    ],
)
def test_outputs_that_cannot_be_written_are_refused_before_anything_is_computed(project, monkeypatch, options, said):
    file = bundle_of("ae")
    Path("pictures.csv").mkdir()

    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr("iad.bundles.predictor.load", never)
    refused(file, PICTURES, *options, match=said)


def test_a_table_that_cannot_be_finished_leaves_nothing(sorted_out, monkeypatch):
    file, passed, _ = sorted_out
    before = set(Path().iterdir())

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    for suffix in ("csv", "jsonl", "parquet"):
        refused(file, passed[0], "--out", f"a.{suffix}", match=rf"^a\.{suffix}: the disk is full")
    assert set(Path().iterdir()) == before


def test_ctrl_c_leaves_nothing_half_written(sorted_out, monkeypatch):
    file, passed, _ = sorted_out

    def interrupted(part, *_, **__):
        part.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr("pandas.DataFrame.to_csv", lambda _, part, **__: interrupted(part))
    monkeypatch.setattr(sys, "argv", ["iad", "predict", str(file), str(passed[0]), "--out", "a.csv"])
    before = set(Path().iterdir())
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert set(Path().iterdir()) == before
