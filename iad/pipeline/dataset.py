"""A folder of pictures looked at before anything runs: what `iad data` shows and writes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iad.data.decode import decode, decode_mask, decode_to_show, masks_left_out
from iad.data.image_size import prepared_size
from iad.data.layouts import Choice, Understood, tree_of, understand
from iad.data.manifest import GOOD, Picture
from iad.data.packing import check_originals
from iad.data.region import find_region, grey_outside, kept, region_at, region_of
from iad.data.sources.folder import Options, open_folder
from iad.datacheck.copies import copy_groups
from iad.datacheck.overview import check_listed, examples, group_line, overview, pixel_kinds
from iad.datacheck.pictures import is_blank, measure
from iad.errors import IadError
from iad.io import replacing, write_csv
from iad.paths import DATA, PARAMS
from iad.progress import track
from iad.words import counted

if TYPE_CHECKING:
    import pandas as pd

    from iad.config import Params
    from iad.report.figures.samples import Sample

EACH = 5  # pictures of a kind on a sheet
LONGEST = 440  # pixels of a picture on a sheet
MASK_SIDE = 256
GRID_SIDE = 64  # pixels of the versions that are compared for copies


def look_at(
    folder: Path, params: Params, given: Mapping[str, Any], sheet: Path | None, copies: Path | None
) -> Iterator[str]:
    """Lines about a folder; the sheet and the table of copies are written where they are asked for.

    Args:
        folder: Of pictures.
        params: Of the project.
        given: Options of the source `folder` that differ from those.
        sheet: The PNG to write.
        copies: The CSV to write.

    Raises:
        IadError: as the stage `download`, or if an output would replace a file of the folder.
    """
    options = {**dict(params.data.folder), **given}
    _check_outputs(folder, sheet, copies)
    found = _understood(folder, options, params.seed)
    limit = params.data.max_megapixels
    yield f"{folder}: read as {found.title} ({found.layout})"
    yield from (f"  {note}" for note in found.notes)
    manifest, bad_masks = check_originals(
        found.pictures, max_megapixels=limit, allow_shared=params.data.allow_shared
    )  # fmt: skip
    size = prepared_size(manifest, params.preprocess)
    region = _region(folder, manifest, limit)
    yield from ([f"  region of interest from {region[0].name}: {kept(region[1])}"] if region else [])
    pictures = sorted(found.pictures, key=lambda picture: picture.image_id)
    yield ""
    yield from overview(manifest, pixel_kinds(pictures, max_megapixels=limit)).split("\n")
    yield ""
    yield from filter(None, [group_line(manifest)])
    yield from ([f"warning: {masks_left_out(bad_masks)}"] if bad_masks else [])
    yield from (f"warning: {finding.line()}" for finding in check_listed(manifest, params.threshold.alpha, size))
    how = {"max_megapixels": limit, "white_16bit": params.preprocess.white_16bit}
    if sheet is not None:
        _write_sheet(sheet, folder, pictures, manifest, how, None if region is None else region[1])
        yield f"{sheet}: {EACH} pictures of each kind"
    if copies is not None:
        yield from _write_copies(copies, folder, pictures, manifest, how)
    if PARAMS.is_file():
        yield f"to run it: {run_line(folder, given)}"
    else:
        there = (DATA / folder.resolve().name).as_posix()
        yield f"no {PARAMS} here, so defaults hold; to run it, put it into a checkout of the repository, as {there}"


def run_line(folder: Path, given: Mapping[str, Any]) -> str:
    """The command that runs the pipeline on a folder.

    >>> print(run_line(Path("data/bolts"), {"groups": "folder:2"}))
    dvc exp run -S data.source=folder -S data.category=bolts -S 'data.folder.groups="folder:2"'
    """
    below = _category(folder)
    if below is None:
        return f"put it below {DATA.as_posix()} first, as {(DATA / folder.resolve().name).as_posix()}"
    words = ["data.source=folder", f"data.category={below}"]
    words += [f'data.folder.{name}="{value}"' for name, value in given.items()]
    return "dvc exp run " + " ".join(f"-S {shlex.quote(word)}" for word in words)


def _category(folder: Path) -> str | None:
    """The folder as `data.category` has it; None where it does not lie below `data`."""
    try:
        return folder.absolute().relative_to(DATA.absolute()).as_posix()
    except ValueError:
        return None


def _understood(folder: Path, options: Mapping[str, Any], seed: int) -> Understood:
    chosen = {name: value for name, value in options.items() if name in Choice.__dataclass_fields__}
    Options.model_validate(chosen)
    category = _category(folder)
    if category not in (None, "."):
        return understand(open_folder(DATA, str(category)), Choice(seed=seed, **chosen))
    if not folder.is_dir():
        raise IadError(f"{folder}: no such folder; name one with pictures, such as {(DATA / 'bolts').as_posix()}")
    return understand(tree_of(folder), Choice(seed=seed, **chosen))


def _region(folder: Path, manifest: pd.DataFrame, limit: float) -> tuple[Path, np.ndarray] | None:
    """The file of the region of interest, and which pixels count, bool `(h, w)`; None where there is none."""
    found = find_region(folder)
    return None if found is None else (found, region_of(found, manifest, max_megapixels=limit))


def _check_outputs(folder: Path, sheet: Path | None, copies: Path | None) -> None:
    if sheet is not None:
        if sheet.suffix.lower() != ".png":
            raise IadError(f"--sheet {sheet}: not a .png; give it that ending")
        if sheet.resolve().is_relative_to(folder.resolve()):
            raise IadError(f"--sheet {sheet}: lies in {folder}, where it would be one more picture; put it elsewhere")
    if copies is None:
        return
    if copies.suffix.lower() != ".csv" or not copies.resolve().is_relative_to(folder.resolve()):
        raise IadError(f"--copies {copies}: not a .csv in {folder}, where data.folder.groups finds it; put it there")
    if copies.exists():
        raise IadError(f"--copies {copies}: is there already; give another name, or delete it")


def _write_sheet(
    path: Path, folder: Path, pictures: list[Picture], manifest: pd.DataFrame, how: Mapping[str, Any],
    region: np.ndarray | None,
) -> None:  # fmt: skip
    from iad.report.figures.samples import sample_sheet
    from iad.report.figures.style import png

    rows = []
    for split, kind, numbers in examples(manifest, EACH):
        part = manifest[(manifest["split"] == split) & (manifest["defect"] == kind)]
        masks = f", {int(part['mask'].notna().sum()):,} with a mask" if kind != GOOD else ""
        masked = manifest["mask"].notna()
        samples = [_sample(pictures[row], region, masked=masked[row], **how) for row in numbers.tolist()]
        rows.append((f"{split}: {kind}, {counted(len(part), 'picture')}{masks}", samples))
    with replacing(path) as part:
        part.write_bytes(png(sample_sheet(str(folder), rows)))


def _sample(
    picture: Picture, region: np.ndarray | None, *, masked: bool, max_megapixels: float, white_16bit: int
) -> Sample:
    from iad.report.figures.samples import Sample

    shown = decode_to_show(
        picture.read(), picture.image_id, LONGEST, max_megapixels=max_megapixels, white_16bit=white_16bit
    )  # fmt: skip
    mask = None
    if masked and picture.mask is not None and picture.read_mask is not None:
        mask = decode_mask(picture.read_mask(), picture.mask, MASK_SIDE, max_megapixels=max_megapixels)
    inside = None if region is None else region_at(region, shown.shape[:2], origin=picture.image_id)
    return Sample(Path(picture.image_id).name, grey_outside(shown, inside), mask)


def _write_copies(
    path: Path, folder: Path, pictures: list[Picture], manifest: pd.DataFrame, how: Mapping[str, Any]
) -> Iterator[str]:
    images = [
        decode(one.read(), one.image_id, GRID_SIDE, **how)
        for one in track(pictures, "comparing pictures", total=len(pictures))
    ]
    statistics = measure(np.stack(images))
    first = copy_groups(statistics.grids, ~is_blank(statistics), manifest["sha256"].factorize()[0])
    rows = [(pictures[row].image_id, pictures[one].image_id) for row, one in enumerate(first.tolist())]
    sizes = np.bincount(first, minlength=len(first))
    grouped = [(name, group) for (name, group), one in zip(rows, first.tolist(), strict=True) if sizes[one] > 1]
    if not grouped:
        yield "no near copies: nothing to group"
        return
    write_csv(path, ["path", "group"], grouped)
    inside = path.resolve().relative_to(folder.resolve()).as_posix()
    many = counted(int((sizes > 1).sum()), "group")
    what = f"{counted(len(grouped), 'picture')} in {many} of near copies"
    yield f"{path}: {what}; use it with data.folder.groups=table:{inside}"
