"""Where the work on many pictures is done: in this process, or on the nodes of a Ray cluster that is there already.

Only what is done block by block is handed out: decoding, embedding, and asking a fitted detector. A stage reads, fits
and writes where it was started; nodes are given pictures or arrays, give arrays back, and need no file of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeAlias

import numpy as np

from iad.errors import IadError

Block: TypeAlias = dict[str, np.ndarray]
"""Columns of K pictures by name: numbers `(K, ...)`, or texts or bytes, as objects `(K,)`. A row per picture."""

Work: TypeAlias = Callable[[Block], Block]
"""What a node does with a block; the result has a row for each of the block's rows."""

NOT_HERE = "compute.engine = ray: Ray is not installed here; run pip install 'iad[ray]', or use local"


class Source(Protocol):
    """Rows that blocks are made of. It is pickled, and reads where it arrives."""

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    @property
    def remote(self) -> bool:
        """Whether any node can read it; else only the machine where the stage was started."""
        ...

    def read(self, rows: np.ndarray) -> Block:
        """The columns of these rows, int64 `(K,)`, ascending."""
        ...


class Engine(Protocol):
    """Nodes that work."""

    @property
    def threads(self) -> int:
        """CPU threads of each worker."""
        ...

    def map(
        self, make: Callable[[], Work], source: Source, *, title: str, each: int, batch: int = 1, threads: int = 1,
        cards: int = 0,
    ) -> Iterator[tuple[np.ndarray, Block]]:  # fmt: skip
        """Hand out all rows of a source, block by block.

        Args:
            make: makes the work; it is sent once, with what it holds, and called once by each worker.
            source: of the rows.
            title: of the bar.
            each: bytes of a picture, taken and given, about; a block is kept small by it.
            batch: a block holds a multiple of so many rows, but for the last one.
            threads: CPU threads that the work uses.
            cards: cards that the work uses, 0 or 1.

        Yields:
            The rows of a block, int64 `(K,)`, and what the work made of it, in the order of the source.

        Raises:
            IadError: as the work did, for the first block that it refused; or if workers are lost again and again.
        """
        ...


@contextmanager
def connected(engine: str, *, threads: int = 0) -> Iterator[Engine | None]:
    """Open the engine of a stage.

    Args:
        engine: `compute.engine`: "local" or "ray".
        threads: `compute.threads`: of each worker; 0: as many as every node has.

    Yields:
        The cluster; None where the work is done in this process.

    Raises:
        IadError: if Ray is not installed, if there is no cluster to connect to, or if a node is not equipped as this
            machine is.

    >>> with connected("local") as engine:
    ...     engine is None
    True
    """
    if engine == "local":
        yield None
        return
    try:
        from iad.engine.cluster import cluster
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "ray":
            raise
        raise IadError(NOT_HERE) from None
    with cluster(threads) as found:
        yield found
