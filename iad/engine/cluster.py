"""A running Ray cluster: connected to, checked node by node, and given blocks of pictures through Ray Data.

The stage's machine must be a node of it. Pictures that lie on its disk are read there, by one process, and travel
through Ray's object store; what workers share, weights or a fitted detector, is put there once. A worker that is lost
with its node is started again elsewhere, and its blocks are done again.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data
from ray.data.exceptions import ExecutionTimeoutError
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from iad.engine import Block, Source, Work
from iad.engine.nodes import Node, other_processors, require_same, teller
from iad.errors import IadError
from iad.progress import bar, say
from iad.words import counted

BLOCK_BYTES = 32 << 20  # of a block, taken and given: enough to make a task cost nothing, little beside a store
BLOCKS_PER_WORKER = 4  # at least, where there are pictures enough, so that all end at about the same time
STALLED_SECONDS = (
    1800.0  # without a block: Ray starts a lost worker anew without end, and has to be told when to give up
)
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 120.0  # for a process to start on a node and look at what is installed
ROW, REFUSAL, START, STOP = "row", "refusal", "start", "stop"
NO_CLUSTER = (
    "compute.engine = ray: no Ray cluster to connect to; start one with `ray start --head` on this machine, set "
    "RAY_ADDRESS to one that this machine is a node of, or use local"
)


@contextmanager
def cluster(threads: int) -> Iterator[Cluster]:
    """Connect to the cluster that `RAY_ADDRESS` names, or that runs on this machine; none is ever started.

    Args:
        threads: of each worker; 0: as many as every node has.

    Raises:
        IadError: if there is none, or a node that differs from this machine or has too few cores.
    """
    ours = not ray.is_initialized()
    try:
        if ours:
            _connect(_address())
        yield Cluster(_checked(_nodes()), threads)
    finally:
        if ours:
            ray.shutdown()


class Cluster:
    """Nodes that are equipped as this machine is; see `iad.engine.Engine`."""

    def __init__(self, nodes: tuple[Node, ...], threads: int) -> None:
        self.nodes = tuple(node for node in nodes if node.cpus)
        self.threads = threads or min((node.cpus for node in self.nodes), default=0)
        if not self.workers(self.threads, 0):
            most = max(nodes, key=lambda node: node.cpus)
            raise IadError(
                f"compute.threads = {threads}: no node of the Ray cluster offers so many cores ({most.name}: "
                f"{most.cpus}); use fewer"
            )

    def workers(self, threads: int, cards: int) -> int:
        """How many workers find room at once, each with so many threads and cards."""
        return sum(node.cards // cards if cards else node.cpus // max(threads, 1) for node in self.nodes)

    def map(
        self, make: Callable[[], Work], source: Source, *, title: str, each: int, batch: int = 1, threads: int = 1,
        cards: int = 0,
    ) -> Iterator[tuple[np.ndarray, Block]]:  # fmt: skip
        """See `iad.engine.Engine.map`."""
        workers = self.workers(threads, cards)
        if not workers:
            raise IadError("compute.device = cuda: no node of the Ray cluster offers a card; use cpu, or add one")
        rows = rows_of_block(len(source), each, batch, workers)
        with ray.data.DataContext.current(_context()):  # kept by what is made here
            data = _blocks(source, rows)
            given = ray.put(source)
            if not source.remote:
                data = _read_here(data, given)
            data = data.map_batches(
                _Worker, fn_constructor_args=(ray.put(make), given if source.remote else None),
                batch_size=1 if source.remote else rows, num_cpus=1 if cards else threads, num_gpus=cards or None,
                compute=_pool(workers),
            )  # fmt: skip
        with _in_one_line(title), bar(title, len(source)) as shown:
            for found in data.iter_batches(batch_size=None, batch_format="numpy"):
                if REFUSAL in found:
                    raise IadError(str(found[REFUSAL][0]))
                done = found.pop(ROW)
                yield done, found
                shown.update(len(done))


def rows_of_block(rows: int, each: int, batch: int, workers: int) -> int:
    """Rows of a block: a multiple of `batch` that keeps its bytes and the number of blocks where they should be.

    >>> rows_of_block(10_000_000, each=150_000, batch=32, workers=8), rows_of_block(100, 150_000, 8, workers=2)
    (192, 8)
    """
    most = min(BLOCK_BYTES // each, rows // (workers * BLOCKS_PER_WORKER))
    return max(most // batch, 1) * batch


class _Reader:
    """Reads blocks from the disk of the machine where the stage was started."""

    def __init__(self, source: Any) -> None:
        self.source: Source = ray.get(source)

    def __call__(self, block: Block) -> Block:
        rows = np.arange(block[START][0], block[STOP][0])
        return {ROW: rows, **self.source.read(rows)}


class _Worker:
    """Does the work on blocks that were read for it, or that it reads."""

    def __init__(self, make: Any, source: Any) -> None:
        self.read = _Reader(source) if source is not None else None
        self.work: Work = ray.get(make)()

    def __call__(self, block: Block) -> Block:
        block = self.read(block) if self.read else dict(block)
        rows = block.pop(ROW)
        try:
            return {ROW: rows, **self.work(block)}
        except IadError as refusal:  # as data, so that the first in the order of the blocks is told
            return {ROW: rows[:1], REFUSAL: np.array([str(refusal)], dtype=object)}


def _blocks(source: Source, rows: int) -> Any:
    """Where each block begins and ends: a row of Ray's data, and a block of it too."""
    count = len(source)
    items = [{START: start, STOP: min(start + rows, count)} for start in range(0, count, rows)]
    return ray.data.from_items(items, override_num_blocks=len(items))


