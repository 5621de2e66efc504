"""How much of the fastest runtime's rate `iad` reaches in float32 on the CPU: PyTorch, ONNX Runtime and OpenVINO.

Run it after `make repro`, from the repository's top folder:
python benchmarks/runtimes.py [networks ...] [--pictures 32] [--rounds 5] [--threads 0] [--cut] [--packages FOLDER]
Networks are resnet and vit, as params.yaml has them, and resnet50 with random weights, as fast as any others. Runtimes
make the forward pass alone, from ready pixels to the last layer and the patch layers. `iad` makes all that `extract_*`
makes, from decoded pictures; its last row, from files, stands beside the fastest runtime and decoding. --cut asks for
what patch methods need alone: the network ends behind the deepest patch layer. Rounds alternate and the fastest of each
counts; where other work shares the machine, processor time says more than the clock. A runtime that is not installed is
left out; `pip install --no-deps --target FOLDER onnxruntime openvino openvino-telemetry onnxscript onnx-ir flatbuffers`
installs them apart. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import ZipFile

import numpy as np
import timm
import torch
from measuring import Run, choose, command, machine

from iad import paths
from iad.compute import Runtime, start
from iad.config import load_params
from iad.data.decode import decode
from iad.features import Backbone
from iad.features.backbone import build_backbone, drop_unused
from iad.features.embedder import Embedder
from iad.features.embeddings import PARTS, TYPES, Part, run_network

NETWORKS = ("resnet", "vit", "resnet50")
DECODING, FROM_FILES = "decoding alone", "iad, from files"

Pass: TypeAlias = Callable[[], Sequence[np.ndarray]]
"""One pass over the batch: the last layer, where it is wanted, and the patch layers."""


class Bare(torch.nn.Module):
    """The network that `iad` runs, pixels float32 `(B, 3, S, S)` to its layers, and nothing else."""

    def __init__(self, options: Backbone, weights: Any, size: int, *, cut: bool) -> None:
        super().__init__()
        self.network = build_backbone(options, size, weights=weights).module
        self.layers, self.last = options.patches.layers, not cut
        self.eval()
        if cut:
            drop_unused(self.network, options.model, self.layers)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The last layer, where it is wanted, and the patch layers."""
        last, layers = run_network(self.network, pixels, self.layers, last=self.last)
        return tuple(layers) if last is None else (last, *layers)


def eager(bare: Bare, pixels: torch.Tensor, _: int) -> Pass:
    """PyTorch as it is, channels last, as `iad` has it."""
    bare, pixels = _channels_last(bare, pixels)
    return lambda: _arrays(bare(pixels))


def compiled(bare: Bare, pixels: torch.Tensor, _: int) -> Pass:
    """torch.compile with frozen weights, so that norms are folded and weights packed beforehand."""
    import torch._inductor.config

    torch._inductor.config.freezing = True
    bare, pixels = _channels_last(bare, pixels)
    made = torch.compile(bare)
    return lambda: _arrays(made(pixels))


def onnx_runtime(bare: Bare, pixels: torch.Tensor, threads: int) -> Pass:
    """ONNX Runtime with all its optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(_exported(bare, pixels), options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: pixels.numpy()}
    return lambda: list(session.run(None, given))


def openvino(bare: Bare, pixels: torch.Tensor, threads: int) -> Pass:
    """OpenVINO in float32."""
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    core = openvino.Core()
    made = core.compile_model(core.read_model(_exported(bare, pixels)), "CPU", settings)
    request, given = made.create_infer_request(), pixels.numpy()

    def one_pass() -> list[np.ndarray]:
        request.infer({0: given}, share_inputs=True)
        return [request.get_output_tensor(place).data for place in range(len(made.outputs))]

    return one_pass


RUNTIMES: dict[str, Callable[[Bare, torch.Tensor, int], Pass]] = {
    "torch eager": eager, "torch.compile": compiled, "ONNX Runtime": onnx_runtime, "OpenVINO": openvino,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Work:
    """One row of a table: what is timed, and how far its numbers are from PyTorch's, as a share of their largest."""

    name: str
    run: Callable[[], object]
    difference: float | None = None


def bare_runtimes(network: Callable[[], Bare], pixels: torch.Tensor, threads: int) -> list[Work]:
    """Every runtime that is installed, set up and run once."""
    with torch.inference_mode():
        wanted = _arrays(network()(pixels))
    made = []
    for name, make in RUNTIMES.items():
        try:
            run = make(network(), pixels, threads)
            found = run()
        except ImportError as missing:
            print(f"{name}: not installed ({missing.name}), left out", flush=True)
            continue
        made.append(Work(name, run, max(_distance(ours, theirs) for ours, theirs in zip(found, wanted, strict=True))))
    return made


