"""Finished runs in one table: experiments that DVC keeps, any other revision, and what lies in the working tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from iad import paths
from iad.errors import IadError, unknown
from iad.gate.git import Unfinished, commit_of, experiments, read_here, revision_files, unfinished
from iad.gate.results import Results, data_set_of, read_results
from iad.report.categories import TITLES, categories_csv, categories_legend, categories_rows, category_cells
from iad.words import SHOWN, as_markdown, as_text, counted

WORKSPACE = "workspace"  # as DVC calls the working tree among experiments
STYLES = {"text": as_text, "markdown": as_markdown}


def experiments_table(
    names: Sequence[str], metric: str, *, style: str, draws: int, confidence: float, seed: int
) -> str:
    """One metric of finished runs: one row per category, one column per method, and the mean.

    A category whose experiment failed or still waits is named, since a mean without it may be of the easier ones.

    Args:
        names: experiments, branches or commits; none for the working tree and all experiments, the newest of each
            category.
        metric: a key of `iad.report.categories.TITLES`.
        style: `text`, `markdown` or `csv`.
        draws: bootstrap draws behind each interval; 0 gives none.
        confidence: of the intervals, in (0, 1).
        seed: of the draws.

    Raises:
        IadError: for an unknown metric or name, where no run has results, or where this is no Git repository.
    """
    if metric not in TITLES:
        raise unknown("metric", metric, TITLES)
    runs, notes = finished_results(names)
    missing = {} if names else without_results({run.data_set for run in runs})
    lost = missing_lines(missing)
    if not runs:
        raise IadError(
            f"no results to sum up ({'; '.join([*notes, *lost]) or 'no run'}); see README.md, section All categories"
        )
    chosen, older = newest_by_category(runs)
    verdicts = {
        category: {method: found.verdicts for method, found in run.methods.items()} for category, run in chosen.items()
    }
    cells = category_cells(verdicts, metric, draws=draws, confidence=confidence, seed=seed)
    if style == "csv":
        empty = (f"{category},,{metric},,," for _, category in missing)
        return "\n".join([categories_csv(cells, metric), *empty])
    drawn = STYLES[style](*categories_rows(cells, verdicts))
    origins = ", ".join(f"{category} from {run.name}" for category, run in chosen.items())
    legend = categories_legend(metric, len(chosen), draws=draws, confidence=confidence)
    if missing:
        lost.append(f"means are of the {counted(len(chosen), 'category that has', 'categories that have')} results")
    lines = [legend, *lost, f"rows come from: {origins}", *differing_parameters(chosen), *notes, *older]
    return drawn + "\n\n" + "\n".join(f"- {line}" if style == "markdown" else line for line in lines)


def finished_results(names: Sequence[str]) -> tuple[list[Results], list[str]]:
    """The results of these runs; without names that of the working tree, then all experiments, newest first.

    Returns:
        The results, and a note for each run that holds none.

    Raises:
        IadError: for an unknown name, or where this is no Git repository.
    """
    found, notes = [], []
    with revision_files() as files:
        wanted = [(name, commit_of(name)) for name in names] or [(one.name, one.commit) for one in experiments()]
        readers = [(name, files.at(commit)) for name, commit in wanted]
        if not names:
            readers.insert(0, (WORKSPACE, read_here))
        for name, read in readers:
            try:
                results = read_results(name, read)
                if name == WORKSPACE:
                    results.check_data_set()
                found.append(results)
            except IadError as error:
                notes.append(f"left out: {error}")
    return found, notes


def without_results(found: set[tuple[str, str]]) -> dict[tuple[str, str], list[Unfinished]]:
    """Experiments that failed or wait, by source and category, of those that have no results.

    Args:
        found: source and category of all results.
    """
    missing: dict[tuple[str, str], list[Unfinished]] = {}
    with revision_files() as files:
        for one in unfinished():
            try:
                params = YAML(typ="safe").load(files.at(one.commit)(paths.PARAMS) or b"")
                key = data_set_of(params)
            except (YAMLError, AttributeError, KeyError, TypeError):  # of another project, or by hand
                continue
            if key not in found:
                missing.setdefault(key, []).append(one)
    return dict(sorted(missing.items()))


def missing_lines(missing: Mapping[tuple[str, str], Sequence[Unfinished]]) -> list[str]:
    """What is said of categories without results, a line for each.

    >>> missing_lines({("mvtec", "screw"): [Unfinished("odd-name", "0f", "failed")]})
    ['no results of screw: odd-name failed (`dvc queue logs odd-name` says why)']
    """
    return [
        f"no results of {category}: {one.name} "
        + (f"failed (`dvc queue logs {one.name}` says why)" if one.state == "failed" else "waits in the queue")
        for (_, category), (one, *_) in missing.items()
    ]


def newest_by_category(runs: Sequence[Results]) -> tuple[dict[str, Results], list[str]]:
    """The first run of each category, in the alphabetical order of categories.

    Categories of several sources are named with their source.

    Returns:
        The runs by category, and a note on those left out, if there are any.

    >>> runs = [Results(name, {}, {"data": {"source": "mvtec", "category": "screw"}}, {}) for name in ("new", "old")]
    >>> chosen, notes = newest_by_category(runs)
    >>> [(category, run.name) for category, run in chosen.items()], notes[0][:60]
    ([('screw', 'new')], 'of a category already in the table, so left out: old (name t')
    """
    first: dict[tuple[str, str], Results] = {}
    older = [run.name for run in runs if first.setdefault(run.data_set, run) is not run]
    several = len({source for source, _ in first}) > 1
    chosen = {"/".join(key) if several else key[1]: first[key] for key in sorted(first)}
    note = f"of a category already in the table, so left out: {', '.join(older)} (name the runs to choose others)"
    return chosen, [note] if older else []


def differing_parameters(chosen: Mapping[str, Results]) -> Iterator[str]:
    """A line per parameter that differs between the categories, apart from the sections `data` and `methods`.

    >>> runs = {name: Results(name, {}, {"method": {"k": k}}, {}) for name, k in (("screw", 5), ("carpet", 1))}
    >>> list(differing_parameters(runs))
    ['categories differ in method.k: screw 5, carpet 1']
    """
    keys = dict.fromkeys(
        key for run in chosen.values() for key in run.settings if not key.startswith(("data.", "methods."))
    )
    differing = [key for key in keys if len({str(run.settings.get(key)) for run in chosen.values()}) > 1]
    for key in differing[:SHOWN]:
        values = ", ".join(f"{category} {run.settings.get(key, 'none')}" for category, run in chosen.items())
        yield f"categories differ in {key}: {values}"
    if len(differing) > SHOWN:
        yield f"categories differ in {counted(len(differing) - SHOWN, 'more parameter')}"
