"""What decoding, embedding and scoring cost here and through Ray, and on paper what ten million pictures would.

Run it after `make repro`, from the repository's top folder: python benchmarks/cluster.py [pictures] [--million N]
It starts a cluster of two local nodes with a core each, and checks that the bytes are the same. "alone" is processor
time of one thread; the two columns behind it are the clock to the first and to the last block, the workers' start
included.
The second table multiplies: hours of one core, what passes the network card of the machine that runs the stage, and how
many cores fill that card at 10 Gbit/s. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import ROOT, Run, command, embedder, machine, started

from iad import paths
from iad.bundles.fitted import read_fitted
from iad.config import Params, load_params
from iad.data.arrays import build_arrays
from iad.data.manifest import rows_of
from iad.engine import Block, Engine, connected
from iad.features.embeddings import TYPES
from iad.io import open_array
from iad.pipeline.embedding_there import embed_there
from iad.pipeline.inputs import read_embeddings
from iad.pipeline.scoring_there import predict_there
from iad.words import as_text

LINK = 1.25e9  # bytes per second: 10 Gbit/s
METHODS = ("ae", "resnet", "vit", "patch_resnet", "patch_vit")
ASKED = 32  # pictures whose scores are timed
TRAIN = 0.7  # share of the pictures that train, on paper
STORE = 600 << 20


@dataclass
class Cost:
    """Of a stage, per picture: processor seconds, bytes sent, taken, written; seconds to the first and last block."""

    stage: str
    seconds: float
    sent: float
    taken: float
    written: float
    first: float
    last: float


class Clocked:
    """An engine that notes when blocks come."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.threads = engine, engine.threads

    def map(self, make: Any, source: Any, **options: Any) -> Iterator[tuple[np.ndarray, Block]]:
        """Pass everything on."""
        began, self.times = time.perf_counter(), list[float]()
        for rows, found in self.engine.map(make, source, **options):
            self.times.append(time.perf_counter() - began)
            yield rows, found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What work gives, and its processor seconds."""
    began = time.process_time()
    found = work()
    return found, time.process_time() - began


def decoding(run: Run, params: Params, engine: Clocked, pictures: int, folder: Path) -> Cost:
    """Of `preprocess`, without its checks of the data."""
    some, size = run.manifest.iloc[:pictures].reset_index(drop=True), params.preprocess.image_size
    archive = run.within(paths.ORIGINALS)

    def decode(name: str, **options: Any) -> Path:
        build_arrays(archive, some, folder / name, folder / f"masks_{name}", size=size, threads=1, **options)
        return folder / name

    alone, seconds = timed(lambda: decode("alone.npy"))
    spread = decode("spread.npy", engine=engine)
    same(open_array(alone), open_array(spread), "preprocess")
    sent, row = archive.stat().st_size / len(run.manifest), 3.0 * size**2
    return Cost("preprocess", seconds / pictures, sent, row, row, engine.times[0], engine.times[-1])


def embedding(run: Run, params: Params, engine: Clocked, pictures: int, section: str) -> Cost:
    """Of `extract_resnet` or `extract_vit`."""
    images, runtime = run.array(paths.IMAGES)[:pictures], started(params)
    network = embedder(
        params, section, images.shape[1], runtime=runtime, batch_size=params.compute.batch_size,
        parts=("pooled", "patches", "contributions"),
    )  # fmt: skip
    alone, spread = (
        {part: np.zeros((pictures, *network.shapes[part]), TYPES[part]) for part in network.parts} for _ in range(2)
    )
    _, seconds = timed(lambda: network.embed_into(images, alone))
    embed_there(engine, network, images, spread)
    for part, array in alone.items():
        same(array, spread[part], f"{section}, {part}")
    row = float(sum(array[0].nbytes for array in alone.values()))
    return Cost(f"extract_{section}", seconds / pictures, images[0].nbytes, row, row, engine.times[0], engine.times[-1])


def scoring(run: Run, params: Params, engine: Clocked, method: str) -> tuple[Cost, float]:
    """Of `score`, asking alone; and the bytes that the fitted method keeps for each training picture."""
    fitted = read_fitted(method, started(params))
    asked = read_embeddings(fitted.reads, run.manifest).take(rows_of(run.manifest, "test")[:ASKED])
    alone, seconds = timed(lambda: fitted.detector.predict(asked))
    spread = predict_there(engine, fitted, asked)
    same(alone.pred_score, spread.pred_score, method)
    if alone.anomaly_map is not None:
        same(alone.anomaly_map, spread.anomaly_map, f"{method}, maps")
    parts = {"pixels": ["pixels"], "pooled": ["pooled", "contributions"], "patches": ["patches"]}
    rows = [getattr(asked, part) for part in parts[fitted.detector.takes] if getattr(asked, part) is not None]
    sent = float(sum(np.asarray(part[:1]).nbytes for part in rows))
    taken = 8.0 + (0 if alone.anomaly_map is None else alone.anomaly_map[0].nbytes)
    kept = sum(array.nbytes for array in fitted.pack()[1].values()) / len(run.train)
    return Cost(f"score {method}", seconds / len(asked), sent, taken, taken, engine.times[0], engine.times[-1]), kept


def same(alone: np.ndarray, spread: np.ndarray, what: str) -> None:
    """End the script if a byte differs."""
    if np.asarray(alone).tobytes() != np.asarray(spread).tobytes():
        raise SystemExit(f"{what}: through Ray came other bytes")
    print(f"{what}: the same bytes", flush=True)


def measured(costs: Sequence[Cost]) -> str:
    """The table of what was measured."""
    header = ["stage", "alone, ms", "first block, s", "last block, s", "sent, kB", "taken, kB"]
    rows = [
        [cost.stage, f"{cost.seconds * 1e3:.1f}", f"{cost.first:.0f}", f"{cost.last:.0f}", f"{cost.sent / 1e3:.0f}",
         f"{cost.taken / 1e3:.1f}"] for cost in costs
    ]  # fmt: skip
    return as_text(header, rows)


def on_paper(costs: Sequence[Cost], kept: dict[str, float], pictures: float) -> str:
    """The table for many pictures: a score is of the share that does not train, its bank as large as here."""
    header = ["stage", "pictures", "core hours", "network, TB", "hours at 10 Gbit/s", "cores that fill it", "disk, TB"]
    rows = []
    for cost in costs:
        count = pictures * (1 - TRAIN if cost.stage.startswith("score") else 1)
        moved = cost.sent + cost.taken
        link = moved / LINK
        rows.append([
            cost.stage, f"{count / 1e6:.0f} million", f"{count * cost.seconds / 3600:,.0f}",
            f"{count * moved / 1e12:.2f}", f"{count * link / 3600:.1f}", f"{cost.seconds / link:.0f}",
            f"{count * cost.written / 1e12:.2f}",
        ])  # fmt: skip
    banks = [
        [f"score {method}", f"{pictures * TRAIN * each / 1e9:,.0f}"] for method, each in kept.items() if method != "ae"
    ]
    return as_text(header, rows) + "\n\n" + as_text(["whole bank of 7 in 10 pictures", "GB"], banks)


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("pictures", nargs="?", type=int, default=128, help="to decode and embed (default: 128)")
    parser.add_argument("--million", type=float, default=10, help="pictures on paper, in millions (default: 10)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure on a cluster of two nodes, and print both tables."""
    asked = options().parse_args(arguments)
    from ray.cluster_utils import Cluster

    params, run = load_params(), Run()
    params = params.model_copy(update={"compute": params.compute.model_copy(update={"threads": 1, "device": "cpu"})})
    print(machine("ray", "torch"))
    os.environ["PYTHONPATH"] = str(ROOT)
    node = {"num_cpus": 1, "object_store_memory": STORE}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    cluster.add_node(**node)
    os.environ["RAY_ADDRESS"] = cluster.address
    kept: dict[str, float] = {}
    try:
        with connected("ray", threads=1) as engine, tempfile.TemporaryDirectory() as folder:
            if engine is None:
                raise SystemExit("no cluster")
            clocked = Clocked(engine)
            costs = [decoding(run, params, clocked, asked.pictures, Path(folder))]
            costs.extend(embedding(run, params, clocked, asked.pictures, section) for section in ("resnet", "vit"))
            for method in METHODS:
                cost, kept[method] = scoring(run, params, clocked, method)
                costs.append(cost)
    finally:
        cluster.shutdown()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(measured(costs), f"\nEvery byte is the same. Peak of this process: {peak:,.0f} MiB.\n")
    print(on_paper(costs, kept, asked.million * 1e6))
    print(json.dumps({"costs": [asdict(cost) for cost in costs], "kept": kept}))


if __name__ == "__main__":
    main()