def of_iad(embedder: Embedder, images: np.ndarray, files: Mapping[str, bytes]) -> list[Work]:
    """What `iad` makes of the pictures, decoded or not."""
    size = images.shape[1]

    def embed(pictures: np.ndarray) -> None:
        shapes = embedder.shapes
        embedder.embed_into(pictures, {p: np.empty((len(pictures), *shapes[p]), TYPES[p]) for p in embedder.parts})

    def decoded() -> np.ndarray:
        return np.stack([decode(data, name, size, max_megapixels=100) for name, data in files.items()])

    return [
        Work(DECODING, decoded), Work("iad", lambda: embed(images)), Work(FROM_FILES, lambda: embed(decoded())),
    ]  # fmt: skip


def measure(works: Sequence[Work], rounds: int) -> dict[str, tuple[float, float]]:
    """Seconds by the clock and of the processor of each, the fastest of alternating rounds; the first warms up."""
    taken: dict[str, list[tuple[float, float]]] = {work.name: [] for work in works}
    for number in range(rounds + 1):
        for work in works:
            clock, processor = time.perf_counter(), time.process_time()
            with torch.inference_mode():
                work.run()
            if number:
                taken[work.name].append((time.perf_counter() - clock, time.process_time() - processor))
    return {name: (min(wall for wall, _ in found), min(used for _, used in found)) for name, found in taken.items()}


def compare(
    name: str, asked: argparse.Namespace, images: np.ndarray, files: Mapping[str, bytes], runtime: Runtime
) -> Any:
    """Measure one network and print its rows."""
    params, size = load_params(), images.shape[1]
    options = params.options("resnet" if name == "resnet50" else name)
    weights = None
    if name == "resnet50":
        options = options.model_copy(update={"model": name})
        weights = timm.create_model(name, num_classes=0).state_dict()
    pixels = torch.rand(len(images), 3, size, size)
    works = bare_runtimes(lambda: Bare(options, weights, size, cut=asked.cut), pixels, runtime.threads)
    parts: tuple[Part, ...] = ("patches",) if asked.cut else PARTS
    backbone = build_backbone(options, size, weights=weights)
    embedder = Embedder(options, size, backbone=backbone, parts=parts, batch_size=len(images), runtime=runtime)
    works += of_iad(embedder, images, files)
    found = measure(works, asked.rounds)
    fastest = np.min([found[work.name] for work in works if work.name in RUNTIMES], axis=0)
    for work in works:
        taken = np.array(found[work.name])
        share = (fastest + found[DECODING] * np.array(work.name == FROM_FILES)) / taken
        shares = " | ".join("" if work.name == DECODING else f"{one:.0%}" for one in share)
        apart = "" if work.difference is None else f"{work.difference:.0e}"
        wall, processor = taken / len(images)
        print(
            f"| {options.model} | {work.name} | {1 / wall:.1f} | {processor * 1e3:.1f} | {shares} | {apart} |",
            flush=True,
        )
    return {work: {"clock": wall, "processor": used} for work, (wall, used) in found.items()}


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    choose(parser, "networks", NETWORKS, f"of {', '.join(NETWORKS)} (default: all)")
    parser.add_argument("--pictures", type=int, default=32, help="per pass (default: 32, the batch of params.yaml)")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores (default)")
    parser.add_argument("--cut", action="store_true", help="patch layers alone")
    parser.add_argument("--packages", type=Path, help="folder of further packages")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    asked = options().parse_args(arguments)
    if asked.packages:
        sys.path.append(str(asked.packages))
    runtime = start(device="cpu", precision="fp32", threads=asked.threads)
    run = Run()
    images = np.array(run.array(paths.IMAGES)[: asked.pictures])
    with ZipFile(run.within(paths.ORIGINALS)) as archive:
        files = {name: archive.read(name) for name in run.manifest["image_id"][: asked.pictures]}
    print(f"{machine('torch', 'timm', cores=runtime.threads)}\n")
    print("| network | runtime | pictures/s | processor, ms | share of the fastest | by processor | difference |")
    print("|:--|:--|--:|--:|--:|--:|--:|")
    print(json.dumps({name: compare(name, asked, images, files, runtime) for name in asked.networks or NETWORKS}))


def _channels_last(bare: Bare, pixels: torch.Tensor) -> tuple[Bare, torch.Tensor]:
    return bare.to(memory_format=torch.channels_last), pixels.contiguous(memory_format=torch.channels_last)


def _exported(bare: Bare, pixels: torch.Tensor) -> bytes:
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        torch.onnx.export(bare, (pixels,), f"{folder}/network.onnx", dynamo=True, external_data=False, verbose=False)
        return Path(folder, "network.onnx").read_bytes()


def _arrays(layers: Sequence[torch.Tensor]) -> list[np.ndarray]:
    return [layer.numpy() for layer in layers]


def _distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


if __name__ == "__main__":
    main()
