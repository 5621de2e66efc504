"""AUROC, rate and size of the backbones of params.yaml in float32, bf16 and 8-bit integers, whole and cut short.

Run it after `make repro`, from the repository's top folder:
python benchmarks/backbones.py [pictures of each split; 0: all] [rounds] [patches: 0 or 1]
With patches, patch embeddings are compared too, which takes minutes per variant. Rates are of pooled embeddings of one
batch, all variants in turn, the fastest round of each. The two networks with random weights have a rate and a size
alone. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import timm
import torch
from measuring import Run, command, embedder, layers_of, machine, with_interval
from safetensors.torch import save, save_file

from iad import paths
from iad.compute import start
from iad.config import Params, load_params
from iad.detectors.aggregation import aggregate_maps
from iad.detectors.knn.detector import Detector as Knn
from iad.detectors.patch.memory_bank import MemoryBank
from iad.features import Backbone, Patches
from iad.features.embedder import Embedder
from iad.features.embeddings import Part
from iad.features.quantization import Int8Linear, int8_is_fused

BATCH = 32
CUT = {"resnet": (4,), "vit": (8, 6)}
RANDOM = {"vit_tiny_patch16_224": "cls", "mobilevit_s": "avg"}


@dataclass(frozen=True, eq=False)
class Variant:
    """One way to run a backbone."""

    what: str
    embedder: Embedder


def variants_of(section: str, params: Params, size: int, *, patches: bool) -> list[Variant]:
    """The backbone of one section in every precision, then cut short."""
    options = params.options(section)
    settings: list[tuple[str, int | None, str]] = [
        ("fp32", None, "none"),
        ("bf16", None, "none"),
        ("bf16", None, "int8"),
    ]
    deepest = layers_of(options.model)
    settings += [
        ("bf16", depth, quantize) for depth in CUT[section] if depth < deepest for quantize in ("none", "int8")
    ]
    parts: tuple[Part, ...] = ("pooled", "patches") if patches else ("pooled",)
    made = []
    for precision, depth, quantize in settings:
        runtime = start(device="cpu", precision=precision, threads=0, seed=0)
        layers = tuple(layer for layer in options.patches.layers if depth is None or layer < depth)
        kept = Patches(layers=layers, neighbourhood=options.patches.neighbourhood)
        network = embedder(
            params, section, size, runtime=runtime, parts=parts, batch_size=BATCH,
            depth=depth, quantize=quantize, patches=kept, attribution=False,
        )  # fmt: skip
        what = ("int8" if quantize == "int8" else precision) + (f", depth {depth}" if depth else "")
        made.append(Variant(what, network))
    return made


def random_variants(size: int) -> list[Variant]:
    """Networks by name, with random weights."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for name, pooling in RANDOM.items():
            save_file(timm.create_model(name, pretrained=False, num_classes=0).state_dict(), f"{folder}/{name}")
            for quantize in ("none", "int8"):
                runtime = start(device="cpu", precision="bf16", threads=0, seed=0)
                options = Backbone(
                    model=name, weights=f"file:{folder}/{name}", pooling=pooling, quantize=quantize, attribution=False
                )
                network = Embedder(options, size, batch_size=BATCH, runtime=runtime)
                made.append(Variant("bf16" if quantize == "none" else "int8", network))
    return made


def rates(variants: list[Variant], images: np.ndarray, rounds: int) -> list[float]:
    """Pictures per second of each, fastest of the rounds; the first round of all warms up."""
    best = [0.0] * len(variants)
    for number in range(rounds + 1):
        for place, variant in enumerate(variants):
            pooled = np.empty((len(images), *variant.embedder.shapes["pooled"]), np.float32)
            started = time.perf_counter()
            variant.embedder.embed_into(images, {"pooled": pooled})
            if number:
                best[place] = max(best[place], len(images) / (time.perf_counter() - started))
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


def accuracy(variant: Variant, images: np.ndarray, test: np.ndarray, labels: np.ndarray, params: Params) -> list[str]:
    """AUROC of kNN on pooled embeddings, and of the nearest good patches; the pictures that are not tested train."""
    embedded = variant.embedder.embed(images)
    pooled, patches = embedded["pooled"], embedded["patches"]
    if pooled is None:
        raise SystemExit(f"{variant.what}: no pooled embeddings")
    scores = Knn(params.method).fit(pooled[~test]).predict(pooled[test]).pred_score
    found = [with_interval(labels, scores, draws=1000)]
    if patches is None:
        return [*found, "-"]
    maps = MemoryBank(patches[~test]).distance_maps(patches[test], num_neighbors=params.options("patch").k)
    worst = aggregate_maps(maps, aggregate="max", top_share=0.01)
    return [*found, with_interval(labels, worst, draws=1000)]


def spread(rows: np.ndarray, pictures: int) -> np.ndarray:
    """So many rows at even distances; 0: all."""
    return rows if pictures == 0 or pictures >= len(rows) else rows[:: -(-len(rows) // pictures)]


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("pictures", nargs="?", type=int, default=0, help="of each split; 0: all (default)")
    parser.add_argument("rounds", nargs="?", type=int, default=3, help="of timing (default: 3)")
    parser.add_argument("patches", nargs="?", type=int, choices=(0, 1), default=0, help="default: 0")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    asked = options().parse_args(arguments)
    params, run = load_params(), Run()
    images, patches = run.array(paths.IMAGES), bool(asked.patches)
    train, test = (spread(rows, asked.pictures) for rows in (run.train, run.test))
    labels, size = np.asarray(run.manifest["label"])[test], images.shape[1]
    shown = images[np.concatenate([train, test])]
    tested = np.arange(len(shown)) >= len(train)
    groups = [variants_of(section, params, size, patches=patches) for section in ("resnet", "vit")]
    print(machine("torch", "timm"))
    print(f"{len(train)} training and {len(test)} test pictures, {torch.get_num_threads()} threads\n")
    print("| network | variant | kNN, pooled: AUROC | patches: AUROC | pictures/s | file, MB | held, MB |")
    print("|---|---|---|---|---|---|---|")
    kept = []
    for group in [*groups, random_variants(size)]:
        for variant, rate in zip(group, rates(group, shown[:BATCH], asked.rounds), strict=True):
            name, sizes = variant.embedder.backbone.name, megabytes(variant)
            found = ["-", "-"] if name in RANDOM else accuracy(variant, shown, tested, labels, params)
            line = f"{' | '.join(found)} | {rate:.1f} | {sizes['file']:.1f} | {sizes['held']:.1f}"
            print(f"| {name} | {variant.what} | {line} |", flush=True)
            kept.append({"network": name, "variant": variant.what, "auroc": found, "rate": rate, **sizes})
    print(json.dumps(kept))


if __name__ == "__main__":
    main()
