"""A queue in which several wait in turns: who comes with one picture does not wait for all of somebody's sixty."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """Things that wait in groups; they are taken one of each group in turn, in the order of each group.

    >>> turns = Turns[str]()
    >>> turns.put("aaa"), turns.put("b"), turns.put("cc")
    (None, None, None)
    >>> turns.take(4), turns.take(4)
    (['a', 'b', 'c', 'a'], ['c', 'a'])
    >>> turns.close(), turns.take(4)
    (None, [])
    """

    def __init__(self) -> None:
        self._groups, self._news, self._closed = deque[deque[T]](), Condition(), False

    def put(self, group: Iterable[T]) -> None:
        """Have a group wait."""
        with self._news:
            self._groups.append(deque(group))
            self._news.notify()

    def take(self, most: int) -> list[T]:
        """What is waiting, so many at most; waits until there is something. Empty once nothing will come any more."""
        with self._news:
            self._news.wait_for(lambda: self._groups or self._closed)
            taken: list[T] = []
            while self._groups and len(taken) < most:
                group = self._groups.popleft()
                taken.append(group.popleft())
                if group:
                    self._groups.append(group)
            return taken

    def close(self) -> None:
        """Nothing will come any more; what waits is taken first."""
        with self._news:
            self._closed = True
            self._news.notify()