def _read_here(data: Any, source: Any) -> Any:
    here = ray.get_runtime_context().get_node_id()
    return data.map_batches(
        _Reader, fn_constructor_args=(source,), batch_size=1, num_cpus=0, label_selector={"ray.io/node-id": here},
        compute=_pool(1),
    )  # fmt: skip


def _pool(workers: int) -> Any:
    # it may shrink to one, so that a worker whose node is lost finds the room of an idle one
    return ray.data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers)


def _context() -> Any:
    context = ray.data.DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    context.target_max_block_size = None  # blocks are as large as they were made
    context.execution_no_progress_timeout_s = STALLED_SECONDS
    context.enable_progress_bars = context.print_on_execution_start = False
    return context


@contextmanager
def _in_one_line(title: str) -> Iterator[None]:
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it tells in pages what is told here
    try:
        yield
    except RayTaskError:
        raise  # a fault of this package, with all that is known of it
    except (RayError, ExecutionTimeoutError) as error:
        why = str(error).strip().splitlines()[0].rstrip(".")
        raise IadError(
            f"{title}: the Ray cluster gave up ({why}); look at `ray status` and its logs, and run again"
        ) from None


def _address() -> str:
    """That of `RAY_ADDRESS`; else the one that `ray start` noted on this machine."""
    noted = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")  # noqa: S108  # Ray's own place
    address = os.environ.get("RAY_ADDRESS", "")
    if address in ("", "auto"):
        address = noted.read_text(encoding="utf-8").strip() if noted.is_file() else ""
    if not address:
        raise IadError(NO_CLUSTER)
    return address


def _connect(address: str) -> None:
    if "://" in address:
        raise IadError(f"RAY_ADDRESS = {address}: a client of a cluster is not enough; run this on one of its nodes")
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()  # Ray itself tries for minutes
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:  # nobody there, other versions of Ray or Python, no address
        why = " ".join(str(error).split())
        raise IadError(
            f"compute.engine = ray: cannot connect to the cluster at {address} ({why}); start it, correct RAY_ADDRESS, "
            "or use local"
        ) from None


def _nodes() -> tuple[Node, ...]:
    alive = [node for node in ray.nodes() if node["Alive"]]
    names = [_name(node) for node in alive]
    return tuple(
        Node(
            node["NodeID"], name if names.count(name) == 1 else f"{name}, {node['NodeID'][:8]}",
            int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)),
        )
        for node, name in zip(alive, names, strict=True)
    )  # fmt: skip


def _name(node: dict[str, Any]) -> str:
    address, name = node["NodeManagerAddress"], node["NodeName"]  # the same where nobody named it
    return f"{node['NodeManagerHostname'] if name == address else name} ({address})"


def _checked(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """The nodes, after each has told what is installed there."""
    tell = teller()
    ask = ray.remote(num_cpus=0)(tell)
    asked = [
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.key, soft=False)).remote() for node in nodes
    ]
    there = {}
    for node, answer in zip(nodes, asked, strict=True):
        try:
            there[node.key] = ray.get(answer, timeout=ANSWER_SECONDS)
        except (GetTimeoutError, RayError) as error:
            why = str(error).strip().splitlines()[0]
            raise IadError(f"compute.engine = ray: node {node.name} does not answer ({why}); restart it") from None
    told, here = {node.name: there[node.key] for node in nodes}, tell()
    require_same(here, told)
    if line := other_processors(here, told):
        say(f"warning: {line}")
    cpus, cards = sum(node.cpus for node in nodes), sum(node.cards for node in nodes)
    say(f"ray: {counted(len(nodes), 'node')} with {counted(cpus, 'core')} and {counted(cards, 'card')}")
    return nodes
