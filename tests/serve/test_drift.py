"""Tests of parts that follow a log: what they find, that they outlive restarts, and what is told."""

import json
import re
import sqlite3
import threading
from dataclasses import replace
from math import log as ln

import numpy as np
import pytest

from iad.bundles.sight import TRAITS
from iad.errors import IadError
from iad.serve.drift.causes import likely_causes
from iad.serve.drift.exchange import ExchangeTest
from iad.serve.drift.keeping import alarms_of, begin, latest
from iad.serve.drift.lookout import Lookout
from iad.serve.drift.monitor import Monitor, followed
from iad.serve.drift.parts import PartTest, Reference
from iad.serve.drift.report import Overruled, standing, standing_lines
from iad.serve.entries import Entry
from iad.serve.log import VerdictLog

BUNDLE, OTHER = "b" * 64, "c" * 64
USUAL = np.array([100, 1, 0, 0, 0, 0, 5, 0.2])
SPREAD = np.array([3, 0.05, 0.01, 0.01, 1, 0.01, 0.5, 0.01])
HOW = {"alarm_rate": 0.001, "defects": 0.03}


def sights(rng, count, **changed):
    """Traits of usual pictures, some of them changed by so much."""
    found = rng.normal(USUAL, SPREAD, size=(count, 8))
    for name, by in changed.items():
        found[:, TRAITS.index(name)] += by
    return [tuple(row) for row in found.tolist()]


@pytest.fixture
def reference():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=100)
    return Reference(tuple(scores.tolist()), float(np.sort(scores)[-5]) + 1e-9, tuple(sights(rng, 100)))


def entry(score, bundle=BUNDLE, **others):
    return replace(
        Entry("a.png", "", "", 0, 0, "", bundle, "vit", score, 0.5, 2.0, score >= 2.0, "", 0.1), **others
    )  # fmt: skip


def judge(log, count, *, shift=0.0, seed=1, bundle=BUNDLE, **changed):
    """Append verdicts on so many parts."""
    rng = np.random.default_rng(seed)
    scores = (rng.normal(size=count) + shift).tolist()
    return log.append_all([entry(score, bundle) for score in scores], sights(rng, count, **changed))


def monitor_of(log, reference, **others):
    return Monitor.begin(log, BUNDLE, reference, **HOW | others)


def test_good_parts_raise_nothing_and_higher_scores_an_alarm_since_they_came(log, reference):
    monitor = monitor_of(log, reference)
    judge(log, 200)
    assert monitor.catch_up() == []
    judge(log, 100, shift=3.0, seed=2)
    [alarm] = monitor.catch_up()
    assert alarm.kind == "scores"
    assert 195 <= alarm.since <= alarm.verdict < 230
    assert "scores are h" in alarm.text  # higher, or high more often
    assert re.search(r"light, place and sharpness of these \d+ pictures tell no cause$", alarm.text)
    assert monitor.catch_up() == []
    assert alarms_of(log, monitor.run) == {"scores": alarm}


def test_darker_pictures_are_found_where_scores_stay_as_they_are(log, reference):
    monitor = monitor_of(log, reference)
    judge(log, 150)
    judge(log, 60, seed=2, light=-20.0)
    [alarm] = monitor.catch_up()
    assert (alarm.kind, 145 <= alarm.since <= 156 < alarm.verdict < 175) == ("pictures", True)
    assert "pictures are unlike those of calibration: darker by " in alarm.text


def test_pictures_of_rejected_parts_may_show_anything(log, reference):
    monitor = monitor_of(log, reference, defects=0.3)
    rng = np.random.default_rng(3)
    for number in range(300):
        bad = number % 10 == 0
        log.append(entry(5.0 if bad else float(rng.normal())), sights(rng, 1, light=-90.0 if bad else 0.0)[0])
    assert monitor.catch_up() == []


def test_only_new_pictures_of_this_bundle_count(log, reference):
    monitor = monitor_of(log, reference)
    judge(log, 100, shift=9.0, bundle=OTHER)
    log.append_all([entry(9.0, known=True)] * 100)
    log.append_all([replace(entry(9.0), score=None, p_value=None, rejected=None, error="torn")] * 100)
    assert monitor.catch_up() == []
    assert monitor.test.parts == 0


def test_parts_without_a_sight_are_tested_by_their_scores(log, reference):
    monitor = monitor_of(log, reference)
    log.append_all([entry(-6.0 + number / 100) for number in range(60)])
    assert [one.kind for one in monitor.catch_up()] == ["scores"]
    assert "scores are lower" in monitor.alarms["scores"].text


