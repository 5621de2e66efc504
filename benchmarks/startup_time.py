"""Where the time of a command goes: to imports, to DVC, or to its own work; as processor time, and on the clock.

Run it from a folder in which `dvc repro` ran: python benchmarks/startup_time.py [--repro]
It clones the last commit with the cache into a folder beside; an experiment is only one where that commit holds the
`dvc.lock` of its own code. `--repro` runs the whole DAG anew, which takes its time.

- import torch: a process that imports PyTorch and ends. The least of three, as of the next.
- predict: `iad predict` of one picture, cold, for a bundle of each kind of method, and what is beyond `import torch`.
- score, threshold, evaluate, ...: each stage by hand; its imports, and the rest, its own work.
- exp run, repro: what DVC's own process used, what the imports of the stages' processes took, and their own work.

Imports are what Python lists of itself (`-X importtime`): on the clock, so that they count as too much, and own work as
too little, where others use the processors. Take an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring import Run, clone, command, machine, python, unpack

from iad import paths
from iad.config import load_params

ROUNDS = 3
SELF_MICROSECONDS = re.compile(r"^import time: +(\d+) \|", re.MULTILINE)
PREDICTED = ("patch_vit", "patch_resnet", "vit", "ae")
DVC = """
import os, resource, sys
from dvc.cli import main
os.environ["PYTHONPROFILEIMPORTTIME"] = "1"  # of the stages
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print("DVC", used.ru_utime + used.ru_stime)
sys.exit(code)
"""
REJECTED = 3  # of `iad predict`


@dataclass(frozen=True)
class Cost:
    """Seconds of a command and of the processes that it started: of processors, and on the clock; what it printed."""

    used: float
    wall: float
    printed: str
    told: str


def cost_of(words: list[str], folder: Path) -> Cost:
    """Run a command to its end, which must be a good one."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where dvc.yaml finds this Python
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(words, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode not in (0, REJECTED):
        raise SystemExit(f"{' '.join(words[-4:])} ended with {ended.returncode}: {ended.stderr[-2000:]}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(used, wall, ended.stdout, ended.stderr)


def least(words: list[str], folder: Path) -> Cost:
    """The cheapest of some runs."""
    return min((cost_of(words, folder) for _ in range(ROUNDS)), key=lambda cost: cost.used)


def commands(folder: Path) -> list[str]:
    """Stages of the default DAG but those that fetch and embed and train, as `score vit`."""
    methods = load_params(folder / paths.PARAMS).methods
    scored = [f"{stage} {method}" for method in methods for stage in ("score", "threshold")]
    return ["preprocess", *scored, "evaluate"]


def imports(listed: str) -> float:
    """Seconds of imports, as processes listed them on standard error."""
    return sum(map(int, SELF_MICROSECONDS.findall(listed))) / 1e6


def show(title: str, found: dict[str, float]) -> None:
    """Print one line of figures in seconds."""
    print(f"{title:<26}" + "".join(f"{name} {value:6.2f}   " for name, value in found.items()), flush=True)


def measure_predict(folder: Path) -> dict[str, dict[str, float]]:
    """Cold `iad predict` of one picture, for a bundle of each kind."""
    torch = least(python("-c", "import torch"), folder)
    show("import torch", {"processor": torch.used, "clock": torch.wall})
    found = {"import torch": {"processor": torch.used, "clock": torch.wall}}
    picture = str(Run(folder / paths.STAGES).manifest["image_id"].iloc[-1])
    unpack(folder / paths.ORIGINALS, [picture], folder / "new")
    for method in PREDICTED:
        cost_of(python("-m", "iad", "bundle", method, "--with-weights"), folder)
        took = least(python("-m", "iad", "predict", f"bundles/{method}.iad", f"new/{picture}"), folder)
        one = {"processor": took.used, "clock": took.wall, "beyond torch": took.used - torch.used}
        found[f"predict {method}"] = one
        show(f"predict {method}", one)
    return found


def measure_stages(folder: Path) -> dict[str, dict[str, float]]:
    """Imports and own work of each stage."""
    found = {}
    for line in commands(folder):
        took = cost_of(python("-X", "importtime", "-m", "iad", *line.split()), folder)
        spent = imports(took.told)
        found[line] = {"processor": took.used, "imports": spent, "own work": took.used - spent, "clock": took.wall}
        show(line, found[line])
    return found


def measure_dvc(words: Sequence[str], folder: Path) -> dict[str, float]:
    """A run of DVC: how much of it is DVC's own process, how much imports of stages, and how much their work."""
    took = cost_of(python("-c", DVC, *words), folder)
    own, spent = float(took.printed.rpartition("DVC ")[2]), imports(took.told)
    work = took.used - own - spent
    found = {
        "processor": took.used, "DVC": own, "imports": spent, "own work": work, "clock": took.wall,
        "share outside of own work": 1 - work / took.used,
    }  # fmt: skip
    show(" ".join(words[:2]), found)
    return found


def copy_of(here: Path, folder: Path) -> Path:
    """The last commit, with the cache and the results of the run that is here."""
    target = clone(folder)
    shutil.copytree(here / ".dvc/cache", target / ".dvc/cache", copy_function=os.link)
    cost_of(python("-m", "dvc", "checkout", "--quiet"), target)
    return target


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("--repro", action="store_true", help="run the whole DAG anew, too")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Clone, run, measure."""
    asked = options().parse_args(arguments)
    print(machine("torch", "dvc"))
    with tempfile.TemporaryDirectory(dir=Path.cwd().parent) as name:  # beside the cache, which is linked
        folder = copy_of(Path.cwd(), Path(name))
        found = {"experiment": measure_dvc(("exp", "run", "-S", "method.k=10"), folder)}
        found |= {"nothing to do": measure_dvc(("repro",), folder)}
        found |= measure_predict(folder)
        found |= measure_stages(folder)
        if asked.repro:
            found["whole DAG"] = measure_dvc(("repro", "--force"), folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
