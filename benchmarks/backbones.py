"""AUROC, rate and size of the backbones of params.yaml in float32, bf16 and 8-bit integers, whole and cut short.

Run it after `make repro`, from the repository's top folder:
python benchmarks/backbones.py [pictures of each split; 0: all] [rounds] [patches: 0 or 1]
With patches, features of the places are compared too, which takes minutes per variant. Rates are of pooled features of
one batch, all variants in turn, the fastest round of each. The two networks with random weights have a rate and a size
alone. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import save, save_file

from iad import compute, paths
from iad.data.manifest import read_manifest, rows_of
from iad.detectors.aggregation import aggregate_maps
from iad.detectors.knn.search import Neighbors
from iad.detectors.patch.memory_bank import MemoryBank
from iad.features.backbone import Backbone, build_backbone, extract_features, feature_size
from iad.features.patches import PatchWriter, patch_shape
from iad.features.quantization import Int8Linear, int8_is_fused
from iad.io import open_array
from iad.metrics.image import auroc
from iad.config import load_params
from iad.features.options import CnnBackbone, VitBackbone
from iad.statistics.bootstrap import bootstrap_intervals

BATCH = 32
CUT = {"resnet": (4,), "vit": (8, 6)}
RANDOM = {"vit_tiny_patch16_224": "cls", "mobilevit_s": "avg"}


@dataclass(frozen=True, eq=False)
class Variant:
    """One way to run a backbone; `layers` are those of its patch features, empty where there are none."""

    what: str
    backbone: Backbone
    runtime: compute.Runtime
    pooling: str
    layers: tuple[int, ...] = ()
    neighbourhood: int = 1


def variants_of(section: str, chosen: CnnBackbone | VitBackbone, size: int) -> list[Variant]:
    """The backbone of one section in every precision, then cut short."""
    settings: list[tuple[str, int | None, str]] = [
        ("fp32", None, "none"),
        ("bf16", None, "none"),
        ("bf16", None, "int8"),
    ]
    settings += [("bf16", depth, quantize) for depth in CUT[section] for quantize in ("none", "int8")]
    made = []
    for precision, depth, quantize in settings:
        runtime = compute.start(device="cpu", precision=precision, threads=0, seed=0)
        backbone = build_backbone(
            chosen.model, chosen.weights, image_size=size, normalize=chosen.normalize, depth=depth, quantize=quantize
        )
        what = ("int8" if quantize == "int8" else precision) + (f", depth {depth}" if depth else "")
        layers = tuple(layer for layer in chosen.patches.layers if depth is None or layer < depth)
        made.append(Variant(what, backbone, runtime, chosen.pooling, layers, chosen.patches.neighbourhood))
    return made


def random_variants(size: int) -> list[Variant]:
    """Networks by name, with random weights."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for name, pooling in RANDOM.items():
            save_file(timm.create_model(name, pretrained=False, num_classes=0).state_dict(), f"{folder}/{name}")
            for quantize in ("none", "int8"):
                runtime = compute.start(device="cpu", precision="bf16", threads=0, seed=0)
                options: dict[str, Any] = {"image_size": size, "normalize": "model", "quantize": quantize}
                backbone = build_backbone(name, f"file:{folder}/{name}", **options)
                made.append(Variant("bf16" if quantize == "none" else "int8", backbone, runtime, pooling))
    return made


