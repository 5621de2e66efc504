"""Pictures inspected with a bundle, and verdicts as files: a table, and each picture under the colours of its map."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from iad.bundles.outputs import require_file, require_folder, weights_file
from iad.data.pictures import PictureFile, find
from iad.errors import IadError
from iad.io import replacing, write_csv, write_table
from iad.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from iad.bundles.bundle import Bundle
    from iad.bundles.predictor import Predictor
    from iad.bundles.verdict import Naming, Verdict

COLUMNS = ("image_id", "path", "score", "p_value", "rejected", "known", "error")
TYPES = {"rejected": "boolean"}
KINDS = {".csv": "CSV", ".jsonl": "JSON lines", ".parquet": "Parquet"}
LONGEST = 2000  # pixels on the longer side of what is shown


@dataclass(frozen=True, eq=False)
class Inspection:
    """What inspecting pictures came to.

    Attributes:
        verdicts: one per picture, without maps, in the order of the pictures.
        threshold: of the bundle.
        undrawn: why a picture has no overlay, a line each; that it could not be read is told by its verdict.
        unlike: in what pictures differ from those that the bundle was made of, a line each.
        open: why there are no verdicts, where the bundle has too few good pictures; else empty.
    """

    verdicts: list[Verdict]
    threshold: float
    undrawn: list[str]
    unlike: list[str]
    open: str = ""


def inspect(
    bundle: Path, places: Sequence[Path], *, out: Path | None = None, maps: Path | None = None, force: bool = False,
    weights: str = "", device: str = "auto", naming: Callable[[Predictor], Naming] | None = None,
) -> Inspection:  # fmt: skip
    """Inspect pictures with a bundle and write what is asked for; a picture that cannot be read is passed over.

    Args:
        bundle: a file of `iad bundle`.
        places: files with pictures, or folders of them; one that is named twice counts once.
        out: a table of verdicts, of which kind its suffix says.
        maps: a folder for each picture under the colours of its map.
        force: whether outputs that are there already are replaced.
        weights: as in `iad.bundles.predictor.Predictor`.
        device: as in `iad.bundles.predictor.Predictor`.
        naming: makes what `Predictor.naming` holds, such as `Kinds.namer` of `iad.kinds.file`; None: kinds of defects
            are not named.

    Raises:
        IadError: before anything is computed, if a place is not there, or an output must not or cannot be written.
    """
    from iad.bundles.predictor import load

    found = find_each(places)
    inputs = [bundle, *places, *weights_file(weights)]
    overlays = _require_outputs(found, inputs, out, maps, force=force)
    inspector = load(bundle, device=device, weights=weights)
    inspector.warn = lambda _: None  # told at the end, of all pictures together
    if naming is not None:
        inspector.naming = naming(inspector)
    if overlays and inspector.bundle.maps is None:
        raise IadError(f"{bundle}: {inspector.method} gives no maps; leave --maps out")
    verdicts, undrawn = [], []
    stream = inspector.predict([one.file for one in found], maps=bool(overlays), errors="return")
    for verdict in track(stream, f"inspecting with {bundle.name}", total=len(found)):
        if verdict.path in overlays and not verdict.error:
            undrawn += _draw(overlays[verdict.path], verdict, inspector.bundle)
        verdicts.append(verdict.without_map())
    if out is not None:
        write_verdicts(out, verdicts, named=naming is not None)
    looks = [(verdict.name, verdict.look) for verdict in verdicts if verdict.look]
    unlike = list(inspector.likeness.lines(looks).values())
    why = "" if inspector.decides else inspector.bundle.threshold.guarantee
    return Inspection(verdicts, inspector.threshold, undrawn, unlike, why)


@dataclass(frozen=True)
class Found:
    """A picture, and the place that was named for it."""

    file: PictureFile
    place: Path

    @property
    def path(self) -> Path:
        """Of the picture."""
        return self.file.path


def find_each(places: Sequence[Path]) -> list[Found]:
    """The pictures at all places, in their order; one that several name belongs to the first of them.

    Raises:
        IadError: as `iad.data.pictures.find` does.
    """
    found: dict[str, Found] = {}
    for place in places:
        for file in find(place):
            found.setdefault(os.path.abspath(file.path), Found(file, place))  # noqa: PTH100  # links stay links
    return list(found.values())


def require_kind(out: Path) -> None:
    """Refuse a table of a kind that nobody writes.

    Raises:
        IadError: naming the kinds.

    >>> require_kind(Path("verdicts.xlsx"))
    Traceback (most recent call last):
    iad.errors.IadError: verdicts.xlsx: what kind of table is '.xlsx'? Use one of .csv (CSV), .jsonl (JSON lines), ...
    """
    if out.suffix.lower() not in KINDS:
        known = ", ".join(f"{suffix} ({name})" for suffix, name in KINDS.items())
        raise IadError(f"{out}: what kind of table is '{out.suffix}'? Use one of {known}")


def verdict_table(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row per picture: `image_id`, `path`, `score`, `p_value`, `rejected`, `known` and `error`.

    `path` is that of the file as it was named, which no other row has; missing for pictures without a file. `score`,
    `p_value` and `rejected` are missing where `error` says why, so that what was not inspected counts as neither.

    >>> from iad.bundles.verdict import Verdict
    >>> table = verdict_table([Verdict("a.png", Path("new/a.png"), 0.75, 0.25, rejected=False)])
    >>> table[["path", "score", "p_value"]].to_dict("records")
    [{'path': 'new/a.png', 'score': 0.75, 'p_value': 0.25}]
    """
    import pandas as pd

    return pd.DataFrame([_row(one) for one in verdicts], columns=list(COLUMNS)).astype(TYPES)