def test_foreign_parts_that_score_as_defective_ones_are_found_by_what_they_show(log, reference):
    monitor = monitor_of(log, reference)
    judge(log, 200)
    rng = np.random.default_rng(4)
    for _ in range(500):
        foreign = rng.random() < 0.1
        log.append(entry(9.0 if foreign else float(rng.normal())), sights(rng, 1, rest=40.0 if foreign else 0.0)[0])
    [alarm] = monitor.catch_up()
    assert alarm.kind == "pictures"
    assert 50 < alarm.since <= 240
    assert "of the pictures show something else: another product among them?" in alarm.text


def test_an_old_bundle_without_sharpness_is_tested_by_the_rest(reference):
    old = replace(reference, sights=tuple((*row[:-1], None) for row in reference.sights))
    test, rng = PartTest(old, defects=0.03, seed=0), np.random.default_rng(5)
    for sight in sights(rng, 60, turn=8.0):
        test.see(float(rng.normal()), (*sight[:-1], None))
    assert test.log("pictures") > ln(2000)
    assert test.change("pictures")[0] == "turn"


@pytest.mark.parametrize("parts", [7, 130])
def test_a_restart_changes_nothing(log, reference, parts, monkeypatch):
    monkeypatch.setattr("iad.serve.drift.monitor.SNAPSHOT_PARTS", 50)
    whole = monitor_of(log, reference)
    judge(log, parts)
    whole.catch_up()
    again = monitor_of(log, reference)
    assert again.run == whole.run
    assert again.test.parts == parts // 50 * 50  # from the snapshot on
    judge(log, 40, seed=2, shift=1.0)
    found, wanted = again.catch_up(), whole.catch_up()
    assert again.test.state() == whole.test.state()
    assert found == wanted or {*again.alarms} == {*whole.alarms}


def test_two_programs_write_one_alarm_and_tell_it_both(log, reference):
    one, two = (monitor_of(log, reference) for _ in range(2))
    judge(log, 60, shift=6.0)
    assert one.catch_up() == two.catch_up() == list(alarms_of(log, one.run).values())


def test_an_alarm_stays_until_a_new_test_is_begun_which_others_take_up(log, reference):
    monitor = monitor_of(log, reference)
    judge(log, 60, shift=6.0)
    monitor.catch_up()
    judge(log, 300, seed=2)
    assert monitor.catch_up() == []
    assert [*monitor_of(log, reference).alarms] == ["scores"]
    [new] = followed(log, BUNDLE[:4], again="the lamp was replaced")
    assert (new.run.reason, new.run.after, new.alarms) == ("the lamp was replaced", 360, {})
    judge(log, 50, seed=3)
    assert monitor.catch_up() == []
    assert (monitor.run, monitor.test.parts, monitor.alarms) == (new.run, 50, {})


def test_other_options_begin_another_test(log, reference):
    first = monitor_of(log, reference)
    assert monitor_of(log, reference).run == first.run
    other = monitor_of(log, reference, defects=0.1)
    assert (other.run.number, other.run.reason) == (2, "other options")
    assert latest(log, BUNDLE) == other.run
    assert first.run.seed != other.run.seed


def test_nothing_of_a_test_can_be_changed_in_the_log(log, reference):
    monitor = monitor_of(log, reference)
    judge(log, 60, shift=6.0)
    monitor.catch_up()
    base = sqlite3.connect(log.path)
    for statement in ("UPDATE tests SET seed = '1'", "DELETE FROM alarms", "DELETE FROM sights"):
        with pytest.raises(sqlite3.IntegrityError, match="stay as they are"):
            base.execute(statement)


def test_a_log_of_an_older_iad_gets_the_new_tables(tmp_path, reference):
    with VerdictLog(tmp_path / "old.db") as log:
        judge(log, 3)
    base = sqlite3.connect(tmp_path / "old.db")
    for name in ("sights", "tests", "alarms", "snapshots"):
        base.execute(f"DROP TABLE {name}")
    base.close()
    with VerdictLog(tmp_path / "old.db") as log:
        monitor = monitor_of(log, reference)
        assert len(list(log.entries())) == 3
        judge(log, 2)
        assert monitor.catch_up() == []
        assert monitor.test.parts == 2  # a test begins with the parts that come


def test_an_alarm_after_few_pictures_does_not_deny_a_cause_that_shows_later(log, reference):
    monitor = monitor_of(log, reference)
    judge(log, 7, shift=8.0, light=-30.0)
    [alarm] = [one for one in monitor.catch_up() if one.kind == "scores"]
    judge(log, 60, shift=8.0, light=-30.0, seed=2)
    monitor.catch_up()
    assert re.search(r"; \d pictures are too few to tell a cause$", alarm.text)
    assert any(line.startswith("  they are darker by ") for line in standing_lines(monitor))


