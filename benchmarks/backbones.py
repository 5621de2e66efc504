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
import time
from dataclasses import dataclass

import numpy as np
import timm
import torch
from iad.features.options import Backbone, CnnBackbone, Patches, VitBackbone
from safetensors.torch import save

from iad import compute, paths
from iad.config import load_params
from iad.data.manifest import read_manifest, rows_of
from iad.detectors.aggregation import aggregate_maps
from iad.detectors.knn.search import Neighbors
from iad.detectors.patch.memory_bank import MemoryBank
from iad.features.backbone import build_backbone
from iad.features.embedder import Embedder
from iad.features.quantization import Int8Linear, int8_is_fused
from iad.io import open_array
from iad.metrics.image import auroc
from iad.statistics.bootstrap import bootstrap_intervals

BATCH = 32
CUT = {"resnet": (4,), "vit": (8, 6)}
RANDOM = {"vit_tiny_patch16_224": "cls", "mobilevit_s": "avg"}


@dataclass(frozen=True, eq=False)
class Variant:
    """One way to run a backbone."""

    what: str
    embedder: Embedder


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
        what = ("int8" if quantize == "int8" else precision) + (f", depth {depth}" if depth else "")
        layers = tuple(layer for layer in chosen.patches.layers if depth is None or layer < depth)
        patches = chosen.patches.model_copy(update={"layers": layers})
        options = chosen.model_copy(update={"depth": depth, "quantize": quantize, "patches": patches})
        made.append(Variant(what, Embedder(options, size, batch_size=BATCH, runtime=runtime)))
    return made


def random_variants(size: int) -> list[Variant]:
    """Networks by name, with random weights."""
    made = []
    for name, pooling in RANDOM.items():
        state = timm.create_model(name, pretrained=False, num_classes=0).state_dict()
        for quantize in ("none", "int8"):
            runtime = compute.start(device="cpu", precision="bf16", threads=0, seed=0)
            options = Backbone(model=name, pooling=pooling, quantize=quantize, patches=Patches(layers=()))
            embedder = Embedder(
                options, size, backbone=build_backbone(options, size, weights=state), batch_size=BATCH, runtime=runtime
            )
            made.append(Variant("bf16" if quantize == "none" else "int8", embedder))
    return made


def pooled_into(variant: Variant, images: np.ndarray) -> np.ndarray:
    """Pooled embeddings alone."""
    pooled = np.empty((len(images), *variant.embedder.shapes["pooled"]), np.float32)
    variant.embedder.embed_into(images, {"pooled": pooled})
    return pooled


def rates(variants: list[Variant], images: np.ndarray, rounds: int) -> list[float]:
    """Pictures per second of each, fastest of the rounds; the first round of all warms up."""
    best = [0.0] * len(variants)
    for turn in range(rounds + 1):
        for number, variant in enumerate(variants):
            started = time.perf_counter()
            pooled_into(variant, images)
            if turn:
                best[number] = max(best[number], len(images) / (time.perf_counter() - started))
    return best


def megabytes(variant: Variant) -> dict[str, float]:
    """Size as a safetensors file, and of what is held in memory to run (autocast keeps float32 weights)."""
    backbone = variant.embedder.backbone
    state = {name: tensor.contiguous() for name, tensor in backbone.module.state_dict().items()}
    held = sum(tensor.nbytes for tensor in state.values())
    if backbone.quantize == "int8" and int8_is_fused():  # the kernel's own order of the same integers
        held += sum(layer.weight.nbytes for layer in backbone.module.modules() if isinstance(layer, Int8Linear))
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
    pooled, locations = pooled_into(variant, images), None
    if patches and "patches" in variant.embedder.parts:
        locations = np.empty((len(images), *variant.embedder.shapes["patches"]), np.float16)
        variant.embedder.embed_into(images, {"patches": locations})
    neighbors = Neighbors(
        pooled[~test], metric=method.metric, standardize=method.standardize, pca=method.pca, index=method.index
    )
    found = [with_interval(labels, neighbors.scores(pooled[test], k=method.k, aggregate=method.aggregate))]
    if locations is None:
        return [*found, "-"]
    maps = MemoryBank(locations[~test]).distance_maps(locations[test], k=patch.k, title=variant.what)
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
            name, size = variant.embedder.backbone.name, megabytes(variant)
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
