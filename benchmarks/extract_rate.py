"""How much of a bare backbone's rate `extract_*` reaches: reading images.npy, normalising and writing included.

Run it after `make repro`, from the repository's top folder: python benchmarks/extract_rate.py [pictures] [rounds]
The bare model runs on one ready batch of normalised pixels in the same precision and memory format; the rounds
alternate and the fastest of each are compared. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from iad import compute, paths
from iad.config import load_params
from iad.features.embedder import Embedder
from iad.io import new_array, open_array

TARGET = 0.85


@torch.inference_mode()
def bare(module: torch.nn.Module, pixels: torch.Tensor, runtime: compute.Runtime, batches: int) -> float:
    """Pictures per second of the model alone."""
    started = time.perf_counter()
    with runtime.lower_precision():
        for _ in range(batches):
            module.forward_features(pixels)  # type: ignore[operator]
    return len(pixels) * batches / (time.perf_counter() - started)


def main(pictures: int, rounds: int) -> None:
    """Measure both backbones of params.yaml."""
    params, images = load_params(), open_array(paths.IMAGES)
    images, size = images[:pictures], params.compute.batch_size
    found = {}
    for name, chosen in (("resnet", params.resnet), ("vit", params.vit)):
        runtime = compute.start(device="auto", precision="auto", threads=0, seed=0)
        embedder = Embedder(chosen, images.shape[1], parts=("pooled",), batch_size=size, runtime=runtime)
        backbone, module = embedder.backbone, embedder.backbone.module
        pixels = torch.rand(size, 3, *images.shape[1:3]).to(runtime.device, memory_format=torch.channels_last)
        bare_rates, rates = [], []
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(rounds):
                bare_rates.append(bare(module, pixels, runtime, max(1, len(images) // size)))
                started = time.perf_counter()
                shape = (len(images), *embedder.shapes["pooled"])
                with new_array(Path(folder) / "features.npy", shape, np.float32) as features:
                    embedder.embed_into(images, {"pooled": features})
                rates.append(len(images) / (time.perf_counter() - started))
        found[name] = {"bare": max(bare_rates), "extract": max(rates), "share": max(rates) / max(bare_rates)}
        print(
            f"{name}: {backbone.name}, {runtime.precision}: bare {max(bare_rates):.1f}/s, extract {max(rates):.1f}/s, "
            f"{found[name]['share']:.0%} (target {TARGET:.0%})",
            flush=True,
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main(*(int(value) for value in (sys.argv[1:] + ["256", "3"][len(sys.argv) - 1 :])))