def test_no_evidence_is_not_told_with_a_sign(log, reference):
    monitor = monitor_of(log, reference)
    monitor.test.log = lambda _: -0.01
    assert next(line for line in standing_lines(monitor) if "of scores" in line).split(",")[0].endswith("10^0.0")


def test_how_it_stands_in_numbers_and_words(log, reference):
    monitor = monitor_of(log, reference)
    judge(log, 40)
    for number, word in ((1, "good"), (2, "bad"), (3, "good"), (4, "bad"), (4, "good")):
        log.say(number, word)
    judge(log, 40, seed=2, shift=6.0, turn=4.0)
    for number in (60, 61, 62):
        log.say(number, "good" if number == 60 else "bad")
    monitor.catch_up()
    found = standing(monitor)
    assert (found.parts, found.recent) == (80, 80)
    assert found.escapes == Overruled(1, 4)
    assert found.false_alarms == Overruled(1, 3)
    assert found.distance > 0.4
    assert found.chance < 1e-6
    assert found.needed == pytest.approx(np.log10(2000))
    lines = "\n".join(standing_lines(monitor))
    assert "ALARM at verdict" in lines
    assert "no alarm of pictures" in lines
    assert "rejected but good 1 of 3" in lines
    assert "passed but bad 1 of 4 (25 %, 95 % interval 0.6 to 80.6 %)" in lines


def test_without_parts_there_is_nothing_to_say(log, reference):
    text = "\n".join(standing_lines(monitor_of(log, reference)))
    assert "0 parts seen" in text
    assert "rejected but good 0 of 0" in text
    with pytest.raises(IadError, match="no test of such parts"):
        followed(log, "f")


@pytest.mark.parametrize(("changed", "words"), [
    ({"light": 30.0}, "brighter by 30"), ({"turn": -4.0}, "turned counterclockwise by about"),
    ({"across": 0.05}, "moved right by about 5"), ({"down": -0.05}, "moved up by about"),
    ({"size": 0.06}, "larger by about 6"), ({"sharpness": -0.1}, "blurred (sharpness 0.1"),
    ({"rest": 20.0}, "something else to see"),
])  # fmt: skip
def test_the_likely_cause_in_words(reference, changed, words):
    [found] = likely_causes(np.array(sights(np.random.default_rng(1), 50, **changed)), reference.traits)
    assert words in found


def test_foreign_parts_among_good_ones_are_told_and_usual_ones_are_not(reference):
    rng = np.random.default_rng(2)
    good = np.array(sights(rng, 200))
    assert likely_causes(good, reference.traits) == []
    mixed = np.concatenate([good[:180], sights(rng, 20, rest=40.0, light=50.0)])
    assert likely_causes(mixed, reference.traits) == [
        "10 % of the pictures show something else: another product among them?"
    ]
    assert likely_causes(good[:3], reference.traits) == []


def test_a_lookout_follows_the_log_and_tells_once_what_it_cannot_read(log, reference, monkeypatch):
    told = []
    lookout = Lookout({"bolts": monitor_of(log, reference)}, told.append)
    judge(log, 300, shift=6.0)
    lookout.look()
    assert len(told) == 1
    assert told[0].startswith("ALARM bolts: the promise may no longer hold, since about verdict 1: scores are ")
    assert lookout.standing("bolts").parts == 300
    monkeypatch.setattr(log, "rows", lambda *_: (_ for _ in ()).throw(IadError("a.db: away")))
    lookout.look()
    lookout.look()
    assert told[1:] == ["parts are not tested: a.db: away"]


def test_a_lookout_ends_when_it_is_told(log, reference):
    lookout = Lookout({"bolts": monitor_of(log, reference)}, print)
    lookout.start()
    lookout.stop()
    assert "lookout" not in {one.name for one in threading.enumerate()}


def test_a_test_on_the_line_is_the_one_that_is_simulated(reference):
    rng, defects = np.random.default_rng(6), 0.03
    alone = PartTest(reference, defects=defects, seed=7)
    test = ExchangeTest(np.array([reference.scores]), np.array([reference.threshold]), defects=defects, seed=7)
    for score in rng.normal(size=50):
        alone.see(float(score), None)
        test.see(np.array([score]))
    assert alone.log("scores") == test.log[0]
    assert json.loads(json.dumps(alone.state())) == alone.state()


def test_a_test_begins_once_however_many_begin_it(log, reference):
    runs = []
    threads = [threading.Thread(target=lambda: runs.append(begin(log, BUNDLE, reference, **HOW))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len({run.seed for run in runs}) == 1
