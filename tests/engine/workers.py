"""Work for the nodes of a test cluster. They import this module by its name."""

from __future__ import annotations

import time

import numpy as np

from iad.errors import IadError

NODE = "node"


class Slowly:
    """Other work, so slow that it is not done before the test goes on; it says where it was done."""

    def __init__(self, make, seconds):
        self.work, self.seconds = make(), seconds

    def __call__(self, block):
        import ray

        time.sleep(self.seconds)
        here = ray.get_runtime_context().get_node_id()
        found = self.work(block)
        return found | {NODE: np.array([here] * len(next(iter(found.values()))), dtype=object)}


class Numbers:
    """A source that every node can read."""

    remote = True

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def read(self, rows):
        return {"number": rows * 2}


class RefuseFrom:
    """Refuses blocks from a number on, the first of them last."""

    def __init__(self, number):
        self.number = number

    def __call__(self, block):
        first = int(block["number"][0])
        if first == self.number:
            time.sleep(1)
        if first >= self.number:
            raise IadError(f"number {first}: too large; take a smaller one")
        return block
