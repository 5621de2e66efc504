"""Public data sets are read as they come: their folders and lists, with split, kind, mask and group of each picture."""

import numpy as np
import pytest

from iad.data.layouts.common.masks import regions_of
from tests.data.layouts.trees import facts, marked, png, read, refusal

LOCO_CONFIG = [
    {"defect_name": "missing_bolt", "pixel_value": 255, "saturation_threshold": 3, "relative_saturation": False},
    {"defect_name": "bent", "pixel_value": 200, "saturation_threshold": 0.5, "relative_saturation": True},
]


def region(value, *places):
    pixels = np.zeros((4, 4), np.uint8)
    for place in places:
        pixels[place] = value
    return png(pixels)


def loco():
    names = ["train/good/0.png", "validation/good/0.png", "test/good/0.png", "test/structural_anomalies/0.png"]
    masks = {
        "ground_truth/logical_anomalies/000/000.png": region(255, 0),
        "ground_truth/logical_anomalies/000/001.png": region(200, (3, 0), (3, 1)),
        "ground_truth/structural_anomalies/0/000.png": region(255, 1),
    }
    return dict.fromkeys([*names, "test/logical_anomalies/000.png"]) | masks | {
        "defects_config.json": LOCO_CONFIG
    }  # fmt: skip


def test_mvtec_ad_2_tests_on_its_public_pictures_and_calibrates_on_validation():
    found = read([
        "train/good/000_regular.png", "validation/good/001_regular.png", "test_public/good/002_regular.png",
        "test_public/bad/003_regular.png", "test_public/ground_truth/bad/003_regular_mask.png",
        "test_private/004.png", "test_private_mixed/005.png",
    ])  # fmt: skip
    assert found.title == "MVTec AD 2"
    assert facts(found) == {
        "train/good/000_regular.png": ("train", 0, "good", None, ""),
        "validation/good/001_regular.png": ("calibration", 0, "good", None, ""),
        "test_public/good/002_regular.png": ("test", 0, "good", None, ""),
        "test_public/bad/003_regular.png": (
            "test", 1, "bad", "test_public/ground_truth/bad/003_regular_mask.png", "",
        ),
    }  # fmt: skip
    assert found.notes == [
        "validation sets thresholds and is not learnt from",
        "2 pictures of test_private and test_private_mixed without labels left out",
    ]


def test_loco_joins_the_masks_of_a_picture_and_keeps_what_saturates():
    found = read(loco())
    assert (found.title, found.layout) == ("MVTec LOCO AD", "mvtec_loco")
    assert facts(found)["test/logical_anomalies/000.png"] == (
        "test", 1, "logical_anomalies", "ground_truth/logical_anomalies/000.png", "",
    )  # fmt: skip
    picture = next(one for one in found.pictures if one.image_id == "test/logical_anomalies/000.png")
    assert marked(picture) == [(0, 0), (0, 1), (0, 2), (0, 3), (3, 0), (3, 1)]
    assert [tuple(one) for one in regions_of(picture.read_mask())] == [(1, "missing_bolt", 4, 3), (2, "bent", 2, 1)]
    assert regions_of(region(255, 0)) == []


def test_a_single_mask_in_its_folder_is_the_mask():
    assert facts(read(loco()))["test/structural_anomalies/0.png"][3] == "ground_truth/structural_anomalies/0/000.png"


def test_loco_with_a_config_that_is_cut_or_strange_is_refused():
    files = loco()
    assert refusal(files | {"defects_config.json": "[{"}).startswith("/defects_config.json: cut short or not JSON")
    assert "not a list of defects" in refusal(files | {"defects_config.json": [{"pixel_value": 1}]})


def test_btad_calls_its_classes_ok_and_ko():
    found = read(["train/ok/0.bmp", "test/ok/1.bmp", "test/ko/2.bmp", "ground_truth/ko/2.png"])
    assert found.layout == "mvtec"
    assert facts(found) == {
        "train/ok/0.bmp": ("train", 0, "good", None, ""),
        "test/ok/1.bmp": ("test", 0, "good", None, ""),
        "test/ko/2.bmp": ("test", 1, "ko", "ground_truth/ko/2.png", ""),
    }
    assert found.notes == ["test/ok counts as good", "train/ok counts as good"]


