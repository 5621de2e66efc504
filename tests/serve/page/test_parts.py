"""What the page shows, counted by hand: colours, thresholds on trial, words, and which folders are reached."""

import io

import numpy as np
import pytest
from PIL import Image

from iad.decision.conformal import conformal
from iad.decision.costs import Prices
from iad.errors import IadError
from iad.report.overlay import MapScale, overlay
from iad.serve.drift.keeping import Alarm
from iad.serve.drift.report import Overruled, Standing
from iad.serve.entries import Entry
from iad.serve.http.station import SentPicture
from iad.serve.page.keepsake import Keepsake
from iad.serve.page.shelf import Shelf
from iad.serve.page.trial import prices_of, tried
from iad.serve.page.views import Views, heat_of
from iad.serve.page.wording import weather

SCALE = MapScale(usual=1.0, red=3.0)


def entry(number, score, word="", *, threshold=5.0):
    return Entry(
        f"{number}.png", "", "", 0, 0, "", "b1", "vit", score, 0.5, threshold, score >= threshold, "", 0.1,
        number=number, word=word,
    )  # fmt: skip


def test_colours_over_a_grey_picture_are_those_of_the_report():
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 6, (40, 30))
    grey = np.repeat(rng.integers(0, 256, (40, 30, 1), dtype=np.uint8), 3, axis=2)
    heat = heat_of(values, SCALE).astype(float)
    opacity = heat[..., 3:] / 255
    laid = grey * (1 - opacity) + heat[..., :3] * opacity
    assert np.abs(laid - overlay(grey, values, SCALE)).max() <= 1.5  # both are rounded


def test_a_threshold_on_trial_is_counted_part_by_part(tmp_path):
    entries = [entry(1, 1.0), entry(2, 4.0, "bad"), entry(3, 6.0, "bad"), entry(4, 6.5, "good"), entry(5, 3.0, "good")]
    calibration = np.array([0.0, 1.0, 2.0, 3.5, 5.5])
    found = tried(entries, 3.5, 5.0, calibration, tmp_path)
    shares = [
        [(it.rejected, it.total) for it in (one.parts, one.good, one.bad, one.calibration)]
        for one in (found.now, found.then)
    ]
    assert shares == [[(2, 5), (1, 2), (1, 2), (1, 5)], [(3, 5), (1, 2), (2, 2), (2, 5)]]
    assert found.alpha == 3 / 6
    assert conformal(calibration, "split", alpha=found.alpha).value == np.nextafter(2.0, 9)  # rejects 3.5 and 5.5 too
    prices = Prices(miss=100, false_alarm=1, defect_rate=0.1)
    assert found.now.cost(prices) == pytest.approx(100 * 50 + 900 * 0.2)
    assert found.then.cost(prices) == pytest.approx(900 * 0.4)


def test_the_cost_is_not_told_before_anybody_called_a_part_bad(tmp_path):
    found = tried([entry(1, 1.0, "good")], 3.5, 5.0, np.array([1.0]), tmp_path)
    assert found.now.cost(Prices(miss=1, false_alarm=1, defect_rate=0.1)) is None


@pytest.mark.parametrize(("values", "said"), [
    ((-5, 1, 1), "negative"), ((1, -1, 1), "negative"), ((1, 1, 0), "share of bad parts"),
    ((1, 1, 100), "share of bad parts"), ((None, 1, 1), "both prices"), ((1, float("nan"), 1), "negative"),
])  # fmt: skip
def test_prices_that_cannot_be_are_told_and_not_changed(values, said):
    with pytest.raises(IadError, match=said):
        prices_of(*values)
    assert prices_of(0, 2, 5) == Prices(miss=0, false_alarm=2, defect_rate=0.05)


@pytest.mark.parametrize("far", [1e9, -1e9])
def test_a_threshold_far_away_leaves_the_scores_apart(far):
    drawing = pytest.importorskip("iad.serve.page.screen.drawing")
    scores = np.linspace(1, 2, 50)
    bars = {then: drawing.histogram(scores, scores, 1.9, then).count("<rect") for then in (1.9, far)}
    assert bars[far] > bars[1.9] / 2


def standing(**changed):
    none = Overruled(0, 0)
    given = {
        "parts": 100, "evidence": {"scores": 0.0, "pictures": 0.0}, "needed": 3.0, "alarms": {}, "recent": 100,
        "rejected": 0.05, "distance": 0.1, "chance": 0.5, "false_alarms": none, "escapes": none,
    }  # fmt: skip
    return Standing(**given | changed)


