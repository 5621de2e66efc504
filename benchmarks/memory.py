"""Peak private memory of every stage at 2,000 and at 20,000 synthetic pictures.

Run it from the repository's top folder, environment active: python benchmarks/memory.py [small] [large]
Private memory is RssAnon of /proc (Linux), sampled: pages of mapped files do not count. One epoch of training is enough
for its peak. The last line is JSON.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML

LIMIT_MIB, GROWTH_MIB = 1536, 250
SIDE = 112  # pixels; what grows with the number of pictures does not depend on it, and 224 takes four times as long
STAGES = (
    ("download",), ("preprocess",), ("train_ae",), ("extract_resnet",), ("extract_vit",),
    ("score", "ae"), ("score", "resnet"), ("score", "vit"), ("threshold", "vit"), ("threshold", "resnet"),
    ("threshold", "ae"), ("evaluate",),
)  # fmt: skip


def peak_mib(command: list[str], folder: Path) -> float:
    """Highest RssAnon of a process while it runs, in MiB."""
    process, peak = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL), 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            break
        peak = max([peak, *(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("RssAnon"))])
        time.sleep(0.01)
    if process.wait():
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return peak


def project(folder: Path, pictures: int) -> None:
    """A copy of this project that weaves this many carpets, two thirds of them for training."""
    shutil.copytree("iad", folder / "iad")
    yaml = YAML()
    values = yaml.load(Path("params.yaml"))
    test = pictures // 3
    values["data"] |= {"source": "synthetic", "category": "carpet"}
    values["data"]["synthetic"] |= {
        "train": pictures - test, "good": test // 2, "defective": (test - test // 2) // 5, "size": 128
    }  # fmt: skip
    values["ae"]["epochs"] = 1
    values["preprocess"]["image_size"] = SIDE
    yaml.dump(values, folder / "params.yaml")


def main(sizes: list[int]) -> None:
    """Run every stage at every size."""
    found: dict[str, list[float]] = {}
    for pictures in sizes:
        with tempfile.TemporaryDirectory() as name:
            project(Path(name), pictures)
            for stage in STAGES:
                peak = peak_mib([sys.executable, "-m", "iad", *stage], Path(name))
                found.setdefault(" ".join(stage), []).append(round(peak))
                print(f"{pictures:6} pictures  {' '.join(stage):16} {peak:6.0f} MiB", flush=True)
    print(f"targets: at most {LIMIT_MIB} MiB, and at most {GROWTH_MIB} MiB more at the larger size")
    print(json.dumps({"sizes": sizes} | found))


if __name__ == "__main__":
    main([int(value) for value in sys.argv[1:]] or [2000, 20000])
