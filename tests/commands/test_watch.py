"""`iad watch` and `iad log` on a tiny project, as commands and as processes that are killed.

The oracle is `iad predict`.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from iad.bundles.predictor import load
from iad.errors import IadError
from iad.serve.entries import Choice
from iad.serve.log import VerdictLog
from tests.bundled import PICTURES, bundle_of, iad
from tests.conftest import environment
from tests.helpers import ROOT, with_ctrl_c

pytestmark = pytest.mark.usefixtures("as_the_pipeline")


@pytest.fixture
def inbox(project):
    """A folder with all test pictures, some of them defective, and what `iad predict` says of them."""
    bundle = bundle_of("vit")
    folder = Path("in")
    shutil.copytree(PICTURES / "test", folder)
    wanted = {one.image_id: (one.pred_score, one.rejected) for one in load(bundle).predict(folder)}
    return bundle, folder, wanted


def start(*words):
    command = [sys.executable, "-m", "iad", "watch", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment() | {"PYTHONPATH": str(ROOT)}, preexec_fn=with_ctrl_c,
    )  # fmt: skip


def logged():
    with VerdictLog(Path("verdicts.db"), create=False) as log:
        return list(log.entries())


def refused(*words, match):
    with pytest.raises(IadError, match=match) as caught:
        iad(*words)
    assert "\n" not in str(caught.value)


def test_verdicts_are_those_of_predict(inbox):
    bundle, folder, wanted = inbox
    done = iad("watch", folder, "--bundle", bundle, "--once", "--json", "--most-rejected", "1", "--settle", "0")
    printed = [json.loads(line) for line in done.splitlines() if line.startswith("{")]
    assert {one["image_id"]: (one["score"], one["rejected"]) for one in printed} == wanted
    assert [one.record() for one in logged()] == printed
    again = iad("watch", folder, "--bundle", bundle, "--once", "--settle", "0")
    assert "0 pictures inspected" in again
    assert len(logged()) == len(wanted)


def test_a_folder_may_be_away_pictures_come_later_and_a_signal_ends_it_well(inbox):
    bundle, folder, wanted = inbox
    folder.rename("away")
    folder.mkdir()
    words = ("--json", "--settle", "0.2", "--most-rejected", "1", "--passed", "good", "--rejected", "bad")
    process = start(folder, "--bundle", bundle, *words)
    assert "watching in with vit" in process.stderr.readline()
    folder.rmdir()
    assert "in: cannot be looked through (No such file or directory); waiting for it" in process.stderr.readline()
    folder.mkdir()
    name = min(wanted)
    part = folder / "later.part"
    part.write_bytes((Path("away") / name).read_bytes())
    part.rename(folder / "later.png")
    found = json.loads(process.stdout.readline())
    assert (found["score"], found["rejected"]) == wanted[name]
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=180)
    assert (process.returncode, told.splitlines()[-1]) == (0, "1 picture inspected")
    assert [path.name for folder in ("good", "bad") for path in Path(folder).iterdir()] == ["later.png"]


def test_after_kills_at_odd_moments_every_picture_has_one_verdict(inbox):
    bundle, folder, wanted = inbox
    names = sorted(wanted)
    words = (folder, "--bundle", bundle, "--json", "--settle", "0", "--most-rejected", "1", "--rejected", "bad")
    for verdicts in (1, 3):
        process = start(*words)
        for _ in range(verdicts):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
    iad("watch", *words, "--once")
    entries = logged()
    assert sorted(one.image_id for one in entries) == names
    assert {one.image_id: (one.score, one.rejected) for one in entries} == wanted
    rejected = {name for name, (_, verdict) in wanted.items() if verdict}
    assert {path.relative_to("bad").as_posix() for path in Path("bad").rglob("*.png")} == rejected
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")} == {*names} - rejected


def test_what_is_wrong_is_told_before_anything_is_inspected(inbox):
    bundle, folder, _ = inbox
    refused("watch", "gone", "--bundle", bundle, match="^gone: no such folder")
    refused("watch", folder, "--bundle", "gone.iad", match=r"^gone.iad: no such file")
    refused("watch", folder, "--bundle", bundle, "--passed", folder, match="is where pictures come")
    refused("watch", folder, "--bundle", bundle, "--webhook", "ftp://x", "--once", match="begins with http")
    refused("watch", folder, "--bundle", bundle, "--log", bundle, match="file of another kind")
    assert not list(Path().glob("*.db")) or not logged()


@pytest.fixture
def day(inbox):
    """A log of all verdicts."""
    bundle, folder, _ = inbox
    iad("watch", folder, "--bundle", bundle, "--once", "--most-rejected", "1", "--settle", "0")
    return logged()


def test_the_log_is_shown_and_filtered(day):
    shown = iad("log", "show", "--last", "0").splitlines()
    assert [int(line.split()[0]) for line in shown] == [one.number for one in day]
    assert len(iad("log", "show", "--last", "2").splitlines()) == 2
    rejected = iad("log", "show", "--verdict", "rejected", "--last", "0", "--json").splitlines()
    assert [json.loads(line)["number"] for line in rejected] == [one.number for one in day if one.rejected]
    assert iad("log", "show", "--since", "2999-01-01") == "verdicts.db: no such verdict\n"
    refused("log", "show", "--log", "gone.db", match="gone.db: no such file")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_log_is_exported_to_the_last_digit(day, suffix):
    iad("log", "export", f"a.{suffix}")
    read = {"csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True, precise_float=True)}
    table = read.get(suffix, pd.read_parquet)(f"a.{suffix}")
    assert table["score"].tolist() == [one.score for one in day]
    assert table["verdict"].tolist() == [one.verdict for one in day]
    refused("log", "export", f"a.{suffix}", match="exists already")
    refused("log", "export", "verdicts.db", match=r"what kind of table is '.db'")


def test_another_threshold_is_tried_on_the_log(day):
    scores = sorted(one.score for one in day)
    between = (scores[-2] + scores[-1]) / 2
    lines = iad("log", "judge", between).splitlines()
    before = sum(one.rejected for one in day)
    assert lines[0].startswith(f"{len(day)} parts: {before} rejected as it was, 1 from {between:.4f} on; ")
    assert re.match(rf"{before - 1} would have passed", lines[1])
    refused("log", "judge", "1", "--name", "nothing", match="no such verdicts")


def test_an_operator_is_heard_and_the_verdict_stays(day):
    one = day[0]
    assert iad("log", "say", one.number, "good", "--by", "Ann").rstrip().endswith("an operator says: good")
    with VerdictLog(Path("verdicts.db")) as log:
        found = list(log.entries(Choice(spoken=True)))
    assert [(entry.number, entry.rejected, entry.word) for entry in found] == [(one.number, one.rejected, "good")]
    refused("log", "say", "999", "bad", match="no verdict has the number 999")


def test_verdicts_of_two_bundles_are_not_judged_together(day):
    other = bundle_of("resnet")
    Path("in/new.png").write_bytes(next(Path("in").rglob("*.png")).read_bytes())
    iad("watch", "in", "--bundle", other, "--once", "--settle", "0", "--most-rejected", "1")
    refused("log", "judge", "1", match="verdicts of 2 bundles")
    sha256 = logged()[-1].bundle
    assert iad("log", "judge", "0", "--bundle", sha256[:12]).startswith("1 part:")


def test_frames_of_one_colour_stop_it_with_a_word(project):
    from PIL import Image

    Path("in").mkdir()
    for number in range(9):
        Image.new("L", (64, 64), number % 4).save(f"in/{number}.png")
        os.utime(f"in/{number}.png", (number, number))
    words = ("in", "--bundle", bundle_of("resnet"), "--once", "--settle", "0")
    refused("watch", *words, match="^in: stopped: the last 5 pictures are black")
    assert len(logged()) == 5