@pytest.mark.parametrize(
    "names", [("OK", "NG"), ("pass", "Fail"), ("Normal", "ANOMALY"), ("gut", "n.i.O."), ("良品", "不良")]
)
def test_plain_folders_may_have_any_name_that_reads_as_good_and_bad(names):
    good, bad = names
    found = read(
        [f"{good}/1.png", f"{good}/2.png", f"{bad}/3.png", f"{bad}/cut/4.png", f"ground_truth/{bad}/3_mask.png"]
    )
    assert {name: fact[1:4] for name, fact in facts(found).items()} == {
        f"{good}/1.png": (0, "good", None), f"{good}/2.png": (0, "good", None),
        f"{bad}/3.png": (1, bad, f"ground_truth/{bad}/3_mask.png"), f"{bad}/cut/4.png": (1, "cut", None),
    }  # fmt: skip
    assert found.notes[:2] == [f"{good} counts as good", f"{bad} counts as defective"]


def test_two_folders_that_read_as_the_same_are_refused():
    assert refusal(["OK/1.png", "pass/2.png", "NG/3.png"]).startswith(": OK and pass both read as good")
    assert refusal(["good/1.png", "NG/2.png", "reject/3.png"]).startswith(": NG and reject both read as defective")
    assert refusal(["train/ok/1.png", "train/pass/1.png", "test/ng/2.png"]).startswith("/train: ok and pass both read")
    assert refusal(["train/good/1.png", "Training/good/2.png"]).startswith(": Training and train both read as train")


def test_a_mask_beside_its_picture_is_no_picture():
    line = refusal(["good/1.png", "good/2.png", "bad/3.png", "bad/3_mask.png"])
    assert line.startswith("/bad/3_mask: a mask beside its picture")


VISA_SPLIT = """object,split,label,image,mask
candle,train,normal,candle/Data/Images/Normal/0.JPG,
candle,test,normal,candle/Data/Images/Normal/1.JPG,
candle,test,anomaly,candle/Data/Images/Anomaly/0.JPG,candle/Data/Masks/Anomaly/0.png
pcb1,train,normal,pcb1/Data/Images/Normal/0.JPG,
pcb1,test,anomaly,pcb1/Data/Images/Anomaly/0.JPG,pcb1/Data/Masks/Anomaly/0.png
"""
VISA_KINDS = (
    "image,label,mask\ncandle/Data/Images/Anomaly/0.JPG,wax melded,x\ncandle/Data/Images/Normal/0.JPG,normal,\n"
)


def visa():
    names = [
        "Data/Images/Normal/0.JPG",
        "Data/Images/Normal/1.JPG",
        "Data/Images/Anomaly/0.JPG",
        "Data/Masks/Anomaly/0.png",
    ]
    files = {f"{product}/{name}": None for product in ("candle", "pcb1") for name in names}
    return files | {
        "split_csv/1cls.csv": VISA_SPLIT,
        "candle/image_anno.csv": VISA_KINDS,
        "split_csv/2cls_highshot.csv": "x",
    }


def test_visa_is_split_by_its_table():
    found = read(visa(), product="candle")
    assert found.title == "VisA"
    assert facts(found) == {
        "candle/Data/Images/Normal/0.JPG": ("train", 0, "good", None, ""),
        "candle/Data/Images/Normal/1.JPG": ("test", 0, "good", None, ""),
        "candle/Data/Images/Anomaly/0.JPG": ("test", 1, "wax melded", "candle/Data/Masks/Anomaly/0.png", ""),
    }


def test_visa_asks_which_product():
    assert refusal(visa()) == ": holds 2 products (candle, pcb1); name one with data.folder.product"
    assert "data.folder.product = cnadle is none of its products (candle, pcb1)" in refusal(visa(), product="cnadle")


def test_one_product_of_visa_is_split_by_seed():
    inside = {name.removeprefix("candle/"): content for name, content in visa().items() if name.startswith("candle/")}
    found = facts(read(inside))
    assert found["Data/Images/Anomaly/0.JPG"] == ("test", 1, "wax melded", "Data/Masks/Anomaly/0.png", "")
    assert sorted(fact[0] for fact in found.values()) == ["test", "test", "train"]


def realiad(**changes):
    def entry(path, kind, mask=None):
        return {"category": "tape", "anomaly_class": kind, "image_path": path, "mask_path": mask}

    content = {
        "meta": {"normal_class": "OK", "prefix": "tape/"},
        "train": [entry("OK/S0001/a_C1.jpg", "OK"), entry("OK/S0001/a_C2.jpg", "OK")],
        "test": [entry("OK/S0002/b_C1.jpg", "OK"), entry("NG/BX/S0003/c_C1.jpg", "BX", "NG/BX/S0003/c_C1.png")],
    }
    names = [one["image_path"] for split in ("train", "test") for one in content[split]] + ["NG/BX/S0003/c_C1.png"]
    files = {f"realiad_1024/tape/{name}": None for name in names}
    return files | {"realiad_jsons/realiad_jsons/tape.json": content} | changes