def test_the_line_on_top_tells_how_urgent_it_is_and_why():
    alarm = Alarm(kind="scores", time="", verdict=90, since=70, text="scores are higher; likely cause: darker by 20 %")
    assert weather(standing(), [], 100).level == "calm"
    assert weather(standing(recent=3), [], 3).level == "unknown"
    watch = weather(standing(chance=1e-6), ["darker by 20 %"], 100)
    assert (watch.level, "Likely cause: darker by 20 %." in watch.text) == ("watch", True)
    assert weather(standing(evidence={"scores": 0.0, "pictures": 1.6}), [], 100).level == "watch"
    found = weather(standing(alarms={"scores": alarm}), ["blurred"], 100)
    assert (found.level, "Since about part 70" in found.text, "darker by 20 %" in found.text) == ("alarm", True, True)
    assert "The last 100 are blurred." in found.text  # what was not yet known at the time of the alarm


def test_only_the_last_pictures_are_held_and_files_of_the_log_are_not():
    kept = Keepsake(most_bytes=10)
    pictures = [SentPicture(it, it, data=it.encode() * 4) for it in ("a", "b", "c")]
    kept.add([*pictures, SentPicture("d", "d", data=b"d", origin="/d.png")])
    assert [kept.find(one.sha256) for one in pictures] == [None, b"bbbb", b"cccc"]
    kept.add([pictures[1]] * 5)
    assert kept.find(pictures[2].sha256) == b"cccc"
    assert kept.find(SentPicture("d", "d", data=b"d").sha256) is None


def test_links_lead_nowhere_and_other_folders_are_not_on_the_shelf(tmp_path):
    shelf_folder, outside = tmp_path / "shelf", tmp_path / "outside"
    for folder in (shelf_folder / "in", outside):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(b"a")
    (shelf_folder / "linked").symlink_to(outside)
    (shelf_folder / "in" / "b.png").symlink_to(outside / "a.png")
    shelf = Shelf([shelf_folder])
    assert list(shelf.folders().values()) == [shelf_folder / "in"]
    assert shelf.pictures(shelf_folder / "in") == [shelf_folder / "in" / "a.png"]
    for folder in (outside, shelf_folder / "linked", shelf_folder / "in" / ".." / ".." / "outside"):
        assert shelf.pictures(folder) == []
    digest = SentPicture("a", "a", data=b"a").sha256
    assert shelf.original("in/a.png", digest) is not None
    for name in ("../outside/a.png", str(outside / "a.png"), "linked/a.png", "in/b.png"):
        assert shelf.original(name, digest) is None, name


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(IadError, match=r"--pictures .*absent: no such folder"):
        Shelf([tmp_path / "absent"])


def test_the_view_of_a_part_is_what_the_bundle_says_of_its_very_picture(station, log, pictures, project):
    data = pictures[0].read_bytes()
    (answer,) = station.submit([SentPicture(pictures[0], "a.png", data=data)])
    number = answer.result(60).number
    views = Views(log, {"line": station}, station.kept, Shelf([project / "pictures/train"]))
    insight = views.insight(number)
    (verdict,) = station.inspector.predict(pictures[0])
    scale = station.inspector.bundle.maps.scale
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(insight.heat))), heat_of(verdict.anomaly_map, scale))
    assert Image.open(io.BytesIO(views.picture(number))).size == Image.open(pictures[0]).size
    assert all(good.is_here for good in insight.nearest)
    assert Image.open(io.BytesIO(views.good(insight.nearest[0].name, insight.nearest[0].sha256))).size == (64, 64)
    with pytest.raises(IadError, match="no verdict"):
        views.picture(number + 1)


def test_a_good_picture_is_the_nearest_to_itself(station, log, project):
    pictures = station.inspector.bundle.pictures
    file = next(one for one in (project / "pictures/train").rglob("*.png") if pictures.ids[2].endswith(one.name))
    (answer,) = station.submit([SentPicture(file, file.name, data=file.read_bytes())])
    number = answer.result(60).number
    views = Views(log, {"line": station}, station.kept, Shelf([]))
    nearest = views.insight(number).nearest[0]
    assert (nearest.name, nearest.sha256, nearest.is_here) == (pictures.ids[2], pictures.sha256[2], False)
