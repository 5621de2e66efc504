"""Gauge repeatability and reproducibility of a score, by analysis of variance.

Source: AIAG, "Measurement Systems Analysis", 4th edition (2010), chapter III, section B, the ANOVA method. With
operators (people, cameras, stations) the design is crossed: each sees each part equally often, and

    score = part + operator + part x operator + repetition,    all random.

Without operators it is one-way, and parts may have different numbers of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iad.errors import IadError

POOL_ABOVE = 0.25  # an interaction of a larger p-value is counted as repeatability, as in the manual
SIGMAS = 6  # the width of a spread: 99.73 % of normal scores
CATEGORIES = 1.41  # the manual's square root of two

REPEATABILITY, OPERATOR, INTERACTION = "repeatability", "reproducibility", "part x operator"
GRR, PART, TOTAL = "gauge R&R", "part to part", "total"


@dataclass(frozen=True)
class Source:
    """A line of the analysis of variance.

    Attributes:
        name: what varies.
        df: degrees of freedom.
        ss: sum of squares.
        ms: mean square, `ss / df`.
        f: `ms` over that of repeatability before any pooling, as the manual has it; None of repeatability and total.
        p: of `f`; small: more than repetitions alone would give.
    """

    name: str
    df: int
    ss: float
    ms: float
    f: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Component:
    """How much of the spread of scores one cause has.

    Attributes:
        sigma: standard deviation, in units of the score.
        contribution: its share of the total variance.
        study: its share of the total standard deviation (study variation); these shares do not add up to 1.
        tolerance: `6 sigma / tolerance`; None without a tolerance.
    """

    sigma: float
    contribution: float
    study: float
    tolerance: float | None = None


@dataclass(frozen=True)
class Gauge:
    """What repeated measurements say of a gauge.

    Attributes:
        sources: the analysis of variance before pooling, the total last.
        components: by name; `reproducibility` and `part x operator` only of a crossed design.
        pooled: whether the interaction was counted as repeatability.
        ndc: number of distinct categories: how many groups of parts the gauge tells apart, at least 1; None where no
            repetition differs.
        ndc_exact: the same before it is cut to a whole number.
        means: mean score of each part, by its name.
    """

    sources: tuple[Source, ...]
    components: dict[str, Component]
    pooled: bool
    ndc: int | None
    ndc_exact: float
    means: dict[str, float]


def gauge_rr(
    scores: np.ndarray, parts: Sequence[str], operators: Sequence[str] | None = None, *, tolerance: float | None = None
) -> Gauge:
    """Gauge R&R of scores by analysis of variance.

    Args:
        scores: float64 `(N,)`.
        parts: the part of each score.
        operators: who or what took it, of a crossed design; None: one-way.
        tolerance: width of what is allowed, in units of the score, for `Component.tolerance`.

    Raises:
        IadError: if the design does not show what is asked of it (see `require_design`), or all scores are the same.

    >>> found = gauge_rr(np.array([1.0, 1.2, 5.0, 5.2]), ["a", "a", "b", "b"])
    >>> round(found.components["repeatability"].sigma, 4), found.ndc
    (0.1414, 28)
    """
    require_design(parts, operators)
    values = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(values).all():
        raise IadError("scores that are not finite; nothing can be said of their spread")
    if values.max() == values.min():
        raise IadError(f"every picture has the score {values[0]:g}: there is no spread to analyse")
    sources, variances, pooled = _one_way(values, parts) if operators is None else _crossed(values, parts, operators)
    components = _components(variances, tolerance)
    gauge, part = components[GRR].sigma, components[PART].sigma
    exact = CATEGORIES * part / gauge if gauge else math.inf
    names, rows = np.unique(np.asarray(parts), return_inverse=True)
    means = np.bincount(rows, weights=values) / np.bincount(rows)
    return Gauge(
        sources, components, pooled, max(1, math.floor(exact)) if gauge else None, exact,
        dict(zip(names.tolist(), means.tolist(), strict=True)),
    )  # fmt: skip


def require_design(parts: Sequence[str], operators: Sequence[str] | None = None) -> None:
    """Refuse a design that cannot tell parts, operators and repetitions apart.

    Raises:
        IadError: for a single part or operator, for parts without repetitions, and for a crossed design in which not
            every operator has every part equally often: then the sums of squares no longer add up.

    >>> require_design(["a", "a", "b"], ["left", "right", "left"])
    Traceback (most recent call last):
    iad.errors.IadError: right has no picture of part b; with several operators each sees every part equally often...
    """
    names, counts = np.unique(np.asarray(parts), return_counts=True)
    if len(names) < 2:
        raise IadError(f"all pictures show part {names[0]}: a study needs at least 2 parts, better 10")
    if operators is None:
        if int((counts > 1).sum()) < 2:
            raise IadError(
                "fewer than 2 parts have more than one picture: there is nothing to compare; take 2 or 3 of each"
            )
        return
    cells = _counts(parts, operators)
    if len(cells.columns) < 2:
        raise IadError(f"all pictures are by {cells.columns[0]}: leave the column out, or take pictures by another too")
    cells.require_balance()


@dataclass(frozen=True)
class _Cells:
    """How many pictures each operator has of each part: int64 `(parts, operators)`."""

    rows: list[str]
    columns: list[str]
    counts: np.ndarray

    def require_balance(self) -> None:
        usual = int(np.bincount(self.counts.ravel()).argmax()) or int(self.counts.max())
        odd = np.argwhere(self.counts != usual)
        if len(odd):
            part, operator = self.rows[odd[0][0]], self.columns[odd[0][1]]
            has = {0: "no picture", 1: "1 picture"}.get(found := int(self.counts[tuple(odd[0])]), f"{found} pictures")
            raise IadError(
                f"{operator} has {has} of part {part}; with several operators each sees every part equally often "
                f"(most have {usual}): take what is missing, or leave the part out"
            )
        if usual < 2:
            raise IadError("each operator has one picture of each part: no repetition; take 2 or 3 of each")


def _counts(parts: Sequence[str], operators: Sequence[str]) -> _Cells:
    rows, row = np.unique(np.asarray(parts), return_inverse=True)
    columns, column = np.unique(np.asarray(operators), return_inverse=True)
    counts = np.zeros((len(rows), len(columns)), dtype=np.int64)
    np.add.at(counts, (row, column), 1)
    return _Cells(rows.tolist(), columns.tolist(), counts)


def _one_way(values: np.ndarray, parts: Sequence[str]) -> tuple[tuple[Source, ...], dict[str, float], bool]:
    _, row, counts = np.unique(np.asarray(parts), return_inverse=True, return_counts=True)
    means = np.bincount(row, weights=values) / counts
    between = float((counts * (means - values.mean()) ** 2).sum())
    within = float(((values - means[row]) ** 2).sum())
    df_part, df_error = len(counts) - 1, len(values) - len(counts)
    error = within / df_error
    # the average number of pictures of a part; with unequal ones a little less than their mean (Searle 1971)
    usual = (len(values) - (counts**2).sum() / len(values)) / df_part
    sources = (
        _source("part", between, df_part, error, df_error),
        Source(REPEATABILITY, df_error, within, error),
        _total(values),
    )
    return sources, {REPEATABILITY: error, PART: max(0.0, (between / df_part - error) / usual)}, False


def _crossed(
    values: np.ndarray, parts: Sequence[str], operators: Sequence[str]
) -> tuple[tuple[Source, ...], dict[str, float], bool]:
    order = np.lexsort((np.asarray(operators), np.asarray(parts)))
    n, k = len(set(parts)), len(set(operators))
    cube = values[order].reshape(n, k, -1)  # parts, operators, repetitions
    r, mean = cube.shape[2], cube.mean()
    by_part, by_operator, cells = cube.mean((1, 2)), cube.mean((0, 2)), cube.mean(2)
    ss_part = float(k * r * ((by_part - mean) ** 2).sum())
    ss_operator = float(n * r * ((by_operator - mean) ** 2).sum())
    ss_both = float(r * ((cells - by_part[:, None] - by_operator + mean) ** 2).sum())
    ss_error = float(((cube - cells[..., None]) ** 2).sum())
    df_both, df_error = (n - 1) * (k - 1), n * k * (r - 1)
    error = ss_error / df_error
    both = _source(INTERACTION, ss_both, df_both, error, df_error)
    sources = (
        _source("operator", ss_operator, k - 1, error, df_error),
        _source("part", ss_part, n - 1, error, df_error),
        both,
        Source(REPEATABILITY, df_error, ss_error, error),
        _total(values),
    )
    pooled = both.p is None or both.p > POOL_ABOVE
    repeated = (ss_both + ss_error) / (df_both + df_error) if pooled else error
    beside = repeated if pooled else both.ms
    variances = {
        REPEATABILITY: repeated,
        OPERATOR: max(0.0, (ss_operator / (k - 1) - beside) / (n * r)),
        INTERACTION: 0.0 if pooled else max(0.0, (both.ms - repeated) / r),
        PART: max(0.0, (ss_part / (n - 1) - beside) / (k * r)),
    }
    return sources, variances, pooled


def _source(name: str, ss: float, df: int, error: float, df_error: int) -> Source:
    from scipy.special import fdtrc

    ms = ss / df
    if not error:
        return Source(name, df, ss, ms)
    return Source(name, df, ss, ms, ms / error, float(fdtrc(df, df_error, ms / error)))


def _total(values: np.ndarray) -> Source:
    df, ss = len(values) - 1, float(((values - values.mean()) ** 2).sum())
    return Source(TOTAL, df, ss, ss / df)


def _components(variances: dict[str, float], tolerance: float | None) -> dict[str, Component]:
    gauge = sum(value for name, value in variances.items() if name != PART)
    total = gauge + variances[PART]
    named = {GRR: gauge, **variances, TOTAL: total}
    if not total:
        raise IadError("parts and repetitions have no spread of their own: nothing can be said of the gauge")
    return {
        name: Component(
            math.sqrt(value), value / total, math.sqrt(value / total),
            None if tolerance is None else SIGMAS * math.sqrt(value) / tolerance,
        )
        for name, value in named.items()
    }  # fmt: skip
