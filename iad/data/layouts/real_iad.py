"""Real-IAD: one JSON per product with its split, and pictures of five views of each specimen.

C. Wang et al., "Real-IAD: A Real-World Multi-View Dataset for Benchmarking Versatile Industrial Anomaly Detection",
CVPR 2024. `realiad_jsons/.../<product>.json` holds `meta` (with `normal_class` and `prefix`), `train` and `test`; an
entry has `image_path`, `anomaly_class` and `mask_path`. All views of a specimen (the folder `S0001`) are one group.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from iad.data.layouts.common.base import Named, Reading, Tree, chosen, one_of
from iad.data.layouts.common.rows import Row, find_file, read_rows
from iad.data.manifest import GOOD
from iad.errors import IadError

TITLE = "Real-IAD"
SPECIAL_OF = ("plain",)
USES = ("product", "table")
LISTS = "realiad_jsons"
SPECIMEN = re.compile(r"^S\d+$")


def recognises(tree: Tree, named: Named) -> bool:
    """Whether there are its lists, or the one that is named is one.

    >>> recognises(Tree("data/x", {}, {"realiad_jsons/realiad_jsons/tape.json": bytes}), Named())
    True
    """
    if named.table is not None:
        return named.table.endswith(".json") and _is_list(tree, named.table)
    return bool(_lists(tree))


def read(tree: Tree, named: Named) -> Reading:
    """Read one product, in the split of its list.

    Raises:
        IadError: if several products or lists are there and none is named, or the list is cut short or names pictures
            that are missing.
    """
    lists = [named.table] if named.table else _lists(tree)
    product = chosen(tree, "products", {PurePosixPath(name).stem for name in lists}, named.product, "product")
    name = one_of(
        tree, f"lists of {product}", [one for one in lists if PurePosixPath(one).stem == product], "table"
    )  # fmt: skip
    content = tree.json(name)
    try:
        meta = content["meta"]
        places = _places(tree, str(meta["prefix"]))
        rows = [
            _row(tree, f"{name}, {split}[{number}]", entry, meta, split, places)
            for split in ("train", "test")
            for number, entry in enumerate(content[split])
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise IadError(
            f"{tree.place}/{name}: no list of Real-IAD ({type(error).__name__}: {error}); copy it again"
        ) from None
    return read_rows(tree, rows, [name], unlisted=False)


def _row(
    tree: Tree, where: str, entry: Mapping[str, Any], meta: Mapping[str, Any], split: str, places: list[str]
) -> Row:
    line = f"{tree.place}/{where}"
    found = find_file(tree, line, _placed(tree, entry["image_path"], places), "")
    good = entry["anomaly_class"] == meta["normal_class"]
    mask = None
    if entry.get("mask_path") and not good:
        mask = find_file(tree, line, _placed(tree, entry["mask_path"], places), "", what="mask")
    folders = PurePosixPath(entry["image_path"]).parts[:-1]
    group = next((part for part in reversed(folders) if SPECIMEN.match(part)), "")
    specimen = f"{'/'.join(folders[: folders.index(group) + 1])}" if group else ""
    return Row(where, found, GOOD if good else str(entry["anomaly_class"]), split, mask, group=specimen)


def _places(tree: Tree, prefix: str) -> list[str]:
    """Where pictures of this product may begin: below each folder that ends with the product's, and at the top."""
    prefix = prefix.strip("/")
    found = {f"{name.partition(f'/{prefix}/')[0]}/{prefix}/" for name in tree.pictures if f"/{prefix}/" in name}
    if len(found) > 1:
        raise IadError(
            f"{tree.place}: pictures of {prefix} lie in {' and in '.join(sorted(found))}; keep those of one size"
        )
    return [*found, f"{prefix}/", ""]


def _placed(tree: Tree, path: str, places: list[str]) -> str:
    return next((f"{place}{path}" for place in places if f"{place}{path}" in tree.pictures), f"{places[0]}{path}")


def _lists(tree: Tree) -> list[str]:
    return [
        name
        for name in tree.others
        if name.endswith(".json") and any(part.startswith(LISTS) for part in name.split("/"))
    ]


def _is_list(tree: Tree, name: str) -> bool:
    if name not in tree.others:
        return False
    content = tree.json(name)
    return isinstance(content, dict) and {"meta", "train", "test"} <= set(content)
