"""Exported graphs beside PyTorch: size, latency, flipped verdicts, and the AUROC that 8-bit integers lose.

python benchmarks/export.py [methods ...] [--data FOLDER ...] [--pictures 120] [--rounds 5] [--threads 2] [--no-int8]
Without --data the bundles are those of the run in the current folder, which `iad bundle` wrote, and the pictures its
test pictures; a folder has the layout of MVTec AD, and each method is fitted to it first (--image-size). Up to so many
test pictures of each class, evenly spaced, are inspected. Latency is of one picture at a time, from its file to score
and map; rounds go through PyTorch and all graphs in turn on the same pictures, the first warms up, the median counts.
Where other work shares the machine, processor time says more than the clock. 8-bit ranges come from training pictures.
The loss of AUROC is that of PyTorch minus that of the graph, on the same pictures, with its 95 % interval (DeLong).
Where the AUROC of both is 1 the interval says nothing. The last line is JSON.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Run, choose, command, machine, unpack

import iad
from iad import paths
from iad.bundles.bundle import read_bundle
from iad.bundles.outputs import SUFFIX
from iad.bundles.predictor import Predictor
from iad.compute import start
from iad.data.pictures import find
from iad.export.graph import build_graph
from iad.export.int8 import quantize
from iad.export.runner import Graph
from iad.export.writing import card_of, graph_files
from iad.metrics.image import auroc
from iad.statistics.comparison import delong

METHODS = ("ae", "resnet", "vit", "patch_resnet", "patch_vit", "hybrid")
TORCH, RANGES = "torch", 64  # pictures for 8-bit ranges
HEADER = (
    "| data | method | runtime | MB | clock, ms | processor, ms | of torch | score apart | flipped | AUROC | "
    "loss [95 %] |\n"
    "|:--|:--|:--|--:|--:|--:|--:|--:|--:|--:|--:|"
)  # fmt: skip


@dataclass(frozen=True)
class Data:
    """Pictures as files: good ones for ranges, and test pictures with their labels, 1 where defective."""

    name: str
    good: list[Path]
    test: list[Path]
    labels: np.ndarray


def data_of(folder: Path, most: int) -> Data:
    """A folder in the layout of MVTec AD."""
    kinds = {one.name: [found.path for found in find(one)] for one in sorted((folder / "test").iterdir())}
    good = kinds.pop("good")
    bad = [path for some in kinds.values() for path in some]
    return _chosen(folder.name, [one.path for one in find(folder / "train" / "good")], good, bad, most)


def data_of_run(run: Run, folder: Path, most: int) -> Data:
    """The pictures of a run, unpacked into a folder."""
    ids = np.asarray(run.manifest["image_id"])
    unpack(run.within(paths.ORIGINALS), ids, folder)
    files = [folder / name for name in ids]
    test = [files[row] for row in run.test]
    parts = ([file for file, label in zip(test, run.labels, strict=True) if label == kind] for kind in (0, 1))
    return _chosen("run", [files[row] for row in run.train], *parts, most)


def graphs_of(file: Path, data: Data, folder: Path, threads: int, *, int8: bool) -> Iterator[tuple[str, Graph, float]]:
    """Each graph of a bundle, its name and its megabytes."""
    bundle, digest = read_bundle(file)
    models = {"fp32": build_graph(bundle)}
    if int8 and bundle.embedders:
        models["int8"] = quantize(build_graph(bundle), _pictures(data.good, bundle.preprocess.limits))
    for precision, model in models.items():
        for kind in ("onnx", "openvino"):
            card = card_of(bundle, digest, file, kind, precision)
            name = f"{file.stem}-{precision}.{'onnx' if kind == 'onnx' else 'xml'}"
            files = graph_files(model, card, name, kind)
            for one, content in files.items():
                (folder / one).write_bytes(content)
            size = sum(len(content) for content in files.values()) / 1e6
            yield f"{kind} {precision}", Graph(folder / name, threads=threads), size


def works(predictor: Predictor, graphs: Mapping[str, Graph]) -> dict[str, Callable[[Path], tuple[float, bool]]]:
    """What inspects a file: its score and its verdict, by runtime."""

    def torch(file: Path) -> tuple[float, bool]:
        verdict = next(predictor.predict(file, batch_size=1))
        return verdict.pred_score, bool(verdict.rejected)

    def of(graph: Graph) -> Callable[[Path], tuple[float, bool]]:
        def inspect(file: Path) -> tuple[float, bool]:
            found = graph.inspect(graph.decode(file.read_bytes(), file.name))
            return found.score, found.rejected

        return inspect

    return {TORCH: torch} | {name: of(graph) for name, graph in graphs.items()}


def measure(
    made: Mapping[str, Callable[[Path], Any]], files: Sequence[Path], rounds: int
) -> dict[str, tuple[float, float]]:
    """Median milliseconds of a picture by the clock and of the processor, rounds in turn; the first warms up."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
    for number in range(rounds + 1):
        for name, work in made.items():
            file = files[number % len(files)]
            clock, processor = time.perf_counter(), time.process_time()
            work(file)
            if number:
                taken[name].append((time.perf_counter() - clock, time.process_time() - processor))
    medians = {
        name: [1e3 * statistics.median(one) for one in zip(*found, strict=True)] for name, found in taken.items()
    }
    return {name: (clock, processor) for name, (clock, processor) in medians.items()}


