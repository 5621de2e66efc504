"""Coreset of a bank that is larger than the memory its process may take.

Run it from the repository's top folder, environment active: python benchmarks/coreset.py [--rows 2000000]
It writes random patches, float16, into the system's folder for temporary files (1.5 GB), chooses a share of them in a
process whose private memory is limited (RLIMIT_DATA, Linux: what is mapped for writing, 0.8 GB of it for PyTorch), and
reports time and peak of RssAnon, which does not count pages of the mapped file. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measuring import command, machine, private_mib, python, watched

PER_PICTURE, DIMENSIONS = 256, 384
MIB = 2**20


def write_bank(file: Path, pictures: int) -> None:
    """Normal numbers, float16 `(pictures, 16, 16, D)`."""
    shape = (pictures, 16, PER_PICTURE // 16, DIMENSIONS)
    array = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=shape)
    rng = np.random.default_rng(0)
    for start in range(0, pictures, 64):
        part = array[start : start + 64]
        part[:] = rng.standard_normal(part.shape, dtype=np.float32)
    array.flush()


def choose(file: Path, share: float) -> None:
    """What the limited process does; prints JSON."""
    from iad.detectors.patch.memory_bank import MemoryBank
    from iad.neighbors.patch_view import PatchView

    patches, before = np.load(file, mmap_mode="r"), private_mib(os.getpid())
    start = time.perf_counter()
    bank = MemoryBank(PatchView(patches, np.arange(len(patches))[::-1]), coreset_sampling_ratio=share)
    seconds = round(time.perf_counter() - start, 1)
    print(json.dumps({"kept": len(bank.rows), "seconds": seconds, "before_mib": round(before)}))


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the bank (default: 2,000,000)")
    parser.add_argument("--share", type=float, default=0.001, help="of the rows that is kept (default: 0.001)")
    parser.add_argument("--limit", type=int, default=1536, help="MiB of private memory that the process may take")
    parser.add_argument("--choose", type=Path, help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the bank, choose from it, report."""
    wanted = options().parse_args(arguments)
    if wanted.choose:
        resource.setrlimit(resource.RLIMIT_DATA, (wanted.limit * MIB, wanted.limit * MIB))
        choose(wanted.choose, wanted.share)
        return
    print(machine("torch"))
    pictures = -(-wanted.rows // PER_PICTURE)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "patches.npy"
        write_bank(file, pictures)
        words = python(__file__, "--choose", str(file), "--limit", str(wanted.limit), "--share", str(wanted.share))
        printed, peak = watched(words)
    rows = pictures * PER_PICTURE
    sizes = {f"{kind}_mib": round(rows * DIMENSIONS * size / MIB) for kind, size in (("float16", 2), ("float32", 4))}
    found = {"rows": rows, **sizes, "limit_mib": wanted.limit, **json.loads(printed), "peak_mib": round(peak)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