def test_real_iad_is_split_by_its_list_and_views_of_a_specimen_are_a_group():
    found = read(realiad())
    assert found.title == "Real-IAD"
    top = "realiad_1024/tape"
    assert facts(found) == {
        f"{top}/OK/S0001/a_C1.jpg": ("train", 0, "good", None, "OK/S0001"),
        f"{top}/OK/S0001/a_C2.jpg": ("train", 0, "good", None, "OK/S0001"),
        f"{top}/OK/S0002/b_C1.jpg": ("test", 0, "good", None, "OK/S0002"),
        f"{top}/NG/BX/S0003/c_C1.jpg": ("test", 1, "BX", f"{top}/NG/BX/S0003/c_C1.png", "NG/BX/S0003"),
    }


def test_real_iad_with_two_lists_of_a_product_asks_which():
    files = realiad()
    files["realiad_jsons/realiad_jsons_sv/tape.json"] = files["realiad_jsons/realiad_jsons/tape.json"]
    assert "holds 2 lists of tape" in refusal(files)
    assert len(read(files, table="realiad_jsons/realiad_jsons_sv/tape.json").pictures) == 4


def test_a_list_of_real_iad_that_is_cut_or_names_what_is_not_there_is_refused():
    assert "tape.json: cut short or not JSON (line 1" in refusal(
        realiad(**{"realiad_jsons/realiad_jsons/tape.json": '{"meta": '})
    )
    assert "no list of Real-IAD" in refusal(realiad(**{"realiad_jsons/realiad_jsons/tape.json": {"meta": {}}}))
    files = {name: content for name, content in realiad().items() if not name.endswith("b_C1.jpg")}
    assert "test[0]: there is no picture data/x/realiad_1024/tape/OK/S0002/b_C1.jpg" in refusal(files)


def test_a_folder_of_several_data_sets_is_refused_with_their_names():
    line = refusal(["bottle/train/good/1.png", "cable/good/1.png", "readme/1.png"])
    assert line == ": holds 2 data sets (bottle, cable); name one, as data/x/bottle (data.category)"


def test_folders_of_good_and_bad_in_both_splits_test_on_all_that_read_as_defective():
    names = ["train/ok/1.png", "train/defective/2.png", "test/ok/3.png", "test/defective/4.png"]
    found = read([*names, "masks/defective/2.png"])
    assert facts(found)["train/defective/2.png"] == ("test", 1, "defective", "masks/defective/2.png", "")
    assert "1 defective picture of train count as test: only good ones are learnt from" in found.notes


NAMED = [("plain", "product"), ("plain", "table"), ("plain", "names"), ("mvtec", "product"), ("mvtec", "table")]


@pytest.mark.parametrize(("layout", "option"), NAMED)
def test_an_option_that_a_layout_has_no_use_for_is_refused(layout, option):
    names = ["good/1.png", "good/2.png"] if layout == "plain" else ["train/good/1.png", "test/good/2.png"]
    line = refusal(names, layout=layout, **{option: "x"})
    assert line.startswith(f"data.folder.{option} = x: ")
    assert f"({layout}), which has no use for it; set it to null" in line


FORCED = {
    "datumaro": ": nothing in it lists pictures",
    "lookout": ": nothing in it lists pictures",
    "mvtec": "/good/1.png: out of place",
    "mvtec_ad2": "/good/1.png: out of place",
    "mvtec_loco": "/defects_config.json: there is no such file",
    "names": "data.folder.names = : has no group (?P<bad>...)",
    "real_iad": ": holds no products; correct data.folder.layout",
    "table": ": holds no tables; correct data.folder.layout",
    "visa": ": nothing in it lists pictures",
}


@pytest.mark.parametrize(("layout", "told"), FORCED.items(), ids=FORCED)
def test_a_layout_that_is_named_and_not_there_is_one_line(layout, told):
    assert refusal(["good/1.png", "good/2.png"], layout=layout).startswith(told)


@pytest.mark.parametrize("other", ["annotations/instances.json", "app.manifest", "notes.jsonl"])
def test_files_of_other_programs_beside_folders_are_passed_over(other):
    found = read(dict.fromkeys(["good/1.png", "good/2.png", "bad/3.png"]) | {other: '{"images": []}'})
    assert found.layout == "plain"
    assert found.notes == [f"1 file that is not a picture passed over, such as {other}"]


def test_a_kind_that_cannot_be_shown_is_refused():
    files = {"a.png": None, "b.png": None, "t.csv": 'path,defect\na.png,\nb.png,"x\x1b[2J"\n'}
    assert "its kind of defect, 'x\\x1b[2J', has characters that cannot be shown" in refusal(files)