def features_of(variant: Variant, images: np.ndarray, *, patches: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Pooled and patch features."""
    backbone = variant.backbone
    pooled = np.empty((len(images), feature_size(backbone, variant.pooling)), np.float32)
    writer = None
    if patches and variant.layers:
        shape = patch_shape(backbone.module, backbone.name, backbone.image_size, variant.layers)
        writer = PatchWriter(np.empty((len(images), *shape), np.float16), variant.layers, variant.neighbourhood)
    extract_features(
        backbone, images, pooled, pooling=variant.pooling, runtime=variant.runtime, batch_size=BATCH, patches=writer
    )
    return pooled, None if writer is None else writer.patches


def rates(variants: list[Variant], images: np.ndarray, rounds: int) -> list[float]:
    """Pictures per second of each, fastest of the rounds; the first round of all warms up."""
    best = [0.0] * len(variants)
    for turn in range(rounds + 1):
        for number, variant in enumerate(variants):
            features = np.empty((len(images), feature_size(variant.backbone, variant.pooling)), np.float32)
            options: dict[str, Any] = {"pooling": variant.pooling, "runtime": variant.runtime, "batch_size": BATCH}
            started = time.perf_counter()
            extract_features(variant.backbone, images, features, **options)
            if turn:
                best[number] = max(best[number], len(images) / (time.perf_counter() - started))
    return best


def megabytes(variant: Variant) -> dict[str, float]:
    """Size as a safetensors file, and of what is held in memory to run (autocast keeps float32 weights)."""
    state = {name: tensor.contiguous() for name, tensor in variant.backbone.module.state_dict().items()}
    held = sum(tensor.nbytes for tensor in state.values())
    if variant.backbone.quantize == "int8" and int8_is_fused():  # the kernel's own order of the same integers
        held += sum(layer.weight.nbytes for layer in variant.backbone.module.modules() if isinstance(layer, Int8Linear))
    if variant.what.startswith("bf16"):
        state = {name: tensor.bfloat16() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    return {"file": len(save(state)) / 1e6, "held": held / 1e6}


def with_interval(labels: np.ndarray, scores: np.ndarray) -> str:
    """AUROC and its interval."""
    scores = scores.astype(np.float64)
    rejected = scores >= np.median(scores)
    interval = bootstrap_intervals(labels, scores, rejected, draws=1000, confidence=0.95, seed=0)["auroc"]
    return f"{auroc(labels, scores):.4f} [{interval.low:.3f}, {interval.high:.3f}]"


def accuracy(variant: Variant, images: np.ndarray, test: np.ndarray, labels: np.ndarray, *, patches: bool) -> list[str]:
    """AUROC of kNN on pooled features, and of the nearest good patches; the pictures that are not tested train."""
    method, patch = load_params().method, load_params().patch
    pooled, places = features_of(variant, images, patches=patches)
    neighbors = Neighbors(
        pooled[~test], metric=method.metric, standardize=method.standardize, pca=method.pca, index=method.index
    )
    found = [with_interval(labels, neighbors.scores(pooled[test], k=method.k, aggregate=method.aggregate))]
    if places is None:
        return [*found, "-"]
    maps = MemoryBank(places[~test]).distance_maps(places[test], k=patch.k, title=variant.what)
    worst = aggregate_maps(maps, aggregate="max", top_share=0.01)
    return [*found, with_interval(labels, worst)]


def main(pictures: int, rounds: int, patches: bool) -> None:
    """Print the table."""
    params, manifest, images = load_params(), read_manifest(paths.MANIFEST), open_array(paths.IMAGES)
    train, test = (spread(rows_of(manifest, split), pictures) for split in ("train", "test"))
    shown = images[np.concatenate([train, test])]
    tested = np.arange(len(shown)) >= len(train)
    groups = [variants_of("resnet", params.resnet, images.shape[1]), variants_of("vit", params.vit, images.shape[1])]
    print(f"{len(train)} training and {len(test)} test pictures, {torch.get_num_threads()} threads\n")
    print("| network | variant | kNN, pooled: AUROC | patches: AUROC | pictures/s | file, MB | held, MB |")
    print("|---|---|---|---|---|---|---|")
    kept = []
    for group in [*groups, random_variants(images.shape[1])]:
        for variant, rate in zip(group, rates(group, shown[:BATCH], rounds), strict=True):
            name, size = variant.backbone.name, megabytes(variant)
            found = ["-", "-"]
            if name not in RANDOM:
                found = accuracy(variant, shown, tested, manifest["label"].to_numpy()[test], patches=patches)
            line = f"{' | '.join(found)} | {rate:.1f} | {size['file']:.1f} | {size['held']:.1f}"
            print(f"| {name} | {variant.what} | {line} |", flush=True)
            kept.append({"network": name, "variant": variant.what, "auroc": found, "rate": rate, **size})
    print(json.dumps(kept))


def spread(rows: np.ndarray, pictures: int) -> np.ndarray:
    """So many rows at even distances; 0: all."""
    return rows if pictures == 0 or pictures >= len(rows) else rows[:: -(-len(rows) // pictures)]


if __name__ == "__main__":
    given = [int(value) for value in (sys.argv[1:] + ["0", "3", "0"][len(sys.argv) - 1 :])]
    main(given[0], given[1], bool(given[2]))
