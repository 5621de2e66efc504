"""Bundles that replace each other while they are at work: by their files, wholly or not at all."""

from types import SimpleNamespace

import pytest

from iad.errors import IadError
from iad.serve import swapping
from iad.serve.swapping import BundleFile, promote, rollback


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three files that count as bundles; a text that begins with "torn" does not, "open" is one without verdicts."""

    def read(path):
        text = path.read_text()
        if text.startswith("torn"):
            raise IadError(f"{path}: a bundle cut short or altered; copy it again")
        return text, text * 64

    def require(text, origin):
        if text.startswith("open"):
            raise IadError(f"{origin}: p-values and no verdict")

    monkeypatch.setattr(swapping, "read_bundle", read)
    monkeypatch.setattr(swapping, "require_verdicts", require)
    found = {name: tmp_path / f"{name}.iad" for name in "abc"}
    for name, path in found.items():
        path.write_text(name)
    return found


def test_promoted_bundles_come_back_one_after_the_other(files):
    a, b, c = files.values()
    assert promote(b, a) == ("a" * 64, "b" * 64)
    promote(c, a)
    assert (a.read_text(), b.read_text(), c.read_text()) == ("c", "b", "c")
    assert rollback(a) == ("c" * 64, "b" * 64)
    rollback(a)
    assert a.read_text() == "a"
    with pytest.raises(IadError, match="no bundle was promoted in its place, or all were rolled back"):
        rollback(a)


def test_what_is_rolled_back_is_kept_and_can_be_promoted_again(files):
    a, b, _ = files.values()
    promote(b, a)
    b.unlink()
    rollback(a)
    [left] = (a.parent / ".a.iad.before").glob("undone-*")
    promote(left, a)
    assert a.read_text() == "b"


def test_what_is_no_bundle_or_the_same_is_not_promoted(files, tmp_path):
    a, b, c = files.values()
    b.write_text("torn")
    c.write_text("a")
    for new, why in ((b, "cut short"), (c, "that very bundle already")):
        with pytest.raises(IadError, match=why):
            promote(new, a)
    b.write_text("open")
    with pytest.raises(IadError, match=r"b\.iad: p-values and no verdict"):
        promote(b, a)
    with pytest.raises(IadError, match="no such file"):
        promote(a, tmp_path / "none.iad")
    assert a.read_text() == "a"
    assert not (tmp_path / ".a.iad.before").exists()


def test_a_kept_bundle_that_is_damaged_does_not_come_back(files):
    a, b, _ = files.values()
    promote(b, a)
    [kept] = (a.parent / ".a.iad.before").iterdir()
    kept.write_text("torn")
    with pytest.raises(IadError, match="cut short"):
        rollback(a)
    assert a.read_text() == "b"


def test_a_program_takes_up_what_it_can_use_and_goes_on_without_the_rest(files):
    a, b, c = files.values()
    told = []

    def opened(path):
        text, digest = swapping.read_bundle(path)
        return SimpleNamespace(threshold=0.5, text=text), digest

    at_work = BundleFile(a, opened, told.append)
    assert not at_work.renewed()
    promote(b, a)
    assert at_work.renewed()
    assert (at_work.inspector.text, at_work.sha256) == ("b", "b" * 64)
    assert not at_work.renewed()
    a.write_text("torn away")
    assert not at_work.renewed()
    assert not at_work.renewed()
    a.unlink()
    assert not at_work.renewed()
    assert at_work.inspector.text == "b"
    a.write_bytes(c.read_bytes())
    assert at_work.renewed()
    assert [line.partition(": ")[0] for line in told] == [str(a), f"not taken up, {'b' * 12} goes on", str(a)]
