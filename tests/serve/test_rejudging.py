"""Parts judged anew, in pairs; the oracle counts by hand."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from iad.bundles.verdict import Verdict
from iad.errors import IadError
from iad.serve.entries import Entry
from iad.serve.rejudging import Pair, by_bundle, by_threshold, changed_lines, pictures_of
from iad.serve.shadow import Shadow, shadow_pairs

LOG = Path("a.db")


class Inspector:
    """Scores a picture by its first byte; rejects from 50 on."""

    threshold, batch_size = 50.0, 3

    def predict(self, files, *, maps, errors, batch_size=3):
        assert (maps, errors, batch_size <= self.batch_size) == (False, "return", True)
        for file in files:
            try:
                score = float(file.read()[0])
            except IadError as refusal:
                yield Verdict(file.name, file.path, float("nan"), float("nan"), None, error=str(refusal))
                continue
            yield Verdict(file.name, file.path, score, 0.5, score >= self.threshold, known=score == 99)


def entry(data, *, path="", rejected=False, score=0.25, word="", number=1, **others):
    sha256 = hashlib.sha256(data).hexdigest()
    found = Entry(
        f"{number}.png", path, "", len(data), 0, sha256, "b" * 64, "vit", score, 0.5, 0.5, rejected, "", 0.1,
        number=number, word=word,
    )  # fmt: skip
    return replace(found, **others)


def test_a_picture_is_found_by_its_bytes_wherever_it_went(tmp_path):
    came, kept, moved = (tmp_path / name for name in ("in", "good", "archive/deep"))
    for folder in (came, kept, moved):
        folder.mkdir(parents=True)
    (came / "1.png").write_bytes(b"one")
    (came / "2.png").write_bytes(b"TWO")  # another picture under an old name
    (kept / "2.png").write_bytes(b"two")
    (moved / "x.png").write_bytes(b"six")
    entries = [
        entry(b"one", number=1, path=str(came / "1.png")),
        entry(b"two", number=2, path=str(came / "2.png"), kept=str(kept / "2.png")),
        entry(b"six", number=3, path=str(came / "gone.png")),
        entry(b"ten", number=4),
    ]
    found = pictures_of(entries, [tmp_path / "archive"])
    assert {number: file.path for number, file in found.items()} == {
        1: came / "1.png", 2: kept / "2.png", 3: moved / "x.png",
    }  # fmt: skip
    assert set(pictures_of(entries, [])) == {1, 2}


def test_another_bundle_judges_the_pictures_that_are_found_and_new_to_it(tmp_path):
    entries = []
    for number, (byte, rejected, word) in enumerate(
        [(60, False, "bad"), (40, True, "good"), (99, True, ""), (10, False, "")]
    ):
        path = tmp_path / f"{number}.png"
        path.write_bytes(bytes([byte]))
        entries.append(entry(bytes([byte]), number=number + 1, path=str(path), rejected=rejected, word=word))
    entries.append(entry(b"lost", number=9, path="/nowhere/9.png"))
    pairs, missing = by_bundle(entries, Inspector(), [], LOG)
    assert [(one.number, one.before, one.after, one.score) for one in pairs] == [
        (1, False, True, 60.0), (2, True, False, 40.0), (4, False, False, 10.0),
    ]  # fmt: skip
    assert missing == 2  # one that the bundle was made of, and one without a picture
    with pytest.raises(IadError, match=r"a.db: none of 1 picture is where the log says; name folders"):
        by_bundle(entries[-1:], Inspector(), [], LOG)


def test_changes_are_counted_both_ways_with_an_interval_and_a_paired_test():
    pairs = [Pair("a", 1, "good", True, False, 0.1)] * 6 + [Pair("b", 2, "bad", True, False, 0.1)]
    pairs += [Pair("c", 3, "", False, True, 0.9)] * 2 + [Pair("d", 4, "good", False, False, 0.2)] * 11
    lines = list(changed_lines(pairs, "now"))
    # 9 of 20: Clopper and Pearson give 23.1 to 68.5 %
    assert lines[0] == (
        "20 parts: 7 rejected as it was, 2 now; 9 verdicts would change (45 %, 95 % interval 23.1 to 68.5 %)"
    )
    assert "7 would have passed: 6 good and 1 bad, as operators say, and 0 of which nobody spoke" in lines
    assert "2 would have been rejected: 0 good and 0 bad, as operators say, and 2 of which nobody spoke" in lines
    # 6 discordant pairs, all of one side: 2 / 2^6
    assert lines[-2] == "wrong on 6 of 17 that operators call good as it was, 0 then (exact p 0.0312)"
    assert lines[-1] == "wrong on 0 of 1 that operators call bad as it was, 1 then (exact p 1)"


def test_scores_of_two_bundles_are_not_compared_with_one_threshold():
    entries = [entry(b"x"), entry(b"y", bundle="c" * 64)]
    with pytest.raises(IadError, match="verdicts of 2 bundles"):
        by_threshold(entries, 0.5, LOG)
    with pytest.raises(IadError, match="threshold nan: give a number"):
        by_threshold(entries[:1], float("nan"), LOG)


def test_a_shadow_judges_what_has_a_verdict_and_has_no_say(log, tmp_path):
    (tmp_path / "1.png").write_bytes(bytes([60]))
    shadow = Shadow(Inspector(), "s" * 64, log)
    read = entry(bytes([60]), path=str(tmp_path / "1.png"))
    entries = log.append_all([read, replace(read, rejected=None, score=None, error="torn")])
    [file] = pictures_of([read], []).values()
    shadow.submit(entries, [file, file])
    shadow.close()
    assert shadow_pairs(log) == ("s" * 64, [Pair("1.png", 1, "", False, True, 60.0)])
    assert [one.rejected for one in log.entries()] == [False, None]
    with pytest.raises(IadError, match="no shadow judged such parts"):
        shadow_pairs(log, "f")


def test_a_shadow_that_is_behind_leaves_parts_out_and_never_waits(log, tmp_path, monkeypatch):
    (tmp_path / "1.png").write_bytes(bytes([60]))
    [one] = log.append_all([entry(bytes([60]), path=str(tmp_path / "1.png"))])
    [file] = pictures_of([one], []).values()
    monkeypatch.setattr(Shadow, "_run", lambda _: None)
    shadow = Shadow(Inspector(), "s" * 64, log, most=2)
    shadow.submit([one] * 5, [file] * 5)
    assert shadow.left_out == 3