def write_verdicts(out: Path, verdicts: Sequence[Verdict], *, named: bool = False) -> None:
    """Write a table as CSV, JSON lines or Parquet, by the suffix of the file; it appears when it is complete.

    With `named` a further column, `kind`, holds the likely kind of defect of rejected parts.

    Scores keep all their digits in each of them. What is missing is empty in CSV, and null in the others.
    """
    kinds = [{"kind": encodable(one.kind)} if named else {} for one in verdicts]
    rows = [_row(one) | kind for one, kind in zip(verdicts, kinds, strict=True)]
    write_records(out, rows, (*COLUMNS, "kind") if named else COLUMNS, TYPES)


def write_records(
    out: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], types: Mapping[str, str]
) -> None:
    """Write rows as `write_verdicts` does.

    Args:
        out: the file.
        rows: each with all columns.
        columns: their names, in order.
        types: of columns that pandas would take for something else where a value is missing.
    """
    if out.suffix.lower() == ".jsonl":
        lines = (json.dumps(_without_nan(row), ensure_ascii=False, allow_nan=False) for row in rows)
        with replacing(out) as part:
            part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return
    import pandas as pd

    table = pd.DataFrame(list(rows), columns=list(columns)).astype(dict(types))
    (write_csv if out.suffix.lower() == ".csv" else write_table)(out, table)


def overlay_names(found: Sequence[Found]) -> list[Path]:
    """The file of each picture's overlay, below the folder for them: as the picture lies below its own.

    Of several folders, the overlays of each lie in one of its name.

    Raises:
        IadError: if two pictures would share one.

    >>> one, other = (Found(PictureFile(Path(folder) / "a.jpg", "a.jpg"), Path(folder)) for folder in ("left", "right"))
    >>> [name.as_posix() for name in overlay_names([one])], [name.as_posix() for name in overlay_names([one, other])]
    (['a.png'], ['left/a.png', 'right/a.png'])
    """
    several = len({one.place for one in found if one.place != one.path}) > 1
    names: dict[Path, Path] = {}
    for one in found:
        folder = one.place.resolve().name if several and one.place != one.path else ""
        name = folder / PurePosixPath(one.file.name).with_suffix(".png")
        if (other := names.setdefault(Path(name), one.path)) != one.path:
            raise IadError(f"{other} and {one.path} would share the overlay {name}; inspect them one by one")
    return list(names)


def write_overlay(file: Path, verdict: Verdict, bundle: Bundle) -> None:
    """Write a picture in grey under its map, PNG: blue below the threshold of its pixels, red from there on.

    Args:
        file: to write.
        verdict: of a picture on disk, with a map.
        bundle: that gave it.

    Raises:
        IadError: if there is no file, map or scale, or the file cannot be read any more.
    """
    from PIL import Image

    from iad.data.decode import decode_to_show
    from iad.data.tree import read_bytes
    from iad.detectors.maps import resized
    from iad.report.overlay import overlay

    if verdict.path is None or verdict.anomaly_map is None or bundle.maps is None:
        raise IadError(f"{verdict.name}: no file, no map or no scale to draw")
    picture = decode_to_show(read_bytes(verdict.path), str(verdict.path), LONGEST, **bundle.preprocess.limits)
    shown = resized(verdict.anomaly_map, picture.shape[0], picture.shape[1])
    with replacing(file) as part:
        Image.fromarray(overlay(picture, shown, bundle.maps.scale)).save(part, format="PNG")


def _require_outputs(
    found: Sequence[Found], inputs: Sequence[Path], out: Path | None, maps: Path | None, *, force: bool
) -> dict[Path, Path]:
    """Refuse outputs that must not or cannot be written; returns the file of each picture's overlay, if any."""
    if out is not None:
        require_kind(out)
        files = (one for one in inputs if not one.is_dir())  # a table may lie beside the pictures of a folder
        require_file(out, inputs=[*files, *(one.path for one in found)], force=force)
    if maps is None:
        return {}
    if out is not None and (maps.absolute() == out.absolute() or out.absolute() in maps.absolute().parents):
        raise IadError(f"{maps}: is the table too ({out}), or lies in it; name a folder of its own")
    require_folder(maps, inputs=inputs, force=force)
    return {one.path: maps / name for one, name in zip(found, overlay_names(found), strict=True)}


def _draw(file: Path, verdict: Verdict, bundle: Bundle) -> list[str]:
    """Write an overlay, or say in a line why not: the verdicts of all pictures are worth more than it."""
    try:
        write_overlay(file, verdict, bundle)
    except IadError as refusal:
        return [str(refusal)]
    except OSError as error:  # a folder in its place, or a name that is too long here
        return [f"{file}: cannot be written ({error.strerror})"]
    return []


def _row(one: Verdict) -> dict[str, Any]:
    path = None if one.path is None else one.path.as_posix()
    values = (one.image_id, path, one.pred_score, one.p_value, one.rejected, one.known, one.error)
    return {
        name: encodable(value) if isinstance(value, str) else value
        for name, value in zip(COLUMNS, values, strict=True)
    }  # fmt: skip


def encodable(text: str) -> str:
    r"""A text without the halves of characters that stand for bytes which are no Unicode, as in some files' names.

    >>> encodable("caf\udce9.png")
    'caf?.png'
    """
    return text.encode("utf-8", "replace").decode()


def _without_nan(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
