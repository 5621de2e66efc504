"""Reading ahead: what has to be waited for is asked for before it is needed, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST_ITEMS = 64
MOST_BYTES = 64_000_000  # but for one item
UNKNOWN_BYTES = 1_000_000  # what an item counts whose size nobody knows


def read_ahead(
    work: Callable[[T], R], items: Iterable[T], size_of: Callable[[T], int | None], pool: Executor
) -> Iterator[R]:
    """Some work on each item, in threads of `pool`; the results in the order of the items.

    Args:
        work: What is done, with bytes that it reads.
        items: On what.
        size_of: How many bytes that will be; what waits to be taken is at most `MOST_BYTES`, but for one item.
        pool: Where it is done.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(read_ahead(str.upper, ["a", "b", "c"], len, pool))
    ['A', 'B', 'C']
    """
    waiting: deque[tuple[Future[R], int]] = deque()
    held = 0
    try:
        for item in items:
            size = size_of(item)
            size = UNKNOWN_BYTES if size is None else size
            while waiting and (len(waiting) >= MOST_ITEMS or held + size > MOST_BYTES):
                future, freed = waiting.popleft()
                held -= freed
                yield future.result()
            waiting.append((pool.submit(work, item), size))
            held += size
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        for future, _ in waiting:  # after an error the rest is not begun
            future.cancel()
