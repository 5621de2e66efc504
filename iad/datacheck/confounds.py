"""Properties of whole pictures that give the class away, or set training apart from test, without any defect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iad.datacheck.findings import Finding

if TYPE_CHECKING:
    import pandas as pd

SEPARATES = 0.95
SHIFTED = 0.8
DEVIATIONS = 4.0
"""Standard deviations from chance, so that a few pictures do not raise a warning by luck."""


@dataclass(frozen=True)
class Property:
    """A number per picture that has nothing to do with a small defect.

    Attributes:
        title: what it is called.
        high: what pictures with larger numbers are, such as "brighter".
        low: what pictures with smaller numbers are.
    """

    title: str
    high: str
    low: str


PROPERTIES = {
    "brightness": Property("mean brightness", "brighter", "darker"),
    "contrast": Property("contrast", "richer in contrast", "poorer in contrast"),
    "colour": Property("mean colour saturation", "more colourful", "greyer"),
    "file_bytes": Property("file size", "larger as files", "smaller as files"),
    "pixels": Property("picture size", "larger in pixels", "smaller in pixels"),
}


def separations(manifest: pd.DataFrame, properties: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """How well each property alone tells two sets of pictures apart, as AUROC: 0.5 not at all, 0 and 1 completely.

    Args:
        manifest: N rows, of which `split` and `label` are read.
        properties: float64 or int64 `(N,)` by name.

    Returns:
        By name: `defective_against_good` in the test set, `test_against_training` of good pictures, where both sets
        are there; above 0.5 if the first is the higher one.

    Example:
        >>> import pandas as pd
        >>> manifest = pd.DataFrame({"split": ["train", "test", "test"], "label": [0, 0, 1]})
        >>> separations(manifest, {"brightness": np.array([100.0, 101.0, 140.0])})
        {'brightness': {'defective_against_good': 1.0, 'test_against_training': 1.0}}
    """
    found: dict[str, dict[str, float]] = {}
    for name, values in properties.items():
        found[name] = {title: auroc(values[a], values[b]) for title, (a, b) in _sets(manifest).items()}
    return found


def check_confounds(manifest: pd.DataFrame, separated: Mapping[str, Mapping[str, float]]) -> Iterator[Finding]:
    """Find properties that separate the test classes almost completely, or good test pictures from training pictures.

    Args:
        manifest: as `separations`.
        separated: result of `separations`.
    """
    sizes = {title: (int(a.sum()), int(b.sum())) for title, (a, b) in _sets(manifest).items()}
    for name, values in separated.items():
        for title, value in values.items():
            strength = max(value, 1 - value)
            wanted = SEPARATES if title == "defective_against_good" else SHIFTED
            if strength >= wanted and is_beyond_chance(strength, *sizes[title]):
                yield _finding(name, title, value)


def auroc(high: np.ndarray, low: np.ndarray) -> float:
    """Probability that a value of `high`, `(K,)`, exceeds one of `low`, `(L,)`, ties counting one half.

    >>> auroc(np.array([2, 3]), np.array([1, 2]))
    0.875
    """
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left") + np.searchsorted(ordered, high, side="right")
    return float(below.mean() / 2 / len(low))


def is_beyond_chance(value: float, first: int, second: int, *, deviations: float = DEVIATIONS) -> bool:
    """Whether an AUROC of two sets of so many pictures is so many standard deviations above what chance gives.

    >>> is_beyond_chance(1.0, 30, 30), is_beyond_chance(1.0, 3, 3)
    (True, False)
    """
    return value - 0.5 >= deviations * _chance_deviation(first, second)


def _sets(manifest: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    split, label = manifest["split"].to_numpy(), manifest["label"].to_numpy()
    good, defective = (split == "test") & (label == 0), (split == "test") & (label == 1)
    sets = {"defective_against_good": (defective, good), "test_against_training": (good, split == "train")}
    return {title: pair for title, pair in sets.items() if pair[0].any() and pair[1].any()}


def _chance_deviation(first: int, second: int) -> float:
    # standard deviation of the Mann-Whitney statistic where both sets follow one law
    return float(np.sqrt((first + second + 1) / (12 * first * second)))


def _finding(name: str, title: str, value: float) -> Finding:
    known = PROPERTIES[name]
    side = known.high if value > 0.5 else known.low
    number = f"AUROC {max(value, 1 - value):.3f}"
    if title == "defective_against_good":
        what = f"{known.title} alone tells defective from good test pictures ({number}, defective ones are {side})"
        effect = "a method that measures it looks good and may find no defect"
        advice = "take both under the same light, exposure and format, unless the defect itself does this"
        return Finding(f"confound_{name}", what, [], effect, advice)
    what = f"{known.title} alone tells good test pictures from training pictures ({number}, those of test are {side})"
    effect = "good parts look unusual and are rejected more often than the threshold promises"
    advice = "take both under the same light, exposure and format, or add pictures like those of test to calibration"
    return Finding(f"shift_{name}", what, [], effect, advice)
