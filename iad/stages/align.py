"""Stage `align`: the members of a hybrid on one scale and the same pictures, ready to be fused."""

from __future__ import annotations

from typing import Annotated

import typer

<<<<<<< HEAD

def align(hybrid: Annotated[str, typer.Argument(help="A key of `hybrids` in params.yaml.")]) -> None:
    """Put the scores and maps of a hybrid's members on one scale, for the pictures that all of them scored."""
    from iad.config import load_params
    from iad.pipeline.fusing import align_members

    align_members(load_params(), hybrid)
=======
from iad import paths
from iad.detectors.hybrid.evidence import (
    MAP_TAIL_SHARE,
    TAIL_SHARE,
    GoodTail,
    common_pictures,
    enlarge,
    fit_tail,
    places_of,
)  # fmt: skip
from iad.detectors.maps import enlargement
from iad.errors import IadError, unknown
from iad.io import new_array, open_array, read_json, read_table, write_json, write_table
from iad.config import load_params
from iad.progress import say

Table: TypeAlias = dict[str, np.ndarray]  # columns by name
Tables: TypeAlias = dict[str, dict[str, Table]]  # by file, then by member
Rows: TypeAlias = dict[str, dict[str, np.ndarray]]  # the same
MAPS = {paths.CALIBRATION_SCORES: paths.CALIBRATION_MAPS, paths.TEST_SCORES: paths.TEST_MAPS}


def align(hybrid: Annotated[str, typer.Argument(help="A key of `hybrids` in params.yaml.")]) -> None:
    """Put the scores and maps of a hybrid's members on one scale, for the pictures that all of them scored."""
    params = load_params()
    if hybrid not in params.hybrids:
        raise unknown("hybrid", hybrid, params.hybrids)
    members, folder = params.hybrids[hybrid].members, paths.ALIGN / hybrid
    tables = {file: {member: read_columns(paths.SCORE / member / file) for member in members} for file in MAPS}
    ids, rows = same_pictures(tables)
    good = tables[paths.CALIBRATION_SCORES]
    tails = {member: fit_tail(table["score"], TAIL_SHARE, member) for member, table in good.items()}
    for file, found in tables.items():
        evidence = {
            f"{paths.EVIDENCE}{member}": tails[member].evidence(table["score"][rows[file][member]])
            for member, table in found.items()
        }
        write_table(folder / file, {"image_id": ids[file]} | evidence)
    map_tails = align_maps(members, rows, folder) if have_maps(members) else {}
    record = {
        member: {
            "tail": asdict(tails[member]),
            "map_tail": asdict(map_tails[member]) if map_tails else None,
            **without_history(read_json(paths.SCORE / member / paths.PROVENANCE)),
        }
        for member in members
    }
    write_json(folder / paths.ALIGNMENT, record)
    counts = [len(ids[file]) for file in MAPS]
    say(f"align: {hybrid}: {' + '.join(members)} on {counts[0]} calibration and {counts[1]} test pictures")


def read_columns(path: Path) -> Table:
    """The columns of a table as arrays."""
    return {name: column.to_numpy() for name, column in read_table(path).items()}


def same_pictures(tables: Tables) -> tuple[dict[str, np.ndarray], Rows]:
    """Choose the pictures of each file, str `(K,)`, and find their rows in the tables of each member.

    Raises:
        IadError: if too few pictures calibrate all members, or two members tested other pictures.
    """
    good, test = (tables[file] for file in MAPS)
    ids = {
        paths.CALIBRATION_SCORES: common_pictures({member: table["image_id"] for member, table in good.items()}),
        paths.TEST_SCORES: next(iter(test.values()))["image_id"],
    }
    rows = {
        file: {
            member: places_of(table["image_id"], ids[file], str(paths.SCORE / member / file))
            for member, table in found.items()
        }
        for file, found in tables.items()
    }
    return ids, rows


def have_maps(members: Sequence[str]) -> bool:
    """Whether every member wrote anomaly maps."""
    return all((paths.SCORE / member / maps).is_file() for member in members for maps in MAPS.values())


def align_maps(members: Sequence[str], rows: Rows, folder: Path) -> Mapping[str, GoodTail]:
    """Write the members' maps as evidence on the finest of their grids, float32 `(members, K, h, w)`; give the tails.

    Raises:
        IadError: if a member has more or fewer maps than scores, or maps that give no scale.
    """
    good = {member: open_array(paths.SCORE / member / paths.CALIBRATION_MAPS) for member in members}
    tails = {member: fit_tail(maps, MAP_TAIL_SHARE, f"{member}, anomaly maps") for member, maps in good.items()}
    height, width = (max(maps.shape[axis] for maps in good.values()) for axis in (1, 2))
    for scores, file in MAPS.items():
        count = len(next(iter(rows[scores].values())))
        with new_array(folder / file, (len(members), count, height, width), np.float32) as array:
            for place, member in enumerate(members):
                path = paths.SCORE / member / file
                maps = open_array(path)
                if max(rows[scores][member], default=-1) >= len(maps):
                    raise IadError(f"{path}: fewer maps than scores; run `dvc repro` to write both again")
                evidence = tails[member].evidence(maps[rows[scores][member]])
                enlargements = (enlargement(s, t, 0) for s, t in zip(maps.shape[1:], (height, width), strict=True))
                array[place] = enlarge(evidence, *enlargements)
    return tails


def without_history(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What a member says of itself, without the loss of each epoch, which it keeps."""
    model = {name: value for name, value in provenance.get("model", {}).items() if name != "history"}
    return {name: provenance.get(name) for name in ("reads", "detector", "runtime")} | {"model": model}
>>>>>>> data
