"""Jobs in threads of one process, and the pools that a module starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from tests.process_state import process_state, unusual_settings


def run_together(jobs: Sequence[Callable[[], Any]], *, rounds: int) -> Mapping[int, list[Any]]:
    """What each job returned in each round, all jobs at once; the host has unusual settings, which must stay.

    A job that failed is missing in the result.
    """
    found: dict[int, list[Any]] = {}
    together = threading.Barrier(len(jobs))

    def repeat(number: int) -> None:
        together.wait(60)
        found[number] = [jobs[number]() for _ in range(rounds)]

    threads = [threading.Thread(target=repeat, args=(number,)) for number in range(len(jobs))]
    with unusual_settings():
        before = process_state()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert process_state() == before
    return found


def started_workers(patch: pytest.MonkeyPatch, module: ModuleType, *, cores: int) -> list[int]:
    """A list that grows by the number of threads of each pool that `module` starts, where `cores` may be used."""
    workers = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, count: int) -> None:
            workers.append(count)
            super().__init__(count)

    patch.setattr(module, "ThreadPoolExecutor", Pool)
    patch.setattr(module, "usable_cores", lambda: cores)
    patch.setattr("os.cpu_count", lambda: 64)
    return workers


def until(true: Callable[[], Any], seconds: float = 180) -> None:
    """Wait for what other threads or programs do; it is an error if it has not come about by then."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    assert true()
