"""This project beside FAISS, scikit-learn, PyTorch and anomalib: one run, the same arrays, the same machine.

Run it from the repository's top folder, on a machine that does nothing else: python benchmarks/peers.py [--full]
The first run makes an environment of its own in the user's cache folder (IAD_CACHE overrides), with faiss-cpu and
anomalib 2.7 from the user's package index: about 6.5 GB on disk, most of it anomalib's PyTorch. Everything is measured
in that environment, this project too, so that all run on the same PyTorch. It takes about 5 minutes, with --full about
40. `--only search` (or radius, fit, real) measures one part again. `real` takes the patches of a finished run, in the
folder that it is started in, and is left out where there is none. Results: docs/peers.md and docs/peers.png
(--out FOLDER).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import BACKBONES, Run, command, with_this_iad

from iad import paths
from iad.io import cache_folder
from iad.words import as_markdown

PACKAGES = ["faiss-cpu>=1.9", "anomalib==2.7.*", "scikit-learn", "pydantic>=2.8", "scipy", "tqdm"]
NEEDED_GB = 14  # 6.5 installed, and as much again while pip unpacks and caches
PARTS = ("radius", "search", "fit", "real")
QUERIES = 1024
INSIDE = Path(__file__).with_name("peers_inside.py")
QUIET = {"TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
COLOURS = {
    "iad": "#1f77b4", "iad, float32": "#17becf", "FAISS": "#d62728", "torch": "#ff7f0e", "scikit-learn": "#9467bd",
    "anomalib": "#2ca02c",
}  # fmt: skip


def environment(folder: Path) -> Path:
    """Python of the environment with the peers, made if it is not there."""
    python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready, wanted = folder / "ready", "\n".join(PACKAGES)
    if python.exists() and ready.is_file() and ready.read_text() == wanted:
        return python
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"{folder}: {error.strerror}; set IAD_CACHE to a folder that can be written") from None
    if (free := shutil.disk_usage(folder).free / 1e9) < NEEDED_GB:
        raise SystemExit(f"{folder}: {free:.0f} GB free, {NEEDED_GB} needed; set IAD_CACHE to a larger disk")
    print(f"making an environment of about 6.5 GB in {folder / 'env'} ...", flush=True)
    for words in (
        [sys.executable, "-m", "venv", "--clear", folder / "env"],
        [python, "-m", "pip", "install", "--quiet", *PACKAGES],
        [python, "-c", "import faiss, sklearn, anomalib.models.components.sampling, iad.detectors.patch.coreset"],
    ):
        done = subprocess.run([str(part) for part in words], env=with_this_iad(), capture_output=True, text=True)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise SystemExit(f"the peers cannot be installed here, so nothing was compared: {why}")
    ready.write_text(wanted)
    return python


def search_table(cases: list[dict[str, Any]]) -> str:
    """Milliseconds of every case, and how many times as fast as the fastest peer with the same precision."""
    names = list(dict.fromkeys(name for case in cases for name in case["ms"]))
    rows = []
    for case in cases:
        ms = case["ms"]
        flat = min(ms[name] for name in ("FAISS", "torch"))
        size = f"{case.get('title', '')}{case['queries']:,} in {case['bank']:,} x {case['dimensions']:,}"
        times = [f"{ms[name]:.3g}" if name in ms else "" for name in names]
        rows.append([size, str(case["k"]), *times, *(f"{flat / ms[name]:.2f}" for name in ("iad", "iad, float32"))])
    header = ["queries in bank", "k", *(f"{name}, ms" for name in names), "iad, times", "iad, float32, times"]
    return f"{as_markdown(header, rows)}\n"


def coreset_table(cases: list[dict[str, Any]]) -> str:
    """Seconds and covering radius, by backbone and share."""
    rows = [
        [f"{case['name']}: {case['share']:.0%} of {case['bank']:,} x {case['dimensions']:,}",
         *(f"{case[way]['seconds']:.2f}" for way in ("iad", "anomalib")),
         f"{case['anomalib']['seconds'] / case['iad']['seconds']:.0f}",
         *(f"{case[way]['radius']:.4f}" for way in ("iad", "anomalib")),
         f"{case['iad']['radius'] / case['anomalib']['radius']:.3f}"]
        for case in cases
    ]  # fmt: skip
    header = ["coreset", "iad, s", "anomalib, s", "times", "iad, radius", "anomalib, radius", "ratio"]
    return f"{as_markdown(header, rows)}\n"


def write_real(folder: Path) -> None:
    """Banks of training patches of the finished run that is here, and queries from its test pictures."""
    if not paths.MANIFEST.is_file():
        print("no finished run in this folder, so nothing is measured on real patches")
        return
    run, rng = Run(), np.random.default_rng(0)
    for name, stage in BACKBONES.items():
        patches = run.array(stage / paths.PATCHES)
        length = patches.shape[-1]
        asked = patches[np.sort(rng.choice(run.test, min(16, len(run.test)), replace=False))].reshape(-1, length)
        asked = asked[rng.permutation(len(asked))[:QUERIES]]
        for part, rows in (("bank", patches[run.train].reshape(-1, length)), ("asked", asked)):
            np.save(folder / f"{name}.{part}.npy", rows.astype(np.float32))


def page(found: dict[str, Any], words: str) -> str:
    """The whole page, of the parts that were measured."""
    text = f"# Peers: `{words}`\n\n{found['machine']}\n"
    if fits := found.get("fit"):
        rows = [
            [f"{r['pictures']:,}", r["method"], f"{r['kept']:,}", f"{r['fit']:.2f}", f"{1000 * r['picture']:.0f}",
             f"{r['memory']:,.0f}", f"{r['radius']:.3f}" if "radius" in r else ""]
            for r in fits
        ]  # fmt: skip
        text += (
            "\n## Fit, one picture, memory\n\nA picture is 1,024 patches of 384 random float32 values; one picture is "
            "the time for the distances of its patches and its score. `1 %` keeps a greedy k-centre coreset "
            "(anomalib: `PatchcoreModel` with `KCenterGreedy`), `all` every patch. Memory is the peak of the "
            "resident set beyond that after the imports, mapped pages of the bank included.\n\n"
        )
        head = ["pictures", "method", "rows kept", "fit, s", "one picture, ms", "memory, MB", "covering radius"]
        text += f"{as_markdown(head, rows)}\n"
    if radius := found.get("radius"):
        rows = [
            [name, *(f"{value:.3f}" for value in values), f"{sum(values) / len(values):.3f}"]
            for name, values in radius["radius"].items()
        ]
        text += f"\n## Covering radius of 1 % of {radius['bank']:,} x 384, per seed\n\nIn the original space.\n\n"
        text += f"{as_markdown(['method', *map(str, radius['seeds']), 'mean'], rows)}\n"
    if cases := found.get("search"):
        text += (
            "\n## Exact search\n\nBest of several rounds in which all take turns; arrays in and out are NumPy's. The "
            "last two columns are speeds relative to the faster of FAISS (`IndexFlatL2`) and torch (`addmm`, `topk`, "
            "in float32): with 8-bit integers, and with low precision switched off. Distances of iad are exact in "
            "float64, those of the others within the rounding of float32.\n\n"
        )
        text += search_table(cases)
    if (real := found.get("real")) and real["search"]:
        text += (
            "\n## On real patches\n\nThe banks of the default run, whole and 1,000 rows of them; queries are patches "
            "of test pictures. Searches were asked some thousand queries before, so that clusters are there where "
            "they are made.\n\n"
        )
        text += search_table(real["search"])
        text += "\nGreedy k-centre on the same banks, covering radius in the original space:\n\n"
        text += coreset_table(real["coreset"])
    drawn = found.get("search") or found.get("fit")
    return text + ("\n![Cost against bank size and number of pictures](peers.png)\n" if drawn else "")


def plot(found: dict[str, Any], file: Path) -> None:
    """A panel for each cost that was measured, on a logarithmic scale."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    fitted = [("fit", "Fit, s"), ("picture", "One picture, s"), ("memory", "Memory, MB")] if found.get("fit") else []
    count = len(fitted) + bool(found.get("search"))
    if not count:
        return
    columns = min(count, 2)
    shape = (-(-count // columns), columns)
    figure, axes = plt.subplots(*shape, figsize=(5.5 * columns, 4 * shape[0]), layout="constrained", squeeze=False)
    for ax, (key, title) in zip(axes.flat, fitted, strict=False):
        for method in dict.fromkeys(r["method"] for r in found["fit"]):
            rows = [r for r in found["fit"] if r["method"] == method]
            style = {"color": COLOURS[method.split()[0]], "linestyle": "-" if "1 %" in method else "--", "marker": "o"}
            ax.plot([r["pictures"] for r in rows], [r[key] for r in rows], label=method, **style)
        ax.set(title=title, xlabel="pictures of 1,024 patches", xscale="log", yscale="log")
    if found.get("search"):
        search_panel(axes.flat[len(fitted)], found["search"])
    for ax in axes.flat[:count]:
        ax.grid(visible=True, alpha=0.3)
        ax.legend()
    figure.savefig(file, dpi=110)


def search_panel(ax: Any, cases: list[dict[str, Any]]) -> None:
    """Time of 1,024 queries against the size of the bank."""
    panel = [c for c in cases if (c["queries"], c["dimensions"], c["k"]) == (1024, 384, 1)]
    for name in dict.fromkeys(name for case in panel for name in case["ms"]):
        points = [(case["bank"], case["ms"][name]) for case in panel if name in case["ms"]]
        ax.plot(*zip(*points, strict=True), marker="o", color=COLOURS[name], label=name)
    ax.set(title="1,024 nearest neighbours, D = 384, ms", xlabel="rows of the bank", xscale="log", yscale="log")


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("--full", action="store_true", help="up to 327,680 x 384; anomalib alone takes 7 minutes")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part again, keep the others")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of peers.md and peers.png")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the environment, measure in it, and write the page."""
    wanted = options().parse_args(arguments)
    wanted.out.mkdir(parents=True, exist_ok=True)
    folder, size = cache_folder() / "peers", "full" if wanted.full else "default"
    python, results = environment(folder), folder / f"{size}.json"
    found = json.loads(results.read_text()) if wanted.only and results.exists() else {}
    for part in wanted.only or PARTS:
        if part == "real":
            write_real(folder)
        run = subprocess.run([str(python), str(INSIDE), part, size, str(folder)], env=with_this_iad() | QUIET)
        if run.returncode:
            raise SystemExit(f"{part} ended with {run.returncode}; parts measured before it are in {wanted.out}")
        found |= json.loads((folder / f"{part}.json").read_text())
        results.write_text(json.dumps(found))
        (wanted.out / "peers.md").write_text(
            page(found, f"python benchmarks/peers.py{' --full' * wanted.full}"), encoding="utf-8"
        )
        plot(found, wanted.out / "peers.png")
    print(f"wrote {wanted.out / 'peers.md'} and {wanted.out / 'peers.png'}")


if __name__ == "__main__":
    main()
