"""Bars with a rate and an ETA on a terminal, nothing elsewhere; and the one line a stage says about its work."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from iad.words import printable

T = TypeVar("T")
SHOW_AFTER_SECONDS = 0.5


class Bar(Protocol):
    """What a running bar offers: `update(n)` after n more units."""

    def update(self, n: float = 1) -> bool | None:
        """Advance the bar by `n` units."""
        ...


def track(items: Iterable[T], title: str, *, total: int | None = None, unit: str = " pictures") -> Iterator[T]:
    """Yield `items` unchanged while a bar named `title` shows how many are done, the rate and the ETA.

    >>> list(track("abc", "reading letters", unit=" letters"))
    ['a', 'b', 'c']
    """
    from tqdm import tqdm

    yield from tqdm(items, **_options(title, total, unit))


@contextmanager
def bar(title: str, total: int | None, *, unit: str = " pictures", scale: bool = False) -> Iterator[Bar]:
    """Open a bar for work that advances in unequal steps; `scale` prints bytes as kB, MB, GB."""
    from tqdm import tqdm

    with tqdm(**_options(title, total, unit), unit_scale=scale, unit_divisor=1000) as shown:
        yield shown


def say(line: str) -> None:
    """Print one line for the person who waits, at once even when the output is a pipe.

    >>> say("download: 3 pictures")
    download: 3 pictures
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)  # a console may lack letters of a name


def tell(line: str) -> None:
    """Print one line for the person who waits beside what a command prints for others: on standard error."""
    print(printable(line), file=sys.stderr, flush=True)


def _options(title: str, total: int | None, unit: str) -> dict[str, object]:
    # disable=None: tqdm is silent when standard error is not a terminal
    return {
        "desc": title, "total": total, "unit": unit, "disable": None, "delay": SHOW_AFTER_SECONDS,
        "leave": False, "file": sys.stderr, "dynamic_ncols": True,
    }  # fmt: skip
