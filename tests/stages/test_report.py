"""The page against the files that it is made of, and drawn by a browser where one is installed."""

import re
import shutil
import subprocess

import pytest

from iad import paths
from iad.errors import IadError
from iad.io import read_json
from iad.report.page.charts import MOST_POINTS, PRECISION_RECALL, curves, scores
from iad.stages.evaluate import evaluate
from iad.stages.report import report
from iad.stages.threshold import threshold
from tests.scored import METHODS, write_maps, write_scored

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def evaluated_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as patch:
        write_scored(folder)
        patch.chdir(folder)
        for method in METHODS:
            threshold(method)
        write_maps(folder, METHODS[0])
        evaluate()
    return folder


@pytest.fixture
def page(evaluated_once, monkeypatch):
    """The text of the page, without the script of the charts; the current folder is that of the results."""
    monkeypatch.chdir(evaluated_once)
    report()
    text = paths.PAGE.read_text(encoding="utf-8")
    start, end = text.index("<script>"), text.index("</script>\n</head>")
    return text[:start] + text[end:]


def test_every_number_of_the_results_is_on_the_page(page):
    for method in METHODS:
        found = read_json(paths.METRICS / f"{method}.json")
        cells = [
            f"{found['auroc']:.3f} [{found['auroc_low']:.3f}, {found['auroc_high']:.3f}]",
            f"{found['threshold']:.4g}",
        ]
        row = re.search(rf"<tr><td>{method}</td>.*?</tr>", page, re.DOTALL)[0]
        assert all(f"<td>{cell}" in row for cell in cells)
        verdicts = read_json(paths.REPORT)["methods"][method]["verdicts"]
        part = page[page.index(f"<summary>{method}</summary>") :]
        assert f"{verdicts['false_negatives']} misses" in part[: part.index("</table>")]


def test_nothing_comes_from_elsewhere(page):
    assert not re.findall(r"<(?:link|iframe|object|embed)\b", page)
    assert all(address.startswith("data:image/webp;base64,") for address in re.findall(r'\bsrc="([^"]*)"', page))
    assert all(address.startswith("#") for address in re.findall(r'\bhref="([^"]*)"', page))
    assert "@import" not in page
    assert "url(" not in page


def test_the_same_results_give_the_same_bytes(page):
    before = paths.PAGE.read_bytes()
    report()
    assert paths.PAGE.read_bytes() == before


def test_the_page_goes_where_it_is_told_and_needs_no_figure(page, tmp_path, monkeypatch):
    folder = shutil.copytree(".", tmp_path / "results")
    monkeypatch.chdir(folder)
    for name in (paths.GALLERIES, paths.MISSES, paths.FALSE_ALARMS, paths.HISTOGRAMS):
        shutil.rmtree(name)
    paths.OVERVIEW.unlink()
    paths.COST_CURVES.unlink()
    report(out=tmp_path / "one.html")
    text = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert "<img" not in text[text.index("<main>") :]
    assert METHODS[0] in text


def test_without_results_it_says_what_to_run(tmp_path, monkeypatch, page):
    shutil.copy(paths.PARAMS, tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IadError, match=r"^plots/report\.json: no results here yet; run `dvc repro`"):
        report(out=tmp_path / "one.html")
    assert not (tmp_path / "one.html").exists()


def test_names_of_pictures_are_text_and_no_markup():
    import pandas as pd

    from iad.report.page.charts import as_html

    name = "</script><img src=x onerror=alert(1)>.png"
    found = as_html(scores(pd.DataFrame({"image_id": [name], "label": [1], "score": [1.0]}), 0.5), "chart")
    assert "<img" not in found


def test_a_curve_has_the_points_of_its_table_and_a_dot_where_the_verdicts_are():
    import pandas as pd

    table = pd.DataFrame(
        {"method": ["a", "a", "b"], "threshold": [2.0, 1.0, 3.0], "recall": [0.5, 1, 1], "precision": [1, 0.8, 0.9]}
    )
    traces = curves(table, PRECISION_RECALL, {"a": (0.5, 1.0)}).data
    assert [trace.name for trace in traces] == ["a", "a, threshold in use", "b"]
    assert (list(traces[0].x), list(traces[0].y), list(traces[0].customdata)) == ([0.5, 1], [1, 0.8], [2.0, 1.0])
    assert (traces[1].x[0], traces[1].y[0]) == (0.5, 1.0)


def test_many_scores_are_thinned_and_counted_in_full():
    import pandas as pd

    many = pd.DataFrame({"image_id": "a.png", "label": 0, "score": range(MOST_POINTS * 2)})
    (good, _) = scores(many, 1.0).data
    assert good.name == f"good ({MOST_POINTS * 2:,})"
    assert len(good.x) == MOST_POINTS
    assert {good.x[0], good.x[-1]} == {0, MOST_POINTS * 2 - 1}  # the outermost stay


@pytest.mark.skipif(not BROWSER, reason="no Chromium or Chrome is installed")
def test_a_browser_draws_every_chart_without_a_network(page):
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--proxy-server=127.0.0.1:9",
               "--virtual-time-budget=10000", "--dump-dom", f"file://{paths.PAGE.resolve()}"]  # fmt: skip
    drawn = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout
    charts = re.findall(r'id="((?:chart|scores)-[^"]+)" class="plotly-graph-div js-plotly-plot"', drawn)
    assert {*charts} == {"chart-0", "chart-1", "chart-2", *(f"scores-{method}" for method in METHODS)}
    assert drawn.count('class="main-svg"') >= len(charts)
