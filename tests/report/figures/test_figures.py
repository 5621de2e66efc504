"""Oracle: the numbers a figure was given are the numbers it shows, and equal numbers give equal bytes."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image

from iad.metrics.curves import Curve
from iad.report.figures.overview import ONE_CLASS, Estimate, Examples, overview
from iad.report.figures.style import METHOD_COLOURS, method_lines, png
from iad.report.figures.verdicts import confusion_matrix, picture_strip, score_histogram

PIXELS = np.random.default_rng(0).integers(0, 255, (30, 16, 16, 3), dtype=np.uint8)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [text.get_text() for text in figure.texts]


def pictures_in(figure):
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.get_images()]


def lines_of(axes, colour):
    return [line.get_xydata().tolist() for line in axes.lines if to_hex(line.get_color()).upper() == colour]


def curve(*points):
    x, y = np.array(points, dtype=float).T
    return Curve(np.arange(len(x), 0.0, -1.0), x, y)


def examples(count):
    return Examples(PIXELS[:count], np.arange(count) / 10, np.arange(count) % 2 == 1)


def drawn(methods=("ae", "vit"), **changes):
    given = {
        "good": examples(3),
        "defective": examples(2),
        "caption": "score of vit",
        "roc": {method: curve((0, 0), (0, 0.5), (0.25, 1), (1, 1)) for method in methods},
        "precision_recall": {method: curve((0.5, 1), (1, 0.6)) for method in methods},
        "roc_deployed": dict.fromkeys(methods, (0.1, 0.75)),
        "precision_recall_deployed": dict.fromkeys(methods, (0.75, 0.9)),
        "auroc": {method: Estimate(0.7 + row / 100, 0.6, 0.9) for row, method in enumerate(methods)},
        "confidence": 0.9,
        "labels": {method: f"net of {method}" for method in methods},
    }
    return overview(**given | changes)


FIGURES = {
    "overview": drawn,
    "strip": lambda: picture_strip("misses", PIXELS[:3], ["a", "b", "c"], [1, 2, 3], 4),
    "confusion": lambda: confusion_matrix("vit", np.array([[5, 1], [2, 6]])),
    "histogram": lambda: score_histogram(
        "vit", PIXELS[0, 0, :, 0] + 1.0, PIXELS[1, 0, :, 0] + 9.0, np.arange(9.0), 3.0
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_equal_numbers_give_equal_bytes_without_a_date_or_a_name_of_software(name):
    first, second = png(FIGURES[name]()), png(FIGURES[name]())
    assert first == second
    assert set(Image.open(io.BytesIO(first)).info) == {"dpi"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_leaves_the_settings_of_matplotlib_as_they_were(name):
    before = dict(mpl.rcParams)
    png(FIGURES[name]())
    assert dict(mpl.rcParams) == before


def test_the_overview_is_1600_pixels_wide():
    assert Image.open(io.BytesIO(png(drawn()))).size == (1600, 500)


def test_roc_curves_are_drawn_through_their_points_with_a_dot_at_the_deployed_threshold():
    roc = drawn().axes[2]
    assert lines_of(roc, METHOD_COLOURS[0]) == [[[0, 0], [0, 0.5], [0.25, 1], [1, 1]], [[0.1, 0.75]]]


def test_precision_holds_back_to_the_recall_before_it_so_that_the_area_is_the_average_precision():
    figure = drawn()
    (step,) = [
        line for line in figure.axes[1].lines if line.get_drawstyle() == "steps-pre" and len(line.get_xdata()) > 2
    ][:1]
    x, y = step.get_data()
    assert (np.diff(x) * y[1:]).sum() == pytest.approx(0.5 * 1 + 0.5 * 0.6)


def test_each_interval_is_a_whisker_and_the_best_method_stands_on_top():
    panel = drawn().axes[3]
    assert lines_of(panel, METHOD_COLOURS[1]) == [[[0.6, 0], [0.9, 0]], [[0.71, 0]]]
    assert lines_of(panel, METHOD_COLOURS[0])[1] == [[0.7, 1]]
    assert panel.get_xlabel() == "90 % interval"
    assert {"vit", "net of vit", "0.710"} <= {text.get_text() for text in panel.texts}


def test_an_estimate_without_an_interval_has_no_whisker():
    panel = drawn(auroc={"vit": Estimate(0.7, None, None)}).axes[3]
    assert lines_of(panel, METHOD_COLOURS[0]) == [[[0.7, 0]]]


def test_the_overview_shows_the_examples_with_score_and_verdict():
    figure = drawn()
    shown = pictures_in(figure)
    assert len(shown) == 5
    np.testing.assert_array_equal(shown[1], PIXELS[1])
    assert {"0 passed", "0.1 rejected", "0.2 passed", "score of vit"} <= set(texts(figure))


def test_the_overview_of_one_class_says_what_is_missing():
    nothing = {name: {} for name in ("roc", "precision_recall", "roc_deployed", "precision_recall_deployed", "auroc")}
    figure = drawn(defective=examples(0), labels={}, **nothing)
    assert ONE_CLASS in texts(figure)
    assert "Defective parts" not in texts(figure)
    assert png(figure)


def test_twelve_methods_differ_in_colour_or_dashes_whatever_their_order():
    names = [f"method{number}" for number in range(12)]
    looks = method_lines(names)
    assert len({tuple(look.values()) for look in looks.values()}) == 12
    assert looks == method_lines(reversed(names))
    assert png(drawn(names))


def test_the_bars_of_each_group_sum_to_one_and_the_threshold_stands_at_its_score():
    generator = np.random.default_rng(0)
    good, defective, calibration = generator.normal(5, 1, 50), generator.normal(8, 1, 20), generator.normal(5, 1, 30)
    (axes,) = score_histogram("vit", good, defective, calibration, 6.5).axes
    bars = [sum(bar.get_height() for bar in container) for container in axes.containers if len(container) > 1]
    assert bars == pytest.approx([1, 1])
    assert [line.get_xdata() for line in axes.lines] == [[6.5, 6.5]]
    assert any("threshold 6.5" in text.get_text() for text in axes.texts)


@pytest.mark.parametrize(("scale", "high"), [("linear", 6.0), ("log", 600.0)])
def test_widely_spread_scores_get_a_logarithmic_axis_and_none_falls_out(scale, high):
    defective = np.linspace(2, high, 40)
    (axes,) = score_histogram("ae", np.linspace(1, 3, 90), defective, np.linspace(1, 3, 90), 3.0).axes
    assert axes.get_xscale() == scale
    assert sum(bar.get_height() for bar in axes.containers[1]) == pytest.approx(1)


def test_scores_below_zero_keep_a_linear_axis():
    (axes,) = score_histogram("svm", np.linspace(-1, 0.1, 50), np.array([50.0]), np.linspace(-1, 0, 50), 0.0).axes
    assert axes.get_xscale() == "linear"


def test_a_group_without_pictures_has_no_bars():
    figure = score_histogram("vit", np.array([]), np.arange(9.0), np.arange(5.0), 3.0)
    assert [text.get_text() for text in figure.legends[0].texts] == ["defective (9)", "calibration, good (5)"]


def test_the_confusion_matrix_shows_counts_and_shares_of_each_label():
    shown = texts(confusion_matrix("vit", np.array([[166, 10], [77, 236]])))
    assert {"166", "10", "77", "236", "vit"} <= set(shown)
    assert {"false alarms, 5.7 %", "misses, 24.6 %", "caught, 75.4 %"} <= set(shown)


def test_the_confusion_matrix_of_one_class_says_no_picture():
    assert "false alarms, no picture" in texts(confusion_matrix("vit", np.array([[0, 0], [1, 3]])))


def test_a_strip_shows_its_pictures_in_order_with_score_distance_and_id():
    figure = picture_strip("vit: 2 misses", PIXELS[:2], ["a.png", "b.png"], [0.25, 0.5], 0.75)
    np.testing.assert_array_equal(pictures_in(figure), PIXELS[:2])
    assert texts(figure)[0] == "vit: 2 misses"
    assert texts(figure)[-2:] == ["0.25, 0.5 below\na.png", "0.5, 0.25 below\nb.png"]


def test_a_score_at_the_threshold_is_captioned_above():
    assert texts(picture_strip("x", PIXELS[:1], ["a"], [0.5], 0.5))[-1] == "0.5, 0 above\na"


def test_a_long_id_keeps_its_end():
    image_id = "category/test/scratch_on_the_head/000.png"
    caption = texts(picture_strip("x", PIXELS[:1], [image_id], [1], 2))[-1].splitlines()[1]
    assert caption == "\u2026" + image_id[-19:]


def test_more_pictures_than_columns_make_more_rows():
    heights = [picture_strip("x", PIXELS[:k], ["i"] * k, [1.0] * k, 2).get_size_inches()[1] for k in (0, 8, 9, 24)]
    assert heights[0] < heights[1] < heights[2] < heights[3]


@pytest.mark.parametrize("name", ["cam$1_$2.png", "$^$.png"])
def test_names_of_pictures_are_drawn_as_they_are(name):
    figure = picture_strip(f"of {name}", PIXELS[:1], [name], [1], 2)
    assert png(figure)
    assert texts(figure)[-1].endswith(name)
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if text.get_text())


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_of_any_figure_is_read_as_a_formula(name):
    figure = FIGURES[name]()
    assert png(figure)
    assert not [text.get_text() for text in figure.findobj(Text) if "$" in text.get_text()]


def test_a_strip_without_pictures_is_a_small_figure_with_its_title():
    figure = picture_strip("vit: no misses", PIXELS[:0], [], [], 0.75)
    assert texts(figure) == ["vit: no misses", "threshold 0.75"]
    assert Image.open(io.BytesIO(png(figure))).height < 100


AWKWARD = ("$^$", "a_1^2", "c\\d{e}%#", "_hidden", "two\nlines", "\u96f6\u4ef6", "\u0634\u0645\u0633", "\x1b[2J")


def test_names_in_a_figure_are_as_they_are_whatever_they_are(recwarn):
    strip = picture_strip(AWKWARD[0], PIXELS[: len(AWKWARD)], AWKWARD, np.arange(8) / 10, 0.5)
    overall = drawn(AWKWARD, labels=dict(zip(AWKWARD, AWKWARD, strict=True)), caption=AWKWARD[1])
    for figure in (strip, overall, confusion_matrix(AWKWARD[5], np.eye(2, dtype=int))):
        Image.open(io.BytesIO(png(figure))).verify()
    assert [str(one.message) for one in recwarn] == []  # matplotlib warns of each letter that it cannot draw
    captions = [text.partition("\n")[2] for text in texts(strip)[2:]]
    assert captions == [
        "$^$",
        "a_1^2",
        "c\\d{e}%#",
        "_hidden",
        "two?lines",
        "\u25a1\u25a1",
        "\u0634\u0645\u0633",
        "?[2J",
    ]
    assert texts(strip)[0] == "$^$"


@pytest.mark.parametrize("count", [2, 6, 12])
def test_no_name_and_no_value_touches_an_interval(count):
    methods = [f"patch_resnet{number}" if count > 6 else f"patch_resne{number}" for number in range(count)]
    found = {name: Estimate(0.9 + row / 200, 0.89 + row / 200, 0.91 + row / 200) for row, name in enumerate(methods)}
    figure = drawn(methods, auroc=found, labels=dict.fromkeys(methods, "x"))
    png(figure)
    axes = next(one for one in figure.axes if one.get_title(loc="left") == "AUROC")
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text() in methods or text.get_text()[0] == "0"]
    assert len(boxes) == 2 * count
    whiskers = [line.get_window_extent() for line in axes.lines if len(line.get_xdata()) == 2]
    assert len(whiskers) == count
    assert not any(box.overlaps(whisker) for box in boxes for whisker in whiskers)
