"""VisA: <product>/Data/Images/Normal and Anomaly, Data/Masks/Anomaly, and tables of splits for all products.

Y. Zou et al., "SPot-the-Difference Self-Supervised Pre-training for Anomaly Detection and Segmentation", ECCV 2022. Of
its three splits, `1cls.csv` is the one that trains on good pictures alone. A folder of one product has none; then the
split is drawn. Kinds of defect stand in a product's `image_anno.csv`; a picture of several kinds counts as "combined".
"""

from __future__ import annotations

from pathlib import PurePosixPath

from iad.data.layouts.common.base import TO_BE_DRAWN, Named, Reading, Tree, chosen
from iad.data.layouts.common.rows import Row, find_file, kind_of, read_rows, split_of
from iad.data.layouts.table import read_table_text
from iad.data.manifest import GOOD
from iad.errors import IadError

TITLE = "VisA"
SPECIAL_OF = ("table",)
USES = ("product",)
SPLIT = "split_csv/1cls.csv"
GOOD_PLACE, BAD_PLACE, MASK_PLACE = "Data/Images/Normal/", "Data/Images/Anomaly/", "Data/Masks/Anomaly/"
KINDS = "image_anno.csv"
COMBINED = "combined"


def recognises(tree: Tree, named: Named) -> bool:  # noqa: ARG001
    """Whether there is its table of splits, or the folders of one product.

    >>> recognises(Tree("data/candle", {"Data/Images/Normal/0000.JPG": bytes}), Named())
    True
    """
    return SPLIT in tree.others or any(name.startswith((GOOD_PLACE, BAD_PLACE)) for name in tree.pictures)


def read(tree: Tree, named: Named) -> Reading:
    """Read one product.

    Raises:
        IadError: if several are there and none is named, or a picture or mask of the split is missing.
    """
    return _split_by_table(tree, named) if SPLIT in tree.others else _one_product(tree)


def _split_by_table(tree: Tree, named: Named) -> Reading:
    columns, rows = read_table_text(tree, SPLIT)
    if missing := [name for name in ("object", "split", "label", "image", "mask") if name not in columns]:
        raise IadError(f"{tree.place}/{SPLIT}: no column '{missing[0]}'; copy it again")
    product = chosen(tree, "products", {row["object"] for _, row in rows}, named.product, "product")
    kinds = _kinds(tree, f"{product}/")
    listed = [_row(tree, where, row, kinds) for where, row in rows if row["object"] == product]
    used = {SPLIT, f"{product}/{KINDS}"} & set(tree.others)
    return read_rows(tree, listed, sorted(used), unlisted=False)


def _row(tree: Tree, where: str, row: dict[str, str], kinds: dict[str, str]) -> Row:
    line = f"{tree.place}/{where}"
    name = find_file(tree, line, row["image"], "")
    kind = kind_of(line, row["label"])
    mask = find_file(tree, line, row["mask"], "", what="mask") if row["mask"] and kind != GOOD else None
    return Row(where, name, kind if kind == GOOD else kinds.get(name, kind), split_of(line, row["split"]), mask)


def _one_product(tree: Tree) -> Reading:
    kinds = _kinds(tree, "")
    masks = {
        PurePosixPath(name).stem: name for name in tree.pictures if name.startswith(MASK_PLACE)
    }  # fmt: skip
    rows = []
    for name in tree.pictures:
        if name.startswith(GOOD_PLACE):
            rows.append(Row(name, name, GOOD, TO_BE_DRAWN))
        elif name.startswith(BAD_PLACE):
            kind = kinds.get(name, "Anomaly")
            rows.append(Row(name, name, kind, TO_BE_DRAWN, masks.get(PurePosixPath(name).stem)))
    used = [KINDS] if KINDS in tree.others else []
    return read_rows(tree, rows, used)


def _kinds(tree: Tree, product: str) -> dict[str, str]:
    """The kind of defect of each picture, from the table of annotations, if it is there."""
    if f"{product}{KINDS}" not in tree.others:
        return {}
    columns, rows = read_table_text(tree, f"{product}{KINDS}")
    if not {"image", "label"} <= set(columns):
        return {}
    found = {}
    for _, row in rows:
        path = row["image"] if product else row["image"].partition("/")[2]
        found[path] = COMBINED if "," in row["label"] else row["label"]
    return {path: kind for path, kind in found.items() if kind and kind != "normal"}
