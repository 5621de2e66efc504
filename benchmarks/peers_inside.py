"""What benchmarks/peers.py measures, run in the environment that holds the peers; writes PART.json into FOLDER.

python benchmarks/peers_inside.py radius|search|fit|real default|full|tiny FOLDER, or, for one method in a process of
its own, python benchmarks/peers_inside.py METHOD BANK FOLDER. `real` reads NAME.bank.npy and NAME.asked.npy in FOLDER.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import command, machine, python

from iad.detectors.patch.coreset import greedy_coreset
from iad.neighbors.exact import ExactSearch

PATCHES, DIMENSIONS, SHARE = 1024, 384, 0.01
PICTURES = {"default": [8, 32], "full": [8, 32, 128, 320], "tiny": [1]}
BANKS = {"default": [1000, 30_000], "full": [1000, 30_000, 327_680], "tiny": [1000]}
SHARES = {"default": [0.01], "full": [0.01, 0.1], "tiny": [0.1]}
SEEDS, ROUNDS, SHORTEST_S = 5, 7, 0.02
SETTLED = 3  # times that a search is asked first, so that it has what it makes once it pays
SKLEARN_WORK = 1e11  # scikit-learn is left out of larger cases
METHODS = ("iad 1 %", "anomalib 1 %", "iad all", "anomalib all")

Search = Callable[[np.ndarray, int], Any]


def random(seed: int, *shape: int) -> np.ndarray:
    """Normal numbers, float32."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def best_times(jobs: Mapping[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """Shortest time per call of every job in seconds; they take turns, and each turn is at least 20 ms of calls."""
    best: dict[str, float] = {}
    calls = {}
    for name, job in jobs.items():
        job()
        start = time.perf_counter()
        job()
        calls[name] = max(1, int(SHORTEST_S / max(time.perf_counter() - start, 1e-6)))
    for _ in range(rounds):
        for name, job in jobs.items():
            start = time.perf_counter()
            for _ in range(calls[name]):
                job()
            spent = (time.perf_counter() - start) / calls[name]
            best[name] = min(spent, best.get(name, spent))
    return best


def torch_float32(bank: np.ndarray) -> Search:
    """The usual search: |x|^2 - 2 <x, y> + |y|^2 in float32, then topk."""
    rows = torch.from_numpy(bank)
    sizes = rows.square().sum(1)

    def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        asked = torch.from_numpy(queries)
        values, places = torch.addmm(sizes, asked, rows.T, alpha=-2).topk(k, dim=1, largest=False)
        return (values + asked.square().sum(1, keepdim=True)).clamp_(min=0).sqrt_().numpy(), places.numpy()

    return search


def searches(bank: np.ndarray, queries: int) -> dict[str, Search]:
    """Every way to search, ready to be asked."""
    import faiss

    index = faiss.IndexFlatL2(bank.shape[1])
    index.add(bank)
    ways: dict[str, Search] = {
        "iad": ExactSearch(bank).search,
        "iad, float32": ExactSearch(bank, low_precision=False).search,
        "FAISS": index.search,
        "torch": torch_float32(bank),
    }
    if queries * bank.size <= SKLEARN_WORK:
        from sklearn.neighbors import NearestNeighbors

        fitted = NearestNeighbors(algorithm="brute").fit(bank)
        ways["scikit-learn"] = lambda asked, k: fitted.kneighbors(asked, k)
    return ways


def search_cases(bank: np.ndarray, queries: np.ndarray, title: str) -> list[dict[str, Any]]:
    """All cases of a bank; the distances that the ways find must agree."""
    cases = []
    for count in (1, 32, 1024):
        asked, ways = queries[:count], searches(bank, count)
        for name in ("iad", "iad, float32"):
            for _ in range(SETTLED):
                ways[name](queries, 1)
        for k in (1, 5):
            exact = ways["iad"](asked, k)[0]
            np.testing.assert_array_equal(exact, ways["iad, float32"](asked, k)[0])
            np.testing.assert_allclose(np.sqrt(ways["FAISS"](asked, k)[0]), exact, rtol=1e-3, atol=2e-3)
            slow = count * bank.size > SKLEARN_WORK / 10
            found = best_times({name: partial(way, asked, k) for name, way in ways.items()}, 3 if slow else ROUNDS)
            case = {"title": title, "bank": bank.shape[0], "dimensions": bank.shape[1], "queries": count, "k": k}
            cases.append(case | {"ms": {name: 1000 * value for name, value in found.items()}})
            print("search", json.dumps(cases[-1]), flush=True)
    return cases


def search(size: str, _: Path) -> list[dict[str, Any]]:
    """Random banks of all sizes."""
    cases = []
    for rows in BANKS[size]:
        for dimensions in (152, 384, 1280):
            cases += search_cases(random(0, rows, dimensions), random(1, 1024, dimensions), "")
    return cases


def real(size: str, folder: Path) -> dict[str, Any]:
    """Search and coreset in the banks of a finished run."""
    cases, coresets = [], []
    for file in sorted(folder.glob("*.bank.npy")):
        name = file.name.removesuffix(".bank.npy")
        bank, asked = np.load(file), np.load(folder / f"{name}.asked.npy")
        few = np.random.default_rng(0).choice(len(bank), min(1000, len(bank)), replace=False)
        for rows in (bank[few], bank):
            cases += search_cases(rows, asked, f"{name}: ")
        coresets += [both_coresets(name, bank, share) for share in SHARES[size]]
    return {"search": cases, "coreset": coresets}


def both_coresets(name: str, bank: np.ndarray, share: float) -> dict[str, Any]:
    """Seconds and covering radius of a coreset of this share, by iad and by anomalib."""
    found: dict[str, Any] = {"name": name, "bank": bank.shape[0], "dimensions": bank.shape[1], "share": share}
    ways = {
        "iad": lambda: greedy_coreset(bank, int(len(bank) * share)),
        "anomalib": lambda: anomalib_coreset(bank, 0, share),
    }
    for way, choose in ways.items():
        start = time.perf_counter()
        kept = choose()
        found[way] = {"seconds": time.perf_counter() - start, "radius": covering_radius(bank, kept), "kept": len(kept)}
    print("coreset", json.dumps(found), flush=True)
    return found


def covering_radius(bank: np.ndarray, kept: np.ndarray) -> float:
    """Largest distance of any row to the nearest kept one, by FAISS."""
    import faiss

    index = faiss.IndexFlatL2(bank.shape[1])
    index.add(np.ascontiguousarray(bank[kept]))
    return float(np.sqrt(index.search(np.ascontiguousarray(bank), 1)[0].max()))


def anomalib_coreset(bank: np.ndarray, seed: int, share: float = SHARE) -> np.ndarray:
    """Rows that anomalib's KCenterGreedy keeps."""
    from anomalib.models.components.sampling import KCenterGreedy

    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the state that its random projection draws from
    return np.array(KCenterGreedy(torch.from_numpy(bank), share).select_coreset_idxs())


