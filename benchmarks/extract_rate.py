"""How much of a bare backbone's rate `extract_*` reaches: reading images.npy, normalising and writing included.

Run it after `make repro`, from the repository's top folder: python benchmarks/extract_rate.py [pictures] [rounds]
The bare model runs on one ready batch of normalised pixels in the same precision and memory format; pooled embeddings
alone are written. The rounds alternate and the fastest of each are compared. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import BACKBONES, Run, command, embedder, machine, started

from iad import paths
from iad.compute import Runtime
from iad.config import Params, load_params
from iad.features import Patches
from iad.features.embedder import Embedder
from iad.io import new_array

TARGET = 0.85


@torch.inference_mode()
def bare(module: Any, pixels: torch.Tensor, runtime: Runtime, batches: int) -> float:
    """Pictures per second of the model alone."""
    began = time.perf_counter()
    with runtime.lower_precision():
        for _ in range(batches):
            module.forward_features(pixels)
    return len(pixels) * batches / (time.perf_counter() - began)


def extracted(network: Embedder, images: np.ndarray, file: Path) -> float:
    """Pictures per second from the mapped array to the written embeddings."""
    began = time.perf_counter()
    with new_array(file, (len(images), *network.shapes["pooled"]), np.float32) as pooled:
        network.embed_into(images, {"pooled": pooled})
    return len(images) / (time.perf_counter() - began)


def compare(section: str, params: Params, images: np.ndarray, rounds: int) -> dict[str, float]:
    """Measure one backbone of params.yaml."""
    runtime, size = started(params), params.compute.batch_size
    network = embedder(
        params, section, images.shape[1], runtime=runtime, batch_size=size, attribution=False, patches=Patches()
    )
    pixels = torch.rand(size, 3, *images.shape[1:3]).to(runtime.device, memory_format=torch.channels_last)
    bare_rates, rates = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            bare_rates.append(bare(network.backbone.module, pixels, runtime, max(1, len(images) // size)))
            rates.append(extracted(network, images, Path(folder) / "features.npy"))
    share = max(rates) / max(bare_rates)
    print(
        f"{section}: {network.backbone.name}, {runtime.precision}: bare {max(bare_rates):.1f}/s, "
        f"extract {max(rates):.1f}/s, {share:.0%} (target {TARGET:.0%})",
        flush=True,
    )
    return {"bare": max(bare_rates), "extract": max(rates), "share": share}


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("pictures", nargs="?", type=int, default=256, help="default: 256")
    parser.add_argument("rounds", nargs="?", type=int, default=3, help="default: 3")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both backbones of params.yaml."""
    asked = options().parse_args(arguments)
    params, images = load_params(), Run().array(paths.IMAGES)[: asked.pictures]
    print(machine("torch", "timm"))
    print(json.dumps({section: compare(section, params, images, asked.rounds) for section in BACKBONES}))


if __name__ == "__main__":
    main()
