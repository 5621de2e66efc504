"""Tables, manifests of Lookout for Vision and Datumaro are read, and each bad row is refused by its line."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from tests.data.layouts.trees import facts, marked, png, read, refusal

PICTURES = ["a.png", "b.png", "c.png"]


def table(text, *names, **more):
    return dict.fromkeys([*PICTURES, *names]) | {"labels.csv": text} | more


TABLES = {
    "words": "path,label\na.png,ok\nb.png,OK\nc.png,NG\n",
    "semicolons, as a spreadsheet writes them": "File Name;Result\r\na.png;pass\r\nb.png;pass\r\nc.png;reject\r\n",
    "tabs and a mark at its start": "\ufeffimage\tstatus\na.png\tgood\nb.png\tgood\nc.png\tbad\n",
    "numbers that say what they mean": "filename,is_defective\na.png,0\nb.png,0\nc.png,1\n",
    "the other way round": "filename,good\na.png,1\nb.png,true\nc.png,0\n",
    "kinds alone": "path,defect\na.png,\nb.png,good\nc.png,scratch\n",
    "backslashes": "path,label\na.png,ok\n.\\b.png,OK\nc.png,NG\n",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_a_table_is_read_by_the_usual_names_of_its_columns(text):
    found = read(table(text))
    assert found.title == "a table of pictures"
    assert {name: fact[1] for name, fact in facts(found).items()} == {"a.png": 0, "b.png": 0, "c.png": 1}
    assert sorted(fact[0] for fact in facts(found).values()) == ["test", "test", "train"]


def test_a_table_with_everything():
    text = (
        "path,label,defect,split,mask,serial\n"
        "a.png,good,,train,,S1\nb.png,good,,test,,S2\nc.png,bad,hole,test,m/c.png,S3\nd.png,good,,val,,S4\n"
    )
    found = read(table(text, "d.png", "m/c.png"))
    assert facts(found) == {
        "a.png": ("train", 0, "good", None, "S1"),
        "b.png": ("test", 0, "good", None, "S2"),
        "c.png": ("test", 1, "hole", "m/c.png", "S3"),
        "d.png": ("calibration", 0, "good", None, "S4"),
    }
    assert "4 groups of up to 1 picture, each on one side" in found.notes


def test_parquet_is_the_same():
    file = io.BytesIO()
    pd.DataFrame({"path": PICTURES, "defective": [0, 0, 1], "mask": [None, None, "m.png"]}).to_parquet(file)
    found = read({**dict.fromkeys([*PICTURES, "m.png"]), "labels.parquet": file.getvalue()})
    assert {name: fact[1:4:2] for name, fact in facts(found).items()} == {
        "a.png": (0, None), "b.png": (0, None), "c.png": (1, "m.png"),
    }  # fmt: skip


def test_paths_may_be_those_below_the_folder_of_the_table():
    found = read(
        dict.fromkeys(["lists/a.png", "lists/b.png"]) | {"lists/t.csv": "path,label\na.png,ok\nb.png,ok\n"},
        table="lists/t.csv",
        layout="table",
    )
    assert set(facts(found)) == {"lists/a.png", "lists/b.png"}


def test_defective_pictures_listed_for_training_count_as_test_and_pictures_in_no_row_are_told():
    found = read(table("path,label,split\na.png,ok,train\nc.png,ng,train\nb.png,ok,test\n", "d.png"))
    assert facts(found)["c.png"][0] == "test"
    assert found.notes == [
        "1 defective picture is listed for train and count as test: only good ones are learnt from",
        "1 picture in no row left out: d.png",
    ]


BAD_TABLES = {
    "path,label\na.png,ok\nz.png,ok\n": "/labels.csv, line 3: there is no picture data/x/z.png",
    "path,label\na.png,ok\na.png,ok\n": "/labels.csv, line 3: a.png again, after labels.csv, line 2",
    "path,label\na.png,ok\n./a.png,ok\n": "/labels.csv, line 3: a.png again",
    "path,label\na.png,ok\nb.png,goood\n": "/labels.csv, line 3: 'goood' says neither good nor defective",
    "path,label\na.png,ok\nb.png,\n": "/labels.csv, line 3: label is empty",
    "path,label\na.png,ok\n../b.png,ok\n": "/labels.csv, line 3: ../b.png leads out of the folder",
    "path,label\na.png,ok\n/etc/b.png,ok\n": "/labels.csv, line 3: /etc/b.png leads out of the folder",
    "path,label\na.png,ok\nC:\\x\\b.png,ok\n": "/labels.csv, line 3: C:\\x\\b.png leads out of the folder",
    "path,label\na.png,0\nb.png,1\n": "/labels.csv, line 2: label = 0 may mean good or defective",
    "path,defective\na.png,0\nb.png,2\n": "/labels.csv, line 3: defective = '2' is neither 0 nor 1",
    "path,label,split\na.png,ok,train\nb.png,ok,somewhere\n": "/labels.csv, line 3: split 'somewhere' is none of train",
    "path,label,split\na.png,ok,train\nb.png,ok,\n": "/labels.csv, line 3: no split, which other rows have",
    "path,label,mask\na.png,ok,\nc.png,ng,m.png\n": "/labels.csv, line 3: there is no mask data/x/m.png",
    "path,label,defect\na.png,ok,hole\n": "/labels.csv, line 2: called good ('ok') and defective ('hole')",
    "path,label\na.png,ok\nb.png\n": "/labels.csv, line 3: 1 values for 2 columns",
    "path,label\n": ": labels.csv lists no pictures",
    "path,image,label\na.png,a.png,ok\n": "/labels.csv: columns 'path' and 'image' may both be the path",
    "path,label,good\na.png,ok,1\n": "/labels.csv: columns 'label' and 'good' both tell the class",
    "path,label,serial,batch\na.png,ok,1,1\n": "/labels.csv: columns 'serial' and 'batch' may both be the group",
    "where,label\na.png,ok\n": "/labels.csv: no column of paths; looked for path, image, image_path",
    "path,width\na.png,3\n": "/labels.csv: no column that tells good from defective; looked for label, verdict",
    'path,label\n"a.png,ok\n': "/labels.csv: line 2: no readable row",
}


@pytest.mark.parametrize(("text", "told"), BAD_TABLES.items(), ids=BAD_TABLES.values())
def test_what_is_wrong_with_a_table_is_told_with_its_line(text, told):
    assert refusal(table(text)).startswith(told)


def test_a_table_beside_folders_that_say_the_same_is_refused_unless_one_is_named():
    files = dict.fromkeys(["good/1.png", "good/2.png", "bad/3.png"]) | {
        "t.csv": "path,label\ngood/1.png,ok\ngood/2.png,ok\n"
    }
    assert refusal(files) == (
        ": reads as plain folders of good and bad (plain) and as a table of pictures (table); name one with "
        "data.folder.layout"
    )
    assert len(read(files, layout="plain").pictures) == 3
    assert len(read(files, layout="table").pictures) == 2


def test_a_table_of_other_things_beside_folders_is_passed_over():
    files = dict.fromkeys(["good/1.png", "good/2.png", "bad/3.png"]) | {"sizes.csv": "width,height\n1,2\n"}
    assert read(files).notes == ["1 file that is not a picture passed over, such as sizes.csv"]


def test_two_tables_are_refused_unless_one_is_named():
    text = "path,label\na.png,ok\nb.png,ok\n"
    files = table(text, **{"other.csv": text})
    assert refusal(files) == ": holds 2 tables (labels.csv, other.csv); name one with data.folder.table"
    assert len(read(files, table="other.csv").pictures) == 2


def line(name, kind, **more):
    return json.dumps({
        "source-ref": f"s3://bucket/project/{name}",
        "anomaly-label": int(kind != "normal"),
        "anomaly-label-metadata": {"class-name": kind, "type": "groundtruth/image-classification", "confidence": 1},
        **more,
    })  # fmt: skip


def masked(name, mask, kind="scratch"):
    colours = {
        "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff"},
        "1": {"class-name": kind, "hex-color": "#2ca02c"},
    }
    return line(name, "anomaly", **{
        "anomaly-mask-ref": f"s3://bucket/project/{mask}",
        "anomaly-mask-ref-metadata": {"internal-color-map": colours, "type": "groundtruth/semantic-segmentation"},
    })  # fmt: skip


def coloured():
    pixels = np.full((3, 3, 3), 255, np.uint8)
    pixels[1, 2] = 0x2C, 0xA0, 0x2C
    return png(pixels)


def lookout(train=None, test=None):
    names = dict.fromkeys(["train/normal/1.jpg", "train/anomaly/2.jpg", "test/normal/3.jpg", "test/anomaly/4.jpg"])
    usual = [line("train/normal/1.jpg", "normal"), line("train/anomaly/2.jpg", "anomaly")]
    masks = [line("test/normal/3.jpg", "normal"), masked("test/anomaly/4.jpg", "masks/4.png")]
    manifests = {
        "manifests/train.manifest": train or "\n".join(usual),
        "manifests/test.manifest": test or "\n".join(masks),
    }
    return names | {"masks/4.png": coloured()} | manifests


def test_a_manifest_of_lookout_is_read_where_its_pictures_lie_here():
    found = read(lookout())
    assert found.title == "Amazon Lookout for Vision"
    assert facts(found) == {
        "train/normal/1.jpg": ("train", 0, "good", None, ""),
        "train/anomaly/2.jpg": ("test", 1, "anomaly", None, ""),
        "test/normal/3.jpg": ("test", 0, "good", None, ""),
        "test/anomaly/4.jpg": ("test", 1, "scratch", "masks/4.png", ""),
    }
    assert "1 defective picture is listed for train and count as test: only good ones are learnt from" in found.notes


def test_a_white_background_is_not_the_defect():
    [picture] = [one for one in read(lookout()).pictures if one.mask]
    assert marked(picture) == [(1, 2)]


def test_addresses_are_met_however_much_of_them_is_here():
    one = "\n".join(line(f"deep/er/{name}", "normal") for name in ("1.jpg", "3.jpg"))
    found = read({"1.jpg": None, "3.jpg": None, "all.manifest": one})
    assert set(facts(found)) == {"1.jpg", "3.jpg"}
    assert sorted(fact[0] for fact in facts(found).values()) == ["test", "train"]


FIRST, ADDRESS = "train/normal/1.jpg", "s3://bucket/project"
MISSING = (
    "line 1: there is no data/x/train/normal/9.jpg (s3://bucket/project/train/normal/9.jpg); copy the pictures there, "
    "`aws s3 sync s3://bucket/project/ data/x`"
)


@pytest.mark.parametrize(
    ("train", "told"),
    [
        (line("train/normal/9.jpg", "normal"), MISSING),
        (line(FIRST, "weird"), "line 1: 'weird' says neither good nor defective"),
        (line(FIRST, "normal")[:-9], "line 1: cut short or not JSON"),
        (f'{{"source-ref": "{ADDRESS}/{FIRST}"}}', "line 1: no label with a class-name"),
        ("[]", "line 1: cut short or not JSON"),
        ("{}", "line 1: no source-ref"),
        (f"{line(FIRST, 'normal')}\n{line(FIRST, 'normal')}", "line 2: train/normal/1.jpg again"),
        (line("../../1.jpg", "normal"), f"line 1: {ADDRESS}/../../1.jpg leads out"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_told_with_its_line(train, told):
    assert refusal(lookout(train=train)).startswith(f"/manifests/train.manifest, {told}")


def datumaro(items, name="default"):
    labels = [{"name": "Normal"}, {"name": "Anomalous"}, {"name": "crack"}]
    content = {"info": {}, "categories": {"label": {"labels": labels}}, "items": items}
    names = {f"images/{name}/{item['id']}.png": png(np.zeros((6, 8), np.uint8)) for item in items}
    return names | {f"annotations/{name}.json": content}


def item(name, *labels, shapes=()):
    said = [{"type": "label", "label_id": label} for label in labels]
    return {"id": name, "annotations": [*said, *shapes], "image": {"path": f"{name}.png", "size": [6, 8]}}


SQUARE = {"type": "polygon", "label_id": 2, "points": [1, 1, 2, 1, 2, 2, 1, 2]}
RUNS = {"type": "mask", "label_id": 2, "rle": {"size": [6, 8], "counts": [5, 2, 41]}}


def test_datumaro_gives_labels_and_draws_masks():
    found = read(datumaro([item("a", 0), item("b", 0), item("c", 1, shapes=[SQUARE, RUNS]), item("d", 1)]))
    assert found.title == "Datumaro"
    assert {name: fact[1:4] for name, fact in facts(found).items()} == {
        "images/default/a.png": (0, "good", None),
        "images/default/b.png": (0, "good", None),
        "images/default/c.png": (1, "crack", "masks/images/default/c_mask.png"),
        "images/default/d.png": (1, "Anomalous", None),
    }
    [picture] = [one for one in found.pictures if one.mask]
    assert marked(picture) == [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (5, 0)]


def test_subsets_of_datumaro_are_splits():
    files = datumaro([item("a", 0)], "train") | datumaro([item("b", 0), item("c", 1)], "test")
    assert {name: fact[0] for name, fact in facts(read(files)).items()} == {
        "images/train/a.png": "train", "images/test/b.png": "test", "images/test/c.png": "test",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("strange", "told"),
    [
        (item("c"), "/annotations/default.json, c: labelled nothing, which says neither good nor defective"),
        (item("c", 2), "/annotations/default.json, c: labelled crack, which says neither"),
        (item("c", 0, 1), "/annotations/default.json, c: labelled 'Anomalous' and 'Normal'; keep one"),
        (item("c", 7), "/annotations/default.json: not as Datumaro writes it (KeyError: 7)"),
        ({"id": "c", "image": {"path": "c.png"}}, "/annotations/default.json: not as Datumaro writes it (KeyError"),
    ],
)
def test_what_is_wrong_with_an_item_is_told(strange, told):
    assert refusal(datumaro([item("a", 0), item("b", 0), strange])).startswith(told)


def test_names_tell_classes_apart_only_by_a_pattern_that_is_given():
    names = ["p1_OK.png", "p2_OK.png", "p3_NG_hole.png"]
    assert refusal(names).startswith("/p1_OK.png: out of place")
    found = read(names, names="_(?P<good>OK)|_NG_(?P<bad>[a-z]+)")
    assert {name: fact[1:3] for name, fact in facts(found).items()} == {
        "p1_OK.png": (0, "good"), "p2_OK.png": (0, "good"), "p3_NG_hole.png": (1, "hole"),
    }  # fmt: skip
    assert refusal([*names, "p4.png"], names="_(?P<good>OK)|_NG_(?P<bad>[a-z]+)").startswith("/p4.png: matches neither")
    assert refusal(names, names="(?P<good>p)(?P<bad>[0-9])").startswith("/p1_OK.png: matches both")
    assert refusal(names, names="(?P<good>ok").startswith("data.folder.names = (?P<good>ok: no regular expression")
    assert refusal(names, names="(?P<good>ok)").startswith(
        "data.folder.names = (?P<good>ok): has no group (?P<bad>...)"
    )
