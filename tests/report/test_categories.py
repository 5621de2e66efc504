"""Oracle: the mean of draws made one by one in a loop, and scikit-learn's metrics."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from iad.errors import IadError
from iad.metrics.confusion import Verdicts
from iad.report.categories import TITLES, Cell, categories_rows, category_cells, metric_of
from iad.statistics.bootstrap import draw_weights


def scored(seed, good=20, defective=30, lift=1.5):
    generator = np.random.default_rng(seed)
    labels = np.array([0] * good + [1] * defective)
    scores = generator.normal(size=len(labels)) + lift * labels
    return Verdicts(labels, scores, scores > 1)


RESULTS = {name: {"cnn": scored(seed), "vit": scored(10 + seed, lift=2)} for seed, name in enumerate("abc")}
OPTIONS = {"draws": 200, "confidence": 0.9, "seed": 5}


def test_values_are_those_of_scikit_learn():
    one = RESULTS["a"]["cnn"]
    assert metric_of(one, "auroc") == pytest.approx(roc_auc_score(one.gt_label, one.pred_score))
    assert metric_of(one, "f1") == pytest.approx(f1_score(one.gt_label, one.rejected))
    assert metric_of(one, "balanced_accuracy") == pytest.approx(balanced_accuracy_score(one.gt_label, one.rejected))


def test_the_mean_and_its_interval_are_those_of_draws_within_each_category():
    cells = category_cells(RESULTS, "auroc", **OPTIONS)
    values = [cells[name]["cnn"].value for name in "abc"]
    drawn = []
    for number, name in enumerate("abc"):
        one = RESULTS[name]["cnn"]
        weights = np.concatenate(list(draw_weights(one.gt_label, draws=200, seed=5 + number)))
        drawn.append([roc_auc_score(one.gt_label, one.pred_score, sample_weight=weight) for weight in weights])
    low, high = np.quantile(np.mean(drawn, axis=0), [0.05, 0.95])
    mean = cells["mean"]["cnn"]
    assert (mean.value, mean.low, mean.high) == pytest.approx((np.mean(values), low, high))
    assert mean.high - mean.low < cells["a"]["cnn"].high - cells["a"]["cnn"].low


def test_a_method_that_was_not_measured_everywhere_has_no_mean():
    results = RESULTS | {"c": {"cnn": RESULTS["c"]["cnn"]}}
    cells = category_cells(results, "auroc", **OPTIONS)
    assert cells["mean"]["vit"] == Cell(None)
    assert cells["mean"]["cnn"].value is not None
    _, rows = categories_rows(cells, results)
    assert rows[2][3] == "-"
    assert rows[0][:2] == ["a", "20 + 30"]
    assert rows[-1][0] == "mean"


def test_a_category_with_one_class_has_no_auroc_and_neither_has_the_mean():
    one = Verdicts(np.zeros(4, int), np.arange(4.0), np.zeros(4, bool))
    cells = category_cells({"a": {"cnn": one}, "b": RESULTS["b"]}, "auroc", **OPTIONS)
    assert cells["a"]["cnn"] == cells["mean"]["cnn"] == Cell(None)


def test_without_draws_there_are_values_alone():
    cells = category_cells(RESULTS, "f1", draws=0, confidence=0.9, seed=0)
    assert all(cell.value is not None and cell.low is None for row in cells.values() for cell in row.values())


def test_an_unknown_metric_is_refused_with_the_known_ones():
    with pytest.raises(IadError, match="unknown metric 'aurok'; did you mean 'auroc'"):
        category_cells(RESULTS, "aurok", **OPTIONS)


def test_the_help_of_the_command_names_every_metric():
    from iad.commands.table import METRICS

    assert METRICS.replace(" or ", ", ").split(", ") == list(TITLES)
