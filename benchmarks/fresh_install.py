"""What a line computer has to install, and whether it gets the pipeline's scores there: the wheel, no extras, no DVC.

Run it from the repository's top folder, environment active, with an index of packages in reach:
python benchmarks/fresh_install.py PICTURES BUNDLE[=SCORES] ...
It builds the wheel, installs it into a new environment in a temporary folder and runs `iad predict` from another one,
with an empty cache and without a network as far as pip and the model hub go; so write bundles with
`iad bundle METHOD --with-weights`. SCORES are the pipeline's, stages/score/METHOD/test.parquet or
plots/scores/METHOD.csv. PICTURES is a folder below which pictures are called as in SCORES, or
stages/download/images.zip, of which those in SCORES are taken. Sizes are of the files that packages bring, bytecode not
among them. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import ROOT, command, machine, unpack

from iad.commands.predict import REJECTED, UNREAD
from iad.words import as_markdown

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 8  # packages that are named
ABSENT = ("dvc", "matplotlib", "onnx", "ruamel.yaml")  # what only the pipeline needs
FOR_A_CARD = ("nvidia-", "triton", "cuda-")  # what PyTorch brings along on Linux, card or not
SIZES = """
import json
from importlib.metadata import distributions
sizes = {}
for one in distributions():
    files = [one.locate_file(file) for file in one.files or ()]
    sizes[one.metadata["Name"]] = sum(file.stat().st_size for file in files if file.is_file())
print(json.dumps(sizes))
"""
HEADER = ["bundle", "method", "pictures", "ended with", "seconds", "scores equal", "largest difference"]


def uv(*words: str | Path) -> None:
    """Run uv, which must end well.

    Raises:
        SystemExit: if it is not there, or fails.
    """
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise SystemExit("uv is not on PATH; activate the environment that make sets up")
    if subprocess.run([found, *map(str, words)], env=os.environ | {"UV_NO_PROGRESS": "1"}).returncode:
        raise SystemExit(f"uv {words[0]} failed, so nothing was measured")


def installed(folder: Path) -> Path:
    """Python of a new environment with the wheel of this repository in it."""
    uv("build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    uv("venv", "--quiet", "--python", sys.executable, folder / "env")
    python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    uv("pip", "install", "--quiet", "--compile-bytecode", "--python", python, wheel)
    return python


def alone(folder: Path) -> dict[str, str]:
    """Variables of a process that sees nothing of this repository, of its caches, of an index or of a hub."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return kept | {"IAD_CACHE": str(folder / "cache"), "PIP_NO_INDEX": "1", "HF_HUB_OFFLINE": "1"}


def packages(python: Path, folder: Path) -> dict[str, float]:
    """Size in MB of each installed package, the largest first."""
    done = subprocess.run([python, "-c", SIZES], cwd=folder, env=alone(folder), capture_output=True, check=True)
    sizes: dict[str, int] = json.loads(done.stdout)
    return {name: size / 1e6 for name, size in sorted(sizes.items(), key=lambda pair: -pair[1])}


def require_absent(python: Path, folder: Path) -> None:
    """Check that what only the pipeline needs was not installed.

    Raises:
        SystemExit: naming what can be imported.
    """
    for module in ABSENT:
        done = subprocess.run(
            [python, "-c", f"import {module}"], cwd=folder, env=alone(folder), capture_output=True, text=True
        )
        if "ModuleNotFoundError" not in done.stderr:
            raise SystemExit(f"{module} was installed with the wheel, or cannot be asked for: {done.stderr[-500:]}")


def table_of_sizes(sizes: dict[str, float]) -> str:
    """The largest packages, all others together, and the whole."""
    named = list(sizes.items())[:LARGEST]
    rows = [[name, f"{size:,.1f}"] for name, size in named]
    rest, total = sum(sizes.values()) - sum(size for _, size in named), sum(sizes.values())
    card = sum(size for name, size in sizes.items() if name.startswith(FOR_A_CARD))
    rows += [[f"{len(sizes) - len(named)} others", f"{rest:,.1f}"], [f"all {len(sizes)} packages", f"{total:,.1f}"]]
    rows.append(["of these only for a card", f"{card:,.1f}"])
    return as_markdown(["package", "MB"], rows, padded=True)


