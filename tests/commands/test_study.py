"""`iad study` on a tiny project: repeated pictures made of its own, a page in each kind, and what is refused."""

import csv
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from iad.bundles.predictor import load
from iad.cli import app  # noqa: F401  # the commands are there
from iad.errors import IadError
from tests.bundled import bundle_of, iad, pictures_of

ACCEPTED, REFUSED = 0, 3
LENIENT = ("--grr", "99/99", "--kappa", "0.01", "--ndc", 1)

pytestmark = pytest.mark.usefixtures("as_the_pipeline")


@pytest.fixture
def study(project):
    """A bundle, and a table of six parts by two cameras, two pictures each; half of them defective."""
    bundle, rng = bundle_of("vit"), np.random.default_rng(0)
    good, bad = pictures_of("test", "good")[:3], [path for path in pictures_of("test") if "good" not in path.parts][:3]
    rows = []
    for word, files in (("good", good), ("bad", bad)):
        for file in files:
            values = np.asarray(Image.open(file).convert("RGB")).astype(float)
            for number, camera in enumerate(("left", "left", "right", "right")):
                name = f"{word}-{file.stem}-{number}.png"
                noisy = values + rng.normal(0, 1, values.shape)
                Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(project / name)
                rows.append([name, f"{word}-{file.stem}", camera, word])
    with (project / "parts.csv").open("w", newline="") as out:
        csv.writer(out).writerows([["path", "part", "camera", "reference"], *rows])
    return bundle, project / "parts.csv"


def refused(*arguments, match):
    with pytest.raises(IadError, match=match) as caught:
        iad("study", *arguments)
    assert "\n" not in str(caught.value)


def test_a_study_writes_the_same_words_on_the_screen_as_html_and_as_pdf(study, project):
    shown = iad("study", "run", *study, *LENIENT, "--changed", "first", "--out", "a.html", "--out", "a.pdf", code=None)
    page = (project / "a.html").read_text(encoding="utf-8")
    for word in ("24 of 6 parts, by 2 cameras; 3 defective, 3 good", "crossed design", "Signature"):
        assert word in page
    assert "brightness x 0.8" in shown
    assert "24 of 6 parts, by 2 cameras" in shown
    assert not re.search(r"https?://|<script|<link|src=", page)  # asks the network for nothing
    pdf = (project / "a.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page ") + pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page>") == 1
    assert b"CreationDate" not in pdf


def test_the_table_holds_the_scores_that_the_bundle_gives(study, project):
    iad("study", "run", *study, "--changed", "none", "--out", "scores.csv", code=None)
    table = pd.read_csv(project / "scores.csv")
    bundle, parts = study
    given = pd.read_csv(parts)
    verdicts = list(load(bundle).predict([project / name for name in given["path"]]))
    assert table["score"].tolist() == [one.pred_score for one in verdicts]
    assert table["rejected"].tolist() == [one.rejected for one in verdicts]
    assert table[["part", "reference"]].equals(given[["part", "reference"]])
    assert table["operator"].tolist() == given["camera"].tolist()


def test_the_exit_code_says_whether_the_bundle_is_accepted(study):
    _, parts = study
    assert "not accepted" in iad("study", "run", *study, "--changed", "none", "--missed", 1, code=REFUSED)
    text = parts.read_text()
    # held to what its own verdicts are, it cannot be wrong
    bundle, _ = study
    given = pd.read_csv(parts)
    said = {}
    for part, path in zip(given["part"], given["path"], strict=True):
        said.setdefault(part, next(iter(load(bundle).predict(parts.parent / path))).rejected)
    if len(set(said.values())) == 2:
        lines = [f"{','.join(line.split(',')[:3])},{'bad' if said[line.split(',')[1]] else 'good'}"
                 for line in text.splitlines()[1:]]  # fmt: skip
        parts.write_text("path,part,camera,reference\n" + "\n".join(lines))
        assert iad("study", "run", *study, "--changed", "none", *LENIENT, code=ACCEPTED).endswith("accepted\n")


def test_pictures_are_inspected_once_more_for_each_change(study):
    each = iad("study", "run", *study, *LENIENT, code=None)
    assert re.search(r"^JPEG 90 +24 ", each, flags=re.MULTILINE)
    first = iad("study", "run", *study, *LENIENT, "--changed", "first", code=None)
    assert re.search(r"^JPEG 90 +6 ", first, flags=re.MULTILINE)


def test_a_picture_that_cannot_be_read_is_named(study, project):
    bundle, parts = study
    name = pd.read_csv(parts)["path"][5]
    (project / name).write_bytes(b"worn")
    refused("run", bundle, parts, match=re.escape(name))


def test_pictures_that_the_bundle_was_made_of_show_nothing(study, project):
    bundle, _ = study
    folder = project / "known"
    for number, file in enumerate(pictures_of("train")[:4]):
        (folder / f"p{number // 2}").mkdir(parents=True, exist_ok=True)
        (folder / f"p{number // 2}" / f"{number}.png").write_bytes(file.read_bytes())
    refused("run", bundle, folder, match="made of 4 pictures of this study")


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


def test_a_page_that_is_there_stays_unless_told_otherwise(study, project):
    (project / "a.pdf").write_text("mine")
    refused("run", *study, "--out", "a.pdf", match="exists already")
    iad("study", "run", *study, "--changed", "none", "--out", "a.pdf", "--force", code=None)
    assert (project / "a.pdf").read_bytes().startswith(b"%PDF")


def test_numbers_of_parts_are_printed_without_a_bundle():
    shown = iad("study", "parts")
    assert re.search(r"^at most 1 % +299 +473 +628 ", shown, flags=re.MULTILINE)
    assert "99 % confidence" in iad("study", "parts", "--confidence", 99)
    with pytest.raises(IadError, match="--confidence 0"):
        iad("study", "parts", "--confidence", 0)
