"""What is installed on each node of a cluster, and the refusal of one that would compute something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from iad.errors import IadError
from iad.versions import LIBRARIES
from iad.words import and_more

Equipment: TypeAlias = Mapping[str, str]
"""Versions by package, empty where one is absent; `code`, a hash of the package's own files; `processor`."""

PACKAGES = ("iad", *LIBRARIES)
CODE, PROCESSOR = "code", "processor"


@dataclass(frozen=True)
class Node:
    """A node of a cluster, and what it offers.

    Attributes:
        key: Ray's own name for it.
        name: for people: the name it was given, or its host's, and its address.
        cpus: CPU cores.
        cards: GPUs.
    """

    key: str
    name: str
    cpus: int
    cards: int


def teller() -> Callable[[], dict[str, str]]:
    """Make the function that tells the equipment of the machine where it is called.

    It is made inside of this one so that Ray sends it as code and not as a name: a node may have no `iad`, and it is
    this function that has to say so.

    >>> told = teller()()
    >>> len(told["code"]), {"Python", "iad", "torch"} <= told.keys()
    (64, True)
    """
    packages = PACKAGES

    def tell() -> dict[str, str]:
        import hashlib
        import platform
        from importlib.metadata import PackageNotFoundError, version
        from importlib.util import find_spec
        from pathlib import Path

        found = {"Python": platform.python_version(), "processor": platform.processor() or platform.machine()}
        for name in packages:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = ""
        spec = find_spec("iad")
        for folder in (spec and spec.submodule_search_locations) or ():
            digest = hashlib.sha256()
            for file in sorted(Path(folder).rglob("*.py")):
                digest.update(f"{file.relative_to(folder).as_posix()}\0".encode() + file.read_bytes())
            found["code"] = digest.hexdigest()
        cpuinfo = Path("/proc/cpuinfo")
        names = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
        found["processor"] = next(
            (line.partition(": ")[2] for line in names if line.startswith("model name")), found["processor"]
        )
        return found

    return tell


def require_same(here: Equipment, nodes: Mapping[str, Equipment]) -> None:
    """Refuse a node that has other versions than this machine, or other code of this package.

    Args:
        here: of this machine.
        nodes: by the node's name.

    Raises:
        IadError: naming the first such node, and how it differs.

    >>> require_same({"torch": "2.6.0"}, {"left": {"torch": "2.6.0"}, "right": {"torch": "2.5.1"}})
    Traceback (most recent call last):
    iad.errors.IadError: compute.engine = ray: node right has torch 2.5.1, and here it is 2.6.0; install the same on ...
    """
    wrong = {name: why for name, there in nodes.items() if (why := difference(here, there))}
    if wrong:
        name, why = next(iter(wrong.items()))
        raise IadError(
            f"compute.engine = ray: node {name} has {why}; install the same on every node{and_more(len(wrong) - 1)}"
        )


def difference(here: Equipment, there: Equipment) -> str:
    """What a node has instead; empty if it has the same.

    >>> difference({"iad": "0.1.0", "code": "a"}, {"iad": "0.1.0", "code": "b"})
    'other code under the same version of iad, 0.1.0'
    >>> difference({"iad": "0.1.0"}, {"iad": ""})
    'no iad, and here it is 0.1.0'
    """
    for name, version in here.items():
        other = there.get(name, "")
        if name not in (CODE, PROCESSOR) and other != version:
            return f"{f'{name} {other}' if other else f'no {name}'}, and here it is {version or 'absent'}"
    if here.get(CODE) != there.get(CODE):
        return f"other code under the same version of iad, {here['iad']}"
    return ""


def other_processors(here: Equipment, nodes: Mapping[str, Equipment]) -> str:
    """The line about nodes with other processors, whose sums may be rounded otherwise; empty if there are none.

    >>> other_processors({"processor": "A"}, {"left": {"processor": "A"}, "right": {"processor": "B"}})
    'node right has another processor (B) than this machine (A): numbers may differ in the last bits'
    """
    others = {name: there[PROCESSOR] for name, there in nodes.items() if there[PROCESSOR] != here[PROCESSOR]}
    if not others:
        return ""
    name, processor = next(iter(others.items()))
    return (
        f"node {name} has another processor ({processor}) than this machine ({here[PROCESSOR]}): numbers may differ in "
        f"the last bits{and_more(len(others) - 1)}"
    )
