"""Designs from tables and folders: what is read, and what is refused before any work."""

import numpy as np
import pytest
from PIL import Image

from iad.acceptance.design import read_design
from iad.errors import IadError


@pytest.fixture
def pictures(tmp_path):
    """Writes pictures, each another, below the folder."""

    def write(*names):
        for number, name in enumerate(names):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(path)
        return tmp_path

    return write


@pytest.fixture
def table(tmp_path, pictures):
    """Writes a table and the pictures a.png to h.png."""

    def write(text, encoding="utf-8"):
        pictures(*(f"{letter}.png" for letter in "abcdefgh"))
        (tmp_path / "parts.csv").write_text(text, encoding=encoding)
        return tmp_path / "parts.csv"

    return write


def test_a_table_gives_parts_operators_and_references(table):
    lines = [f"{letter}.png,{part},{who},{word}" for letter, (part, who, word) in zip("abcdefgh", [
        ("7", "left", "good"), ("7", "left", "Good"), ("7", "right", "good"), ("7", "right", "good"),
        ("8", "left", "bad"), ("8", "left", "bad"), ("8", "right", "bad"), ("8", "right", "BAD"),
    ], strict=True)]  # fmt: skip
    found = read_design(table("path,part,camera,reference\n" + "\n".join(lines)))
    assert found.factor == "camera"
    assert found.parts == ["7"] * 4 + ["8"] * 4
    assert found.operators == ["left", "left", "right", "right"] * 2
    assert found.reference.tolist() == [False] * 4 + [True] * 4


def test_a_table_as_spreadsheets_write_it_is_read(table):
    text = "path;part\r\na.png;Teil ä\r\nb.png;Teil ä\r\nc.png;2\r\nd.png;2\r\n"
    found = read_design(table(text, encoding="utf-8-sig"))
    assert found.parts == ["Teil ä", "Teil ä", "2", "2"]
    assert (found.operators, found.reference) == (None, None)


def test_folders_are_parts(pictures):
    found = read_design(pictures("p1/x.png", "p1/y.png", "p2/x.png", "p2/y.png"))
    assert found.parts == ["p1", "p1", "p2", "p2"]
    assert found.reference is None


def test_folders_good_and_bad_are_the_reference(pictures):
    found = read_design(pictures("bad/p1/x.png", "bad/p1/y.png", "good/p2/x.png", "good/p2/y.png"))
    assert found.parts == ["p1", "p1", "p2", "p2"]
    assert found.reference.tolist() == [True, True, False, False]


def test_the_fingerprint_follows_pictures_and_what_is_said_of_them(table, pictures):
    text = "path,part,reference\na.png,1,good\nb.png,1,good\nc.png,2,bad\nd.png,2,bad\n"
    first = read_design(table(text)).fingerprint
    assert read_design(table(text)).fingerprint == first
    assert read_design(table(text.replace("bad", "good"))).fingerprint != first


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("path\na.png\n", "no column 'part'"),
        ("", "no column 'path'"),
        ("path,part\n", "no line below the first"),
        ("path,part,lamp\na.png,1,x\n", "unknown column 'lamp'"),
        ("path,part,part\na.png,1,x\n", "two columns 'part'"),
        ("path,part,operator,camera\na.png,1,x,y\n", "columns 'operator' and 'camera'"),
        ("path,part\na.png\n", "line 2: not as many values"),
        ("path,part\na.png,1,2\n", "line 2: not as many values"),
        ("path,part\na.png,\n", "line 2: no part"),
        ("path,part,camera\na.png,1,\n", "line 2: no camera"),
        ("path,part\nz.png,1\n", "line 2: .*z.png: no such picture"),
        ("path,part\na.png,1\nb.png,1\n./a.png,1\n", "line 4: ./a.png stands in line 2 already"),
        ("path,part,reference\na.png,1,1\n", "line 2: reference '1'; say good or bad"),
        ("path,part,reference\na.png,1,good\nb.png,1,bad\n", "part 1 is good in .*line 2 and bad in .*line 3"),
        ("path,part,reference\na.png,1,good\nb.png,2,\n", "line 3: no reference, which others have"),
        ("path,part\na.png,1\nb.png,1\n", "all pictures show part 1"),
        ("path,part\na.png,1\nb.png,2\n", "fewer than 2 parts have more than one picture"),
        (
            "path,part,camera\na.png,1,x\nb.png,1,x\nc.png,1,y\nd.png,1,y\ne.png,2,x\nf.png,2,x\ng.png,2,y\n",
            "y has 1 picture of part 2",
        ),
    ],
)
def test_a_table_that_says_too_little_or_too_much_is_refused_in_a_line(table, text, match):
    with pytest.raises(IadError, match=match) as caught:
        read_design(table(text))
    assert "\n" not in str(caught.value)


def test_a_copy_is_no_repetition(table, tmp_path):
    file = table("path,part\na.png,1\nb.png,1\nc.png,2\nd.png,2\n")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    with pytest.raises(IadError, match=r"line 3: .*b\.png is a copy of .*a\.png"):
        read_design(file)


def test_folders_of_another_depth_are_refused(pictures):
    with pytest.raises(IadError, match="holds PART/picture"):
        read_design(pictures("p1/x.png", "y.png"))


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(IadError, match="no such table or folder"):
        read_design(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(IadError, match="not a CSV file in UTF-8"):
        read_design(tmp_path / "b.csv")
