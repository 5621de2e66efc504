"""An engine without a cluster: what would travel is pickled, and done here block by block."""

from __future__ import annotations

import pickle
from contextlib import contextmanager

import numpy as np

ROWS = 3  # of a block


class Here:
    """Does the work of `iad.engine.Engine.map` in this process, and counts the blocks."""

    threads = 1

    def __init__(self):
        self.blocks = 0

    def map(self, make, source, *, title, each, batch=1, threads=1, cards=0):  # noqa: ARG002  # of the protocol
        assert each > 0
        make, source = pickle.loads(pickle.dumps((make, source)))  # noqa: S301  # our own
        work = make()
        for start in range(0, len(source), ROWS):
            rows = np.arange(start, min(start + ROWS, len(source)))
            found = work(source.read(rows))
            assert {len(column) for column in found.values()} == {len(rows)}
            self.blocks += 1
            yield rows, found


def spread_here(monkeypatch):
    """Let stages that ask for an engine have this one, whatever `compute.engine` says."""
    found = Here()

    @contextmanager
    def connected(name, *, threads=0):
        yield found

    for place in ("iad.engine", "iad.pipeline.embedding", "iad.pipeline.scoring"):
        monkeypatch.setattr(f"{place}.connected", connected)
    return found