def scores_of(file: Path) -> pd.DataFrame:
    """Columns `image_id` and `score` of a CSV or Parquet file, every digit as it was written."""
    import pandas as pd

    if file.suffix == ".csv":
        return pd.read_csv(file, float_precision="round_trip", dtype={"image_id": str})
    return pd.read_parquet(file)


def predicted(python: Path, folder: Path, bundle: Path, pictures: Path) -> dict[str, Any]:
    """Run `iad predict` in the new environment: how it ended, its seconds, and the table that it wrote."""
    out, began = folder / f"{bundle.stem}.parquet", time.perf_counter()
    done = subprocess.run(
        [python, "-m", "iad", "predict", bundle, pictures, "--out", out, "--force"],
        cwd=folder, env=alone(folder), capture_output=True, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    if done.returncode not in (0, REJECTED, UNREAD):
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return {"ended": why, "seconds": seconds, "table": None}
    return {"ended": str(done.returncode), "seconds": seconds, "table": scores_of(out)}


def row_of(bundle: Path, found: dict[str, Any], scores: Path | None) -> list[str]:
    """One line of the table."""
    table = found["table"]
    counted = "-" if table is None else f"{len(table):,}"
    line = [bundle.name, method_of(bundle), counted, found["ended"], f"{found['seconds']:.1f}"]
    if table is None or scores is None:
        return [*line, "-", "-"]
    both = scores_of(scores).merge(table, on="image_id", suffixes=("", "_here"), how="left")
    apart = np.abs(np.asarray(both["score"]) - np.asarray(both["score_here"]))
    return [*line, f"{int((apart == 0).sum()):,} of {len(apart):,}", f"{apart.max():.2g}"]


def method_of(bundle: Path) -> str:
    """Name of the method in a bundle."""
    from iad.bundles.bundle import read_bundle

    return read_bundle(bundle)[0].method


def given(word: str) -> tuple[Path, Path | None]:
    """A bundle and its scores, from `BUNDLE` or `BUNDLE=SCORES`."""
    bundle, _, scores = word.partition("=")
    for path in filter(None, (bundle, scores)):
        if not Path(path).is_file():
            raise argparse.ArgumentTypeError(f"{path}: no such file")
    return Path(bundle).resolve(), Path(scores).resolve() if scores else None


def pictures_in(folder: Path, place: Path, scores: list[Path]) -> Path:
    """The folder of pictures, which is made here of an archive."""
    if place.is_dir():
        return place.resolve()
    ids = dict.fromkeys(image_id for file in scores for image_id in scores_of(file)["image_id"])
    if not ids:
        raise SystemExit(f"{place}: which of its pictures? Name scores, as BUNDLE=SCORES, or a folder of pictures")
    unpack(place, list(ids), folder / "pictures")
    return folder / "pictures"


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("pictures", type=Path, help="a folder, or stages/download/images.zip")
    parser.add_argument("bundles", nargs="+", type=given, metavar="BUNDLE[=SCORES]", help="files of `iad bundle`")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Install, check, inspect, and print both tables."""
    asked = options().parse_args(arguments)
    print(machine("uv"), flush=True)
    with tempfile.TemporaryDirectory(prefix="iad-fresh-") as name:
        folder = Path(name).resolve()
        python, line = installed(folder), folder / "line"
        line.mkdir()
        require_absent(python, line)
        sizes = packages(python, line)
        print(f"\n{table_of_sizes(sizes)}\n\nNone of {', '.join(ABSENT)} can be imported there.\n", flush=True)
        pictures = pictures_in(folder, asked.pictures, [scores for _, scores in asked.bundles if scores])
        rows = [row_of(bundle, predicted(python, line, bundle, pictures), scores) for bundle, scores in asked.bundles]
    print(f"{as_markdown(HEADER, rows, padded=True)}\n")
    print(json.dumps({"mb": sizes, "bundles": [dict(zip(HEADER, row, strict=True)) for row in rows]}))


if __name__ == "__main__":
    main()
