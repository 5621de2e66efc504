"""Verdicts as files: a table, and each picture under the colours of its map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from iad.data.pictures import PictureFile, find
from iad.errors import IadError
from iad.io import replacing

if TYPE_CHECKING:
    import pandas as pd

    from iad.predictor import Verdict

COLUMNS = ("image_id", "path", "score", "p_value", "rejected", "known", "error")
WRITERS = {".csv": "CSV", ".jsonl": "JSON lines", ".parquet": "Parquet"}
LONGEST = 2000  # pixels on the longer side of what is shown


def inspect(
    bundle: Path, pictures: Sequence[Path], *, out: Path | None = None, maps: Path | None = None, weights: str = "",
    device: str = "auto",
) -> tuple[list[Verdict], float]:  # fmt: skip
    """Inspect pictures with a bundle and write what is asked for; a picture that cannot be read is passed over.

    Args:
        bundle: a file of `iad bundle`.
        pictures: files, or folders of them.
        out: a table of verdicts, of which kind its suffix says.
        maps: a folder for each picture under the colours of its map.
        weights: as in `iad.predictor.Predictor`.
        device: as in `iad.predictor.Predictor`.

    Returns:
        The verdicts, without maps, and the threshold.

    Raises:
        IadError: before anything is written, if a place is not there, or an output would take the place of an input.
    """
    from iad.predictor import load

    found = find(pictures)
    if out is not None:
        require_writable(out, [bundle, *(one.path for one in found)])
    files = {} if maps is None else overlay_files(maps, found, [bundle, *pictures])
    inspector = load(bundle, device=device, weights=weights)
    scale, verdicts = inspector.bundle.maps, []
    if files and scale is None:
        raise IadError(f"{bundle}: {inspector.method} gives no maps; leave --maps out")
    for verdict in inspector.predict(found, maps=bool(files), errors="return"):
        if verdict.path in files and not verdict.error and scale is not None:
            write_overlay(files[verdict.path], verdict, inspector.bundle.preprocess, scale)
        verdicts.append(verdict.without_map())
    if out is not None:
        write_verdicts(out, verdicts)
    return verdicts, inspector.threshold


def verdict_table(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row per picture: `image_id`, `path`, `score`, `p_value`, `rejected`, `known` and `error`."""
    import pandas as pd

    rows = [
        (one.image_id, None if one.path is None else one.path.as_posix(), one.pred_score, one.p_value, one.rejected,
         one.known, one.error)
        for one in verdicts
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def require_writable(out: Path, inputs: Sequence[Path]) -> None:
    """Refuse a table that no writer knows, or that would take the place of an input.

    Raises:
        IadError: naming the suffixes, or the input.
    """
    if out.suffix.lower() not in WRITERS:
        known = ", ".join(f"{suffix} ({name})" for suffix, name in WRITERS.items())
        raise IadError(f"{out}: what kind of table is '{out.suffix}'? Use one of {known}")
    if (aliased := next((one for one in inputs if one.resolve() == out.resolve()), None)) is not None:
        raise IadError(f"{out}: is an input itself ({aliased}); name another file")


def write_verdicts(out: Path, verdicts: Iterable[Verdict]) -> None:
    """Write a table as CSV, JSON lines or Parquet, by the suffix of the file; it appears when it is complete."""
    table = verdict_table(verdicts)
    with replacing(out) as part:
        match out.suffix.lower():
            case ".csv":
                table.to_csv(part, index=False, lineterminator="\n")
            case ".jsonl":
                table.to_json(part, orient="records", lines=True, double_precision=15, force_ascii=False)
            case _:
                table.to_parquet(part, index=False)


def overlay_files(folder: Path, found: Sequence[PictureFile], inputs: Sequence[Path]) -> dict[Path, Path]:
    """The file of each picture's overlay, by the picture's own.

    Args:
        folder: for the overlays.
        found: the pictures.
        inputs: files and folders that the user named.

    Raises:
        IadError: if two pictures would share one, or the folder is an input, lies in one, or around one.
    """
    chosen = folder.resolve()
    for one in (place.resolve() for place in inputs):
        if chosen == one or chosen.is_relative_to(one) or one.is_relative_to(chosen):
            raise IadError(f"{folder}: is an input, or lies in or around one ({one}); name another folder")
    files: dict[Path, Path] = {}
    taken: dict[Path, Path] = {}
    for picture in found:
        file = folder / PurePosixPath(picture.name).with_suffix(".png")
        if file in taken:
            raise IadError(f"{taken[file]} and {picture.path} would share the overlay {file}; inspect them one by one")
        taken[file] = picture.path
        files[picture.path] = file
    return files


def write_overlay(file: Path, verdict: Verdict, preprocess: Mapping[str, Any], scale: Mapping[str, Any]) -> None:
    """Write a picture in grey under its map: blue below the threshold of its pixels, red from there on.

    Args:
        file: to write, PNG.
        verdict: of a picture on disk, with a map.
        preprocess: of the bundle.
        scale: of the bundle's maps.
    """
    from PIL import Image

    from iad.data.decode import decode_to_show
    from iad.data.tree import read_bytes
    from iad.detectors.maps import resized
    from iad.report.overlay import MapScale, overlay

    if verdict.path is None or verdict.anomaly_map is None:
        raise IadError(f"{verdict.image_id}: no file or no map to draw")
    limits = {name: value for name, value in preprocess.items() if name != "image_size"}
    picture = decode_to_show(read_bytes(verdict.path), str(verdict.path), LONGEST, **limits)
    shown = resized(verdict.anomaly_map, picture.shape[0], picture.shape[1])
    drawn = overlay(picture, shown, MapScale(scale["usual"], scale["red"]))
    with replacing(file) as part:
        Image.fromarray(drawn).save(part, format="PNG")
