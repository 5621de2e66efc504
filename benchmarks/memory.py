"""Peak private memory of every stage of the default methods, at two sizes or more, of 224 px pictures.

Run it from the repository's top folder, environment active: python benchmarks/memory.py [pictures ...]
Private memory is RssAnon of /proc (Linux), sampled: pages of mapped files do not count; the peak is that of the stage's
own process. The parameters are those of params.yaml but for the data and one epoch of training, which is enough for its
peak. A third of the pictures are for testing, half of them defective.

All stages on 20,000 pictures would take a day of two cores, most of it in the networks and the search. So `download`
and `preprocess` run on some woven pictures (`--woven`), whose arrays are then repeated until there are as many as asked
for. Embeddings are drawn at random, in the shapes and types of the default networks and near few axes as theirs are;
`extract_*`, which work batch by batch, run on the woven pictures as they are, and only with `--extract`. All other
stages run on all pictures. `--minutes` limits the bank (`patch.max_search_minutes`), for a run that ends sooner. One
thread computes, since `evaluate` would measure methods in processes of their own, which nobody watches. The last line
is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import command, machine, python, watched, write_params

from iad import paths
from iad.data.manifest import fingerprint, read_manifest
from iad.io import new_array, open_array, write_json, write_table

LIMIT_MIB, GROWTH_MIB = 1536, 250
FILES = (paths.PATCHES, paths.CONTRIBUTIONS, paths.FEATURES)
BOOTSTRAP = 200  # draws, each of which takes the same memory
METHODS = ("ae", "resnet", "vit", "patch_resnet", "patch_vit")
PICTURES, EXTRACT = (("download",), ("preprocess",)), (("extract_resnet",), ("extract_vit",))
STAGES = (
    ("train_ae",), *(("score", method) for method in METHODS), ("align", "hybrid"), ("score", "hybrid"),
    *(("threshold", method) for method in (*METHODS, "hybrid")), ("evaluate",),
)  # fmt: skip
NETWORKS = {  # shapes of patches and of contributions: what the default networks give of 224 px
    paths.EXTRACT_RESNET: ((14, 14, 152), (7, 7, 1280)), paths.EXTRACT_VIT: ((16, 16, 768), (16, 16, 384)),
}  # fmt: skip
AXES, NOISE = 32, 0.1  # of random embeddings, and what lies beside these axes
BLOCK = 64  # pictures made at once


def project(folder: Path, pictures: int, minutes: float) -> None:
    """Parameters that weave this many carpets, two thirds of them for training."""
    test = pictures // 3
    carpets = {"train": pictures - test, "good": test // 2, "defective": (test - test // 2) // 5, "size": 224}
    write_params(folder, {
        "data": {"source": "synthetic", "category": "carpet", "synthetic": carpets}, "ae": {"epochs": 1},
        "compute": {"threads": 1}, "patch": {"max_search_minutes": minutes}, "evaluate": {"bootstrap": BOOTSTRAP},
    })  # fmt: skip


def enlarge(folder: Path, pictures: int) -> None:
    """Make a project of few pictures one of many, by repeating its pictures and drawing embeddings."""
    manifest = read_manifest(folder / paths.MANIFEST)
    rows = np.arange(pictures) % len(manifest)
    rows = rows[np.argsort(pd.Categorical(manifest["split"].iloc[rows], ["train", "test"]).codes, kind="stable")]
    many = manifest.iloc[rows].reset_index(drop=True)
    names = [f"{number:06d}_{name}" for number, name in enumerate(many["image_id"])]
    many = many.assign(image_id=names, sha256=[f"{number:064x}" for number in range(pictures)])
    write_table(folder / paths.MANIFEST, many)
    for path in (paths.IMAGES, paths.MASKS):
        repeat(folder / path, rows)
    for stage, shapes in NETWORKS.items():
        embed(folder / stage, pictures, *shapes)
        model = {"patches": {"layers": [0]}, "attribution": True, "pooling": "avg", "runtime": {}, "name": stage.name}
        write_json(folder / stage / paths.BACKBONE_RECORD, model | {"pictures": fingerprint(many)})


def repeat(path: Path, rows: np.ndarray) -> None:
    """Replace an array by chosen rows of it, int64 `(N,)`."""
    source = open_array(path)
    with new_array(path, (len(rows), *source.shape[1:]), source.dtype.type) as array:
        for start in range(0, len(rows), BLOCK):
            array[start : start + BLOCK] = source[rows[start : start + BLOCK]]


def embed(folder: Path, pictures: int, patches: tuple[int, ...], contributions: tuple[int, ...]) -> None:
    """Random embeddings near few axes, in the files of an extract stage."""
    rng = np.random.default_rng(0)
    axes = [rng.standard_normal((AXES, shape[-1]), dtype=np.float32) for shape in (patches, contributions)]
    shapes = (patches, contributions, contributions[-1:])
    with ExitStack() as stack:
        files = [
            stack.enter_context(new_array(folder / name, (pictures, *shape), dtype))
            for name, shape, dtype in zip(FILES, shapes, (np.float16, np.float16, np.float32), strict=True)
        ]
        for start in range(0, pictures, BLOCK):
            some = slice(start, min(start + BLOCK, pictures))
            for array, across in zip(files[:2], axes, strict=True):
                found = rng.standard_normal((*array[some].shape[:-1], AXES), dtype=np.float32) @ across
                found += NOISE * rng.standard_normal(found.shape, dtype=np.float32)
                array[some] = found / np.linalg.norm(found, axis=-1, keepdims=True)
            files[2][some] = files[1][some].mean(axis=(1, 2), dtype=np.float32)


def measure(folder: Path, stages: Sequence[tuple[str, ...]], pictures: int) -> dict[str, int]:
    """Peak of each stage in MiB, told as it ends."""
    found = {}
    for stage in stages:
        said, peak = watched(python("-m", "iad", *stage), folder)
        found[" ".join(stage)] = round(peak)
        banks = [line for line in said.splitlines() if "patches" in line]
        print(f"{pictures:6} pictures  {' '.join(stage):22} {peak:6.0f} MiB  {' '.join(banks)}", flush=True)
    return found


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("pictures", nargs="*", type=int, default=[2000, 20_000], help="default: 2000 20000")
    parser.add_argument("--woven", type=int, default=240, help="pictures that are drawn (default: 240)")
    parser.add_argument("--extract", action="store_true", help="run the networks on the pictures that are drawn")
    parser.add_argument("--minutes", type=float, default=90.0, help="patch.max_search_minutes (default: 90)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every stage at every size."""
    asked = options().parse_args(arguments)
    print(machine("numpy", "torch"))
    found: dict[str, list[int]] = {}
    for pictures in asked.pictures:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            woven = min(pictures, asked.woven)
            project(folder, woven, asked.minutes)
            peaks = measure(folder, PICTURES + EXTRACT * asked.extract, woven)
            enlarge(folder, pictures)
            peaks |= measure(folder, STAGES, pictures)
        for stage, peak in peaks.items():
            found.setdefault(stage, []).append(peak)
    print(f"targets: at most {LIMIT_MIB} MiB, and at most {GROWTH_MIB} MiB more at the larger size")
    print(json.dumps({"sizes": asked.pictures} | found))


if __name__ == "__main__":
    main()
