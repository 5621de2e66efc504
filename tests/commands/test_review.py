"""What operators overruled becomes a new bundle, which is tried beside the old one, promoted, and rolled back."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from iad.bundles.bundle import read_bundle
from iad.bundles.predictor import load
from iad.errors import IadError
from iad.serve.log import VerdictLog
from tests.bundled import PICTURES, bundle_of, iad

pytestmark = pytest.mark.usefixtures("as_the_pipeline")
WATCH = ("--once", "--settle", "0", "--most-rejected", "1")


def refused(*words, match):
    with pytest.raises(IadError, match=match) as caught:
        iad(*words)
    assert "\n" not in str(caught.value)


@pytest.fixture
def day(project):
    """A bundle, and a day's verdicts of which operators overruled one of each kind."""
    bundle = bundle_of("vit")
    shutil.copytree(PICTURES / "test", "in")
    iad("watch", "in", "--bundle", bundle, *WATCH)
    with VerdictLog(Path("verdicts.db"), create=False) as log:
        every = [one for one in log.entries() if not one.known]
        wrong = next(one for one in every if one.rejected), next(one for one in every if not one.rejected)
        log.say(wrong[0].number, "good")
        log.say(wrong[1].number, "bad")
    return bundle, *wrong


def test_an_overruled_part_joins_and_the_same_pictures_calibrate(day):
    bundle, false_alarm, escape = day
    before = bundle.read_bytes()
    text = iad("review", bundle)
    assert f"1 good parts were rejected, as operators say: {false_alarm.image_id}" in text
    assert f"1 bad parts passed, as operators say: {escape.image_id}" in text
    assert "1 picture would join the bundle" in text
    assert sorted(path.name for path in Path().glob("*.iad")) == []
    iad("review", bundle, "--out", "new.iad")
    assert bundle.read_bytes() == before
    old, new = (read_bundle(path)[0] for path in (bundle, Path("new.iad")))
    assert new.calibration.pictures == old.calibration.pictures
    assert set(new.pictures.sha256) - set(old.pictures.sha256) == {false_alarm.sha256}
    assert not new.threshold.guaranteed
    verdict = next(iter(load("new.iad").predict(false_alarm.path)))
    assert (verdict.known, verdict.rejected) == (True, False)
    assert np.isfinite(new.calibration.scores).all()


def test_known_defects_are_kept_and_tried_only_when_it_is_asked_for(day):
    bundle, _, escape = day
    refused("review", bundle, "--keep", match="--keep without a folder to copy to")
    text = iad("review", bundle, "--acceptance", "accept", "--keep")
    [kept] = Path("accept/bad").iterdir()
    assert kept.read_bytes() == Path(escape.path).read_bytes()
    assert "acceptance set: wrong on 1 of 1 that operators call bad as it was" in text
    refused("review", bundle, "--acceptance", "nothing", match="no folder good or bad in it")


def test_nothing_is_proposed_where_nobody_overruled_anything(project):
    bundle = bundle_of("vit")
    shutil.copytree(PICTURES / "test", "in")
    iad("watch", "in", "--bundle", bundle, *WATCH)
    refused("review", bundle, match="operators overruled no verdict of this bundle")


def test_a_day_is_judged_again_by_another_bundle_and_by_a_shadow_alike(day):
    bundle, *_ = day
    other = bundle_of("resnet")
    wanted = {one.image_id: one.rejected for one in load(other).predict("in", maps=False)}
    iad("watch", "in", "--bundle", bundle, "--log", "b.db", "--shadow", other, *WATCH)
    with VerdictLog(Path("b.db"), create=False) as log:
        found = log.rows(
            "SELECT image_id, shadows.rejected FROM shadows JOIN verdicts ON verdict = verdicts.number", []
        )
    assert found
    assert all(bool(rejected) is wanted[name] for name, rejected in found)
    lines = iad("log", "judge", "--by", other, "--log", "b.db").splitlines()
    again = iad("log", "shadow", "--log", "b.db").splitlines()
    assert [one.split(",")[0] for one in lines if "parts:" in one] == [
        one.split(",")[0] for one in again if "parts:" in one
    ]
    refused("log", "judge", match="give a threshold, or a bundle")
    refused("log", "judge", "1", "--by", other, match="give a threshold, or a bundle")


def test_verdicts_name_the_bundle_that_spoke_before_and_after_a_promotion(day):
    bundle, false_alarm, _ = day
    iad("review", bundle, "--out", "new.iad")
    first, second = (read_bundle(path)[1] for path in (bundle, Path("new.iad")))
    assert f"{first[:12]} replaced by {second[:12]}" in iad("promote", "new.iad", bundle)
    shutil.copyfile(false_alarm.path, "in/again.png")
    iad("watch", "in", "--bundle", bundle, *WATCH)
    assert f"{second[:12]} left, {first[:12]} is back" in iad("rollback", bundle)
    shutil.copyfile(false_alarm.path, "in/once_more.png")
    iad("watch", "in", "--bundle", bundle, *WATCH)
    with VerdictLog(Path("verdicts.db"), create=False) as log:
        last = list(log.entries())[-2:]
    assert [(one.bundle, one.rejected) for one in last] == [(second, False), (first, True)]


def test_drift_is_told_of_each_bundle_of_a_log(day):
    text = iad("log", "drift")
    assert "no alarm of scores: evidence 10^" in text
    assert "operators overruled: rejected but good 1 of 1" in text
    refused("log", "drift", "--bundle", "ff", match="no test of such parts")
    assert "(a new lamp)" in iad("log", "drift", "--again", "a new lamp")
