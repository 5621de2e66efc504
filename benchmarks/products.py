"""Methods on folders of pictures, once per set of parameters: image AUROC, F1, AUPRO and processor time of each.

Run it from the repository's top folder:

    python benchmarks/products.py FOLDER [FOLDER ...] --methods patch_resnet patch_vit hybrid \
        --case "" --case preprocess.image_size=448 --case "preprocess.image_size=448 resnet.patches.grid=finest"

Each folder is a product in any layout that `iad data` reads; it is only read. The stages of the methods run in a
temporary folder, from the parameters of the current folder and the changes of each case. Whoever chooses a case by this
table chooses on test labels: it says what an option brings, not what to expect of the best of them.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from measuring import command, machine, stage, write_params
from ruamel.yaml import YAML

from iad import paths
from iad.words import as_markdown

EXTRACTED = {"resnet": "extract_resnet", "patch_resnet": "extract_resnet", "vit": "extract_vit",
             "patch_vit": "extract_vit", "ae": "train_ae"}  # fmt: skip
HYBRID = ("patch_resnet", "patch_vit")
HEADER = ["product", "case", "method", "AUROC [95 %]", "F1", "false alarms", "misses", "pixel AUROC", "AUPRO", "CPU, s"]


def changes(case: str) -> dict[str, Any]:
    """The parameters of a case, nested: `preprocess.image_size=448 patch.k=3`.

    >>> changes("preprocess.image_size=448 patch.k=3")
    {'preprocess': {'image_size': 448}, 'patch': {'k': 3}}
    """
    found: dict[str, Any] = {}
    for word in case.split():
        name, equals, value = word.partition("=")
        if not equals:
            raise SystemExit(f"{word}: write name=value")
        *sections, last = name.split(".")
        place = found
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = YAML(typ="safe").load(value)
    return found


def run(product: Path, case: str, methods: Sequence[str], folder: Path) -> list[list[str]]:
    """Every stage that the methods need, and their rows of the table."""
    shutil.copytree(product, folder / "data" / product.name)
    wanted = [*dict.fromkeys([*(HYBRID if "hybrid" in methods else ()), *methods])]
    known = YAML(typ="safe").load(paths.PARAMS)["methods"]
    kept = {"data": {"source": "folder", "category": product.name}, "methods": {name: known[name] for name in wanted}}
    write_params(folder, kept, {} if "hybrid" in wanted else {"hybrids": {}}, changes(case))
    seconds: dict[str, float] = {}
    for words in stages(wanted):
        before = spent()
        stage(folder, *words)
        seconds[" ".join(words)] = spent() - before
    return [row(folder, product.name, case, name, seconds) for name in methods]


def stages(methods: Sequence[str]) -> list[tuple[str, ...]]:
    """The words of each stage, in order; the hybrid comes after its members."""
    ordered = sorted(methods, key=lambda name: name == "hybrid")
    extracts = dict.fromkeys(EXTRACTED[name] for name in ordered if name in EXTRACTED)
    aligned = [("align", "hybrid"), ("score", "hybrid")] if "hybrid" in ordered else []
    members = [("score", name) for name in ordered if name != "hybrid"]
    scored = [*members, *aligned, *(("threshold", name) for name in ordered)]
    return [("download",), ("preprocess",), *((one,) for one in extracts), *scored, ("evaluate",)]


def row(folder: Path, product: str, case: str, method: str, seconds: Mapping[str, float]) -> list[str]:
    """What `evaluate` found of one method."""
    found = json.loads((folder / paths.METRICS / f"{method}.json").read_text())
    pixels = json.loads((folder / paths.REPORT).read_text())["methods"][method].get("pixels") or {}
    own = sum(value for words, value in seconds.items() if words.split()[-1] in (method, EXTRACTED.get(method)))
    return [
        product, case or "as in params.yaml", f"`{method}`",
        f"{found['auroc']:.3f} [{found['auroc_low']:.3f}, {found['auroc_high']:.3f}]", f"{found['f1']:.3f}",
        str(found["false_alarms"]), str(found["misses"]),
        *("" if pixels.get(name) is None else f"{pixels[name]:.3f}" for name in ("auroc", "aupro")), f"{own:.0f}",
    ]  # fmt: skip


def spent() -> float:
    """Processor seconds of all stages so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("products", nargs="+", type=Path, help="folders of pictures, each a product")
    parser.add_argument("--methods", nargs="+", default=["patch_resnet", "patch_vit", "hybrid"])
    parser.add_argument("--case", action="append", help="changed parameters, name=value ...; once per case")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a row as soon as it is there; at the end the table."""
    asked, rows = options().parse_args(arguments), []
    print(f"{machine('torch')}\n")
    for product in asked.products:
        if not product.is_dir():
            raise SystemExit(f"{product}: no such folder")
        for case in asked.case or [""]:
            folder = Path(tempfile.mkdtemp(prefix="iad-products-"))
            try:
                rows += run(product, case, asked.methods, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            print("\n".join(" ".join(one) for one in rows[-len(asked.methods) :]), flush=True)
    print(as_markdown(HEADER, rows))


if __name__ == "__main__":
    main()
