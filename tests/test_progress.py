"""Bars count what is done and stay silent where nobody looks; a said line is there at once."""

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest

from iad import progress
from iad.progress import bar, say, track


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=shown))  # pytest puts its own sys.stderr back
    monkeypatch.setattr(progress, "SHOW_AFTER_SECONDS", 0)
    return shown


def test_items_pass_unchanged_in_their_order():
    assert list(track(iter("abc"), "letters", total=3)) == ["a", "b", "c"]


def test_a_bar_on_a_terminal_shows_title_count_and_rate(terminal):
    assert list(track(range(3), "decode", unit=" pictures")) == [0, 1, 2]
    assert "decode" in terminal.getvalue()
    assert "/3" in terminal.getvalue()
    assert " pictures/s" in terminal.getvalue()


def test_a_finished_bar_is_wiped_away(terminal):
    list(track(range(3), "decode"))
    assert terminal.getvalue().split("\r")[-2].strip() == ""


def test_a_bar_of_bytes_speaks_in_thousands(terminal):
    with bar("fetch", 4000, unit="B", scale=True) as shown:
        shown.update(2000)
        shown.update(2000)
    assert "/4.00k" in terminal.getvalue()


def test_without_a_terminal_there_is_no_bar(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SHOW_AFTER_SECONDS", 0)
    assert list(track(range(3), "decode")) == [0, 1, 2]
    with bar("fetch", 10) as shown:
        shown.update(10)
    assert capsys.readouterr().err == ""


def test_a_said_line_reaches_a_pipe_at_once():
    code = "import os, iad.progress; iad.progress.say('ready'); os._exit(0)"  # no flush at exit
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env={})
    assert done.stdout == "ready\n"


@pytest.mark.parametrize(
    ("encoding", "shown"), [("cp1252", "??_é.png"), ("ascii", "??_?.png"), ("utf-8", "零件_é.png")]
)
def test_a_line_with_letters_that_a_pipe_lacks_is_said_with_others(monkeypatch, encoding, shown):
    pipe = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", pipe)
    say("零件_é.png")
    assert pipe.buffer.getvalue().decode(encoding) == f"{shown}\n"


def test_a_said_line_goes_to_standard_output(capsys):
    say("download: 3 pictures")
    assert capsys.readouterr().out == "download: 3 pictures\n"
