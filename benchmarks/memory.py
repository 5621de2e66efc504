"""Peak private memory of every stage at 2,000 and at 20,000 synthetic pictures.

Run it from the repository's top folder, environment active: python benchmarks/memory.py [pictures ...]
Private memory is RssAnon of /proc (Linux), sampled: pages of mapped files do not count. One epoch of training is enough
for its peak. The parameters are those of params.yaml but for the data. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measuring import command, machine, python, watched, write_params

LIMIT_MIB, GROWTH_MIB = 1536, 250
SIDE = 112  # pixels; what grows with the number of pictures does not depend on it, and 224 takes four times as long
STAGES = (
    ("download",), ("preprocess",), ("train_ae",), ("extract_resnet",), ("extract_vit",),
    ("score", "ae"), ("score", "resnet"), ("score", "vit"), ("threshold", "vit"), ("threshold", "resnet"),
    ("threshold", "ae"), ("evaluate",),
)  # fmt: skip
METHODS = {
    "ae": {"detector": "autoencoder", "reads": "train_ae", "params": "reconstruction"},
    "resnet": {"detector": "knn", "reads": "extract_resnet", "params": "method"},
    "vit": {"detector": "knn", "reads": "extract_vit", "params": "method"},
}


def project(folder: Path, pictures: int) -> None:
    """Parameters that weave this many carpets, two thirds of them for training."""
    test = pictures // 3
    carpets = {"train": pictures - test, "good": test // 2, "defective": (test - test // 2) // 5, "size": 128}
    write_params(folder, {
        "data": {"source": "synthetic", "category": "carpet", "synthetic": carpets},
        "preprocess": {"image_size": SIDE}, "ae": {"epochs": 1}, "methods": METHODS, "hybrids": {},
    })  # fmt: skip


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("pictures", nargs="*", type=int, default=[2000, 20_000], help="default: 2000 20000")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every stage at every size."""
    sizes = options().parse_args(arguments).pictures
    print(machine("numpy", "torch"))
    found: dict[str, list[float]] = {}
    for pictures in sizes:
        with tempfile.TemporaryDirectory() as name:
            project(Path(name), pictures)
            for stage in STAGES:
                _, peak = watched(python("-m", "iad", *stage), Path(name))
                found.setdefault(" ".join(stage), []).append(round(peak))
                print(f"{pictures:6} pictures  {' '.join(stage):16} {peak:6.0f} MiB", flush=True)
    print(f"targets: at most {LIMIT_MIB} MiB, and at most {GROWTH_MIB} MiB more at the larger size")
    print(json.dumps({"sizes": sizes} | found))


if __name__ == "__main__":
    main()
