"""`iad study` with a small bundle: repeated pictures of drawn parts, a page in each kind, and what is refused."""

import csv
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import iad as library
from iad.bundles.predictor import load
from iad.errors import IadError
from tests.bundled import iad

ACCEPTED, REFUSED = 0, 3
LENIENT = ("--grr", "99/99", "--kappa", "0.01", "--ndc", 1)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A bundle of the smallest method, fitted to grey pictures with a fine pattern."""
    file = tmp_path_factory.mktemp("bundle") / "ae.iad"
    rng = np.random.default_rng(0)
    good = [part(rng, bad=False) for _ in range(24)]
    library.fit(good, method="ae", image_size=32, training={"epochs": 2}, threshold={"alpha": 0.2}).save(file)
    return file


def part(rng, *, bad):
    """A picture uint8 (48, 64, 3) of a part; a bad one has a white square."""
    values = 110 + 15 * np.sin(np.arange(64) / 4) + rng.normal(0, 3, (48, 64)) + rng.normal(0, 4)
    values[10:30, 20:40] += 120 * bad
    return np.repeat(np.clip(values, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture
def study(fitted, tmp_path, monkeypatch):
    """A bundle, and a table of six parts by two cameras, two pictures each; half of them defective."""
    monkeypatch.chdir(tmp_path)
    rng, rows = np.random.default_rng(1), []
    for word in ("good", "bad"):
        for number in range(3):
            values = part(rng, bad=word == "bad").astype(float)
            for take, camera in enumerate(("left", "left", "right", "right")):
                name = f"{word}-{number}-{take}.png"
                noisy = values + rng.normal(0, 1, values.shape)
                Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(tmp_path / name)
                rows.append([name, f"{word}-{number}", camera, word])
    with (tmp_path / "parts.csv").open("w", newline="") as out:
        csv.writer(out).writerows([["path", "part", "camera", "reference"], *rows])
    return fitted, tmp_path / "parts.csv"


def refused(*arguments, match):
    with pytest.raises(IadError, match=match) as caught:
        iad("study", *arguments)
    assert "\n" not in str(caught.value)


def test_a_study_writes_the_same_words_on_the_screen_as_html_and_as_pdf(study, tmp_path):
    shown = iad("study", "run", *study, *LENIENT, "--changed", "first", "--out", "a.html", "--out", "a.pdf", code=None)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    for word in ("24 of 6 parts, by 2 cameras; 3 defective, 3 good", "crossed design", "Signature"):
        assert word in page
    assert "brightness x 0.8" in shown
    assert "24 of 6 parts, by 2 cameras" in shown
    assert not re.search(r"https?://|<script|<link|src=", page)  # asks the network for nothing
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page ") + pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page>") == 1
    assert b"CreationDate" not in pdf


def test_the_table_holds_the_scores_that_the_bundle_gives(study, tmp_path):
    iad("study", "run", *study, "--changed", "none", "--out", "scores.csv", code=None)
    table = pd.read_csv(tmp_path / "scores.csv")
    bundle, parts = study
    given = pd.read_csv(parts)
    verdicts = list(load(bundle).predict([tmp_path / name for name in given["path"]]))
    assert table["score"].tolist() == [one.pred_score for one in verdicts]
    assert table["rejected"].tolist() == [one.rejected for one in verdicts]
    assert table[["part", "reference"]].equals(given[["part", "reference"]])
    assert table["operator"].tolist() == given["camera"].tolist()


def test_the_exit_code_says_whether_the_bundle_is_accepted(study):
    found = iad("study", "run", *study, "--changed", "none", *LENIENT, code=ACCEPTED)
    assert found.endswith("accepted\n")
    assert "not accepted" in iad("study", "run", *study, "--changed", "none", *LENIENT, "--missed", 1, code=REFUSED)


def test_pictures_are_inspected_once_more_for_each_change(study):
    each = iad("study", "run", *study, *LENIENT, code=None)
    assert re.search(r"^JPEG 90 +24 ", each, flags=re.MULTILINE)
    first = iad("study", "run", *study, *LENIENT, "--changed", "first", code=None)
    assert re.search(r"^JPEG 90 +6 ", first, flags=re.MULTILINE)


def test_a_picture_that_cannot_be_read_is_named(study, tmp_path):
    bundle, parts = study
    name = pd.read_csv(parts)["path"][5]
    (tmp_path / name).write_bytes(b"worn")
    refused("run", bundle, parts, match=re.escape(name))


def test_pictures_that_the_bundle_was_made_of_show_nothing(study, tmp_path):
    bundle, _ = study
    rng = np.random.default_rng(0)  # the parts that it was fitted to
    for number in range(4):
        folder = tmp_path / "known" / f"p{number // 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(part(rng, bad=False)).save(folder / f"{number}.png")
    refused("run", bundle, tmp_path / "known", match="made of 4 pictures of this study")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--grr", "ten"), "--grr ten: give two numbers"),
        (("--grr", "30/10"), "good up to 30 is more than accepted up to 10"),
        (("--confidence", "100"), "--confidence"),
        (("--missed", "0"), "--missed"),
        (("--tolerance", "0"), "--tolerance 0"),
        (("--out", "page.txt"), r"page.txt: what is '.txt'\?"),
        (("--out", "a.pdf", "--out", "./a.pdf"), "named twice"),
        (("--out", "parts.csv", "--force"), "is an input"),
    ],
)
def test_a_wrong_option_is_refused_in_a_line(study, options, match):
    refused("run", *study, *options, match=match)


def test_what_asks_for_a_reference_needs_one(study):
    bundle, parts = study
    pd.read_csv(parts).drop(columns="reference").to_csv(parts, index=False)
    refused("run", bundle, parts, "--missed", 5, match="--missed: asks what the parts are")


def test_a_page_that_is_there_stays_unless_told_otherwise(study, tmp_path):
    (tmp_path / "a.pdf").write_text("mine")
    refused("run", *study, "--out", "a.pdf", match="exists already")
    iad("study", "run", *study, "--changed", "none", "--out", "a.pdf", "--force", code=None)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_numbers_of_parts_are_printed_without_a_bundle():
    shown = iad("study", "parts")
    assert re.search(r"^at most 1 % +299 +473 +628 ", shown, flags=re.MULTILINE)
    assert "99 % confidence" in iad("study", "parts", "--confidence", 99)
    with pytest.raises(IadError, match="--confidence 0"):
        iad("study", "parts", "--confidence", 0)
