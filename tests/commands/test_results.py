"""Oracle: the table that `evaluate` itself prints."""

import pytest

from iad.commands.results import results
from iad.errors import IadError
from iad.stages.evaluate import evaluate
from iad.stages.threshold import threshold
from tests.scored import METHODS, write_scored


def test_without_results_the_command_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IadError, match=r"report\.json: no results here yet; run `dvc repro`"):
        results()


def test_the_table_is_the_one_that_evaluate_printed(tmp_path, monkeypatch, capsys):
    write_scored(tmp_path)
    monkeypatch.chdir(tmp_path)
    for method in METHODS:
        threshold(method)
    evaluate()
    printed = capsys.readouterr().out
    results()
    table = capsys.readouterr().out
    assert len(table.splitlines()) == 2 + len(METHODS)
    assert table in printed
    results(markdown=True)
    markdown = capsys.readouterr().out.splitlines()
    assert markdown[1].startswith("|:--|:--|--:|")
    cells = [cell.strip() for cell in markdown[-1].strip("|").split("|")]
    assert "  ".join(cells).split() == table.splitlines()[-1].split()