def compare(file: Path, data: Data, asked: Any) -> dict[str, Any]:
    """Export one bundle, measure and print its rows."""
    predictor = iad.load(file, device="cpu")
    predictor.warn = lambda _: None
    with tempfile.TemporaryDirectory() as folder:
        made = {
            name: (graph, size)
            for name, graph, size in graphs_of(file, data, Path(folder), asked.threads, int8=not asked.no_int8)
        }
        each = works(predictor, {name: graph for name, (graph, _) in made.items()})
        taken = measure(each, data.test, asked.rounds)
        found = {name: [work(one) for one in data.test] for name, work in each.items()}
    sizes = {TORCH: file.stat().st_size / 1e6} | {name: size for name, (_, size) in made.items()}
    return {name: _row(data, predictor, name, sizes[name], taken, found) for name in each}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = command(__doc__, __file__)
    choose(parser, "methods", METHODS, f"of {', '.join(METHODS)} (default: all)")
    parser.add_argument("--data", type=Path, nargs="*", help="folders in the layout of MVTec AD")
    parser.add_argument("--image-size", type=int, default=224, help="of pictures below --data (default: 224)")
    parser.add_argument("--pictures", type=int, default=120, help="test pictures of each class (default: 120)")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--threads", type=int, default=2, help="default: 2")
    parser.add_argument("--no-int8", action="store_true", help="fp32 alone")
    asked = parser.parse_args(arguments)
    start(device="cpu", precision="fp32", threads=asked.threads)
    print(f"{machine('torch', 'onnxruntime', 'openvino', cores=asked.threads)}\n\n{HEADER}", flush=True)
    print(json.dumps(_of_folders(asked) if asked.data else _of_run(asked)))


def _of_run(asked: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        data = data_of_run(Run(), Path(folder), asked.pictures)
        bundles = {method: paths.BUNDLES / f"{method}{SUFFIX}" for method in asked.methods or METHODS}
        return {method: compare(file, data, asked) for method, file in bundles.items()}


def _of_folders(asked: Any) -> dict[str, Any]:
    results = {}
    for place in asked.data:
        data = data_of(place, asked.pictures)
        for method in asked.methods or METHODS:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, f"{method}{SUFFIX}")
                iad.fit(data.good, method, image_size=asked.image_size, device="cpu").save(file, with_weights=True)
                results[f"{data.name}/{method}"] = compare(file, data, asked)
    return results


def _row(
    data: Data, predictor: Predictor, name: str, size: float, taken: Mapping[str, tuple[float, float]],
    found: Mapping[str, list[tuple[float, bool]]],
) -> dict[str, Any]:  # fmt: skip
    scores, verdicts = (np.array(one) for one in zip(*found[name], strict=True))
    wanted, said = (np.array(one) for one in zip(*found[TORCH], strict=True))
    apart, flipped = float(np.abs(scores - wanted).max() / abs(predictor.threshold)), int((verdicts != said).sum())
    loss = delong(data.labels, wanted, scores)
    lost = f"{loss.value:+.4f} [{loss.low:+.4f}, {loss.high:+.4f}]" if loss else "too few pictures"
    area = auroc(data.labels, scores) or 0.0
    clock, processor = taken[name]
    share = processor / taken[TORCH][1]
    print(
        f"| {data.name} | {predictor.method} | {name} | {size:.1f} | {clock:.0f} | {processor:.0f} | {share:.2f} | "
        f"{apart:.1e} | {flipped} of {len(said)} | {area:.4f} | {lost} |",
        flush=True,
    )
    return {
        "megabytes": size, "clock_ms": clock, "processor_ms": processor, "apart": apart, "flipped": flipped,
        "auroc": area, "loss": [loss.value, loss.low, loss.high] if loss else None,
    }  # fmt: skip


def _chosen(name: str, train: list[Path], good: Sequence[Path], bad: Sequence[Path], most: int) -> Data:
    parts = [[some[row] for row in _spread(len(some), most)] for some in (good, bad)]
    labels = np.repeat([0, 1], [len(part) for part in parts])
    return Data(name, train, [*parts[0], *parts[1]], labels)


def _spread(count: int, most: int) -> list[int]:
    return sorted({*np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()})


def _pictures(files: Sequence[Path], limits: Mapping[str, Any]) -> list[np.ndarray]:
    from iad.data.decode import decode_to_show

    rows = _spread(len(files), RANGES)
    return [decode_to_show(files[row].read_bytes(), files[row].name, 2**16, **limits) for row in rows]


if __name__ == "__main__":
    main()