def radius(size: str, _: Path) -> dict[str, Any]:
    """Covering radius of both coresets, five seeds."""
    found: dict[str, list[float]] = {"iad": [], "anomalib": []}
    rows = PICTURES["tiny" if size == "tiny" else "default"][-1] * PATCHES
    for seed in range(SEEDS):
        bank = random(100 + seed, rows, DIMENSIONS)
        ours = greedy_coreset(bank, int(rows * SHARE), seed=seed)
        theirs = anomalib_coreset(bank, seed)
        if len(ours) != len(theirs):
            raise SystemExit(f"{len(ours)} rows against {len(theirs)}")
        for name, kept in (("iad", ours), ("anomalib", theirs)):
            found[name].append(covering_radius(bank, kept))
        print("radius", seed, found["iad"][-1], found["anomalib"][-1], flush=True)
    return {"bank": rows, "seeds": list(range(SEEDS)), "radius": found}


def resident(which: str) -> float:
    """Resident set of this process in MB: VmRSS now, VmHWM at its peak (Linux)."""
    match = re.search(rf"{which}:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(match[1]) / 1024 if match else float("nan")


def ours(bank: np.ndarray, kept: np.ndarray | None) -> Callable[[np.ndarray], float]:
    """Our score of a picture: the largest distance of its patches."""
    index = ExactSearch(bank if kept is None else bank[kept])
    return lambda patches: float(index.search(patches, 1)[0].max())


def theirs(bank: np.ndarray, kept: np.ndarray | None) -> Callable[[np.ndarray], float]:
    """The score of anomalib's PatchcoreModel without its reweighting: the largest distance of the patches."""
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    model = PatchcoreModel(layers=["layer1"], backbone="resnet18", pre_trained=False, num_neighbors=1)
    model.memory_bank = torch.from_numpy(bank if kept is None else bank[kept])

    def score(patches: np.ndarray) -> float:
        embedding = torch.from_numpy(patches)
        distances, places = model.nearest_neighbors(embedding, 1)
        return float(model.compute_anomaly_score(distances.view(1, -1), places.view(1, -1), embedding))

    return score


def one_method(method: str, file: Path, folder: Path) -> None:
    """Fit one method and score pictures, in a process of its own; prints JSON."""
    import anomalib.models.image.patchcore  # noqa: F401 - so that both start from the same memory

    greedy_coreset(random(0, 64, 8), 2), ExactSearch(random(0, 64, 8))
    before = resident("VmRSS")
    mapped = np.load(file, mmap_mode="r")
    bank = mapped if method.startswith("iad") else np.array(mapped)
    start, kept = time.perf_counter(), None
    if "1 %" in method:
        count = int(len(bank) * SHARE)
        kept = greedy_coreset(bank, count) if method.startswith("iad") else anomalib_coreset(bank, 0)
        np.save(folder / "kept.npy", kept)
    score = (ours if method.startswith("iad") else theirs)(bank, kept)
    fitted = time.perf_counter() - start
    pictures = [random(1000 + number, PATCHES, DIMENSIONS) for number in range(5)]
    times = []
    for picture in pictures:
        start = time.perf_counter()
        value = score(picture)
        times.append(time.perf_counter() - start)
    result = {"fit": fitted, "picture": float(np.median(times)), "score": value}
    print(json.dumps(result | {"memory": resident("VmHWM") - before, "kept": len(bank) if kept is None else len(kept)}))


def fit(size: str, folder: Path) -> list[dict[str, Any]]:
    """Fit, one picture and memory of every method at every number of pictures."""
    rows, file = [], folder / "bank.npy"
    for pictures in PICTURES[size]:
        np.save(file, random(2, pictures * PATCHES, DIMENSIONS))
        for method in METHODS:
            print(f"fit {method} of {pictures} pictures ...", flush=True)
            words = python(__file__, method, str(file), str(folder))
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
            row = {"pictures": pictures, "method": method} | json.loads(done.stdout.splitlines()[-1])
            if "1 %" in method:
                row["radius"] = covering_radius(np.load(file, mmap_mode="r"), np.load(folder / "kept.npy"))
            rows.append(row)
            print("fit", json.dumps(row), flush=True)
    file.unlink()
    return rows


PARTS = {"radius": radius, "search": search, "fit": fit, "real": real}


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("part", choices=[*PARTS, *METHODS], help="what to measure")
    parser.add_argument("given", help="of a part: default, full or tiny; of a method: the file of its bank")
    parser.add_argument("folder", type=Path, help="for results")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one part, or one method."""
    asked = options().parse_args(arguments)
    if asked.part in METHODS:
        one_method(asked.part, Path(asked.given), asked.folder)
        return
    on = machine("torch", "faiss-cpu", "anomalib", "scikit-learn", cores=torch.get_num_threads())
    measured = PARTS[asked.part](asked.given, asked.folder)
    (asked.folder / f"{asked.part}.json").write_text(json.dumps({"machine": f"{on}.", asked.part: measured}))


if __name__ == "__main__":
    main()
