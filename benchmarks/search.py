"""Exact search in the patch banks of a finished run, beside PyTorch and, where it is installed, FAISS (`iad[faiss]`).

Run it from the repository's top folder after `dvc repro`: python benchmarks/search.py [resnet vit random]
Every bank holds all training patches. Queries are patches of test pictures, drawn at random; then whole pictures: good
ones, defective ones, and training pictures that must not find themselves. `random` is the size of `vit`, of normal
numbers. All ways take turns; the shortest time of each counts. The distances that they find are compared first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from measuring import BACKBONES, Run, choose, command, machine
from peers_inside import Search, best_times, torch_float32

from iad import paths
from iad.neighbors.exact import QUERIES, ExactSearch
from iad.words import as_markdown

ROUNDS = 3
BANKS = ("resnet", "vit", "random")


def in_parts(search: Search) -> Search:
    """The distances of a search that is asked 256 queries at a time, so that its products stay small."""
    return lambda asked, k: np.concatenate([search(asked[at : at + 256], k)[0] for at in range(0, len(asked), 256)])


def ways(bank: np.ndarray, queries: np.ndarray) -> dict[str, Search]:
    """Every way to search that there is, ready to be asked, and of one answer."""
    ours = ExactSearch(bank)
    found: dict[str, Search] = {
        "iad": lambda asked, k: ours.search(asked, k)[0],
        "torch": in_parts(torch_float32(bank)),
    }
    try:
        import faiss
    except ImportError:
        print("FAISS is not installed here (iad[faiss]), so it is left out")
    else:
        faiss.omp_set_num_threads(torch.get_num_threads())
        index = faiss.IndexFlatL2(bank.shape[1])
        index.add(bank)
        found["FAISS"] = lambda asked, k: np.sqrt(index.search(asked, k)[0])
    for _ in range(3):  # until clusters are made, if they are to be
        exact = found["iad"](queries, 5)
    for name, way in found.items():
        np.testing.assert_allclose(way(queries, 5), exact, rtol=2e-3, atol=2e-3, err_msg=name)
    return found


def row(title: str, k: int, jobs: Mapping[str, Callable[[], Any]]) -> list[str]:
    """A line of the table: shortest times in ms, and how many times as fast as the fastest other way."""
    spent = {name: 1000 * seconds for name, seconds in best_times(jobs, ROUNDS).items()}
    peers = [value for name, value in spent.items() if name != "iad"]
    return [title, str(k), *(f"{value:.3g}" for value in spent.values()), f"{min(peers) / spent['iad']:.2f}"]


def compare(name: str, run: Run) -> list[list[str]]:
    """The lines of one bank."""
    patches = run.array((BACKBONES.get(name) or paths.EXTRACT_VIT) / paths.PATCHES)
    length, per = patches.shape[-1], int(np.prod(patches.shape[1:-1]))
    rng = np.random.default_rng(0)

    def flat(pictures: np.ndarray) -> np.ndarray:
        found: np.ndarray = patches[pictures].reshape(-1, length).astype(np.float32)
        return found if name in BACKBONES else rng.standard_normal(found.shape, dtype=np.float32)

    bank = flat(run.train)
    asked = flat(rng.choice(run.test, 16, replace=False))
    asked = asked[rng.permutation(len(asked))[:QUERIES]]
    found = ways(bank, asked)
    size = f"{len(bank):,} x {length:,}"
    lines = []
    for count in (1, 32, len(asked)):
        for k in (1, 5):
            jobs = {way: partial(search, asked[:count], k) for way, search in found.items()}
            lines.append(row(f"{name}: {count:,} in {size}", k, jobs))
    together = max(1, QUERIES // per)
    for label, rows in (("good", run.test[run.labels == 0]), ("defective", run.test[run.labels == 1])):
        queries = flat(rows[:together])
        jobs = {way: partial(search, queries, 1) for way, search in found.items()}
        lines.append(row(f"{name}: {together} {label} pictures", 1, jobs))
    own = flat(run.train[:together])
    hidden = np.stack([np.arange(together), np.arange(1, together + 1)], axis=1).repeat(per, axis=0) * per
    searcher = ExactSearch(bank)
    for _ in range(3):
        searcher.search(own, 1, hidden=hidden)
    jobs = {way: partial(search, own, 1) for way, search in found.items()}
    jobs["iad"] = partial(searcher.search, own, 1, hidden=hidden)
    return [*lines, row(f"{name}: {together} training pictures, left out (others: not)", 1, jobs)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = command(__doc__, __file__)
    choose(parser, "banks", BANKS, f"of {', '.join(BANKS)}; all of them if none is named")
    wanted = parser.parse_args(arguments).banks or BANKS
    run = Run()
    print(f"{torch.get_num_threads()} threads of {machine('torch')}\n")
    lines = [line for name in wanted for line in compare(name, run)]
    head = ["queries in bank", "k", "iad, ms", "torch, ms", *(["FAISS, ms"] if len(lines[0]) > 5 else []), "iad, times"]
    print(as_markdown(head, lines))


if __name__ == "__main__":
    main()
