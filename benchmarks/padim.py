"""PaDiM beside anomalib's: the same pictures, the same features, the same machine.

Run it after the extract stages, from the repository's top folder: python benchmarks/padim.py [folder of stages ...]
(--section vit). It takes the environment of benchmarks/peers.py, and makes it if it is not there (6.5 GB). Both read
the same features of the same patches. `as the paper` has anomalib's covariances and, without its smoothing, its score;
`default` is what params.yaml says. Times are seconds of processor, the least of three rounds in which both take turns.
No option is chosen by what this prints. The last line is JSON.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import BACKBONES, Run, command, with_interval, with_this_iad
from peers import QUIET, environment

from iad import paths
from iad.io import cache_folder, read_json
from iad.statistics.comparison import delong
from iad.words import as_markdown

INSIDE = Path(__file__).with_name("padim_inside.py")
DRAWS = 2000
WAYS = {
    "anomalib": "anomalib", "coarse": "anomalib, not smoothed", "paper": "iad, as the paper", "default": "iad, default"
}  # fmt: skip


def measured(run: Run, section: str, python: Path) -> dict[str, Any]:
    """What the other environment finds in one run."""
    stage = BACKBONES[section]
    patches = run.array(stage / paths.PATCHES)
    size = run.array(paths.IMAGES).shape[1:3]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, array in (("train", patches[run.train]), ("test", patches[run.test]), ("size", size)):
            np.save(folder / f"{part}.npy", array)
        subprocess.run([str(python), str(INSIDE), str(folder)], env=with_this_iad() | QUIET, check=True)
        found: dict[str, Any] = json.loads((folder / "found.json").read_text())
        found["scores"] = dict(np.load(folder / "scores.npz"))
    found["grid"] = f"{patches.shape[1]} x {patches.shape[2]}"
    found["unit_length"] = read_json(run.within(stage / paths.BACKBONE_RECORD))["patches"]["unit_length"]
    return found


def rows_of(title: str, run: Run, found: dict[str, Any]) -> list[list[str]]:
    """Two rows of the table: AUROC of each way, and what each takes."""
    scores, seconds = found["scores"], found["seconds"]
    cells = [with_interval(run.labels, scores[way], draws=DRAWS, digits=4) for way in WAYS]
    test = delong(run.labels, scores["default"], scores["anomalib"])
    times = [
        f"{seconds[f'{who}, fit']:.2f} s, {1e3 * seconds[f'{who}, alone'] / found['pictures']['alone']:.1f} ms, "
        f"{1e3 * seconds[f'{who}, batch'] / found['pictures']['batch']:.1f} ms"
        for who in ("anomalib", "iad")
    ]
    apart = "-" if test is None else f"{test.value:+.4f} [{test.low:+.3f}, {test.high:+.3f}]"
    return [[title, str(len(run.train)), found["grid"], *cells, apart, *times]]


def options() -> Any:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("folders", nargs="*", type=Path, default=[paths.STAGES], help="of stages (default: stages)")
    parser.add_argument("--section", choices=BACKBONES, default="resnet", help="the backbone that embedded")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    asked = options().parse_args(arguments)
    python, rows, apart, said = environment(cache_folder() / "peers"), [], [], {}
    for folder in asked.folders:
        run, title = Run(folder), folder.resolve().parent.name
        found = measured(run, asked.section, python)
        rows += rows_of(title, run, found)
        apart.append(found["apart"])
        said[title] = {name: value for name, value in found.items() if name != "scores"}
        print(f"{title}: done", flush=True)
    print(found["machine"])
    print(f"distances apart, relative, at most: {max(apart):.1e}\n")
    header = ["data", "train", "grid", *WAYS.values(), "default less anomalib", "anomalib: fit, one, one of 32", "iad"]
    print(as_markdown(header, rows))
    print(json.dumps(said))


if __name__ == "__main__":
    main()
