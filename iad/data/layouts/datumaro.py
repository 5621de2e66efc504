"""Datumaro: annotations/<subset>.json, as Geti and CVAT export it, and images/<subset>/ or images/.

A subset called train, val or test is that split; where there is one of another name, such as `default`, the split is
drawn. The label of a picture says good or defective; polygons and masks become its mask, boxes do not. A picture whose
shapes all have one label has that as its kind of defect. Format: Datumaro's documentation, "Datumaro format".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from iad.data.decode import picture_size
from iad.data.labels import reads_as_bad, reads_as_good
from iad.data.layouts.common.base import TO_BE_DRAWN, Named, Read, Reading, Tree
from iad.data.layouts.common.folders import SPLIT_WORDS
from iad.data.layouts.common.masks import MAX_MEGAPIXELS, drawn
from iad.data.layouts.common.rows import Row, find_file, kind_of, read_rows
from iad.data.manifest import GOOD
from iad.errors import IadError
from iad.words import named

TITLE = "Datumaro"
SPECIAL_OF = ()
USES = ("table",)
ANNOTATIONS, IMAGES = "annotations/", "images"
COMBINED = "combined"


def recognises(tree: Tree, named: Named) -> bool:  # noqa: ARG001
    """Whether there are annotations as JSON, with items.

    >>> recognises(Tree("data/x", {}, {"annotations/default.json": lambda: b'{"items": []}'}), Named())
    True
    """
    return bool(_subsets(tree))


def read(tree: Tree, named: Named) -> Reading:
    """Read the pictures of all subsets.

    Raises:
        IadError: naming the item, if it has no label, an unknown one, or no file; or the file, if it is cut short.
    """
    files = [named.table] if named.table else _subsets(tree)
    rows = [row for name in files for row in _rows(tree, name)]
    return read_rows(tree, rows, files)


def _rows(tree: Tree, name: str) -> list[Row]:
    content = tree.json(name)
    subset = PurePosixPath(name).stem
    try:
        labels = dict(enumerate(str(one["name"]) for one in content["categories"]["label"]["labels"]))
        return [_row(tree, f"{name}, {item['id']}", item, labels, subset) for item in content["items"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise IadError(
            f"{tree.place}/{name}: not as Datumaro writes it ({type(error).__name__}: {error}); export it again"
        ) from None


def _row(tree: Tree, where: str, item: Mapping[str, Any], labels: Mapping[int, str], subset: str) -> Row:
    line = f"{tree.place}/{where}"
    path = str(item.get("image", item.get("media", {})).get("path") or f"{item['id']}.jpg")
    base = f"{IMAGES}/{subset}"
    found = find_file(tree, line, path, base if f"{base}/{path}" in tree.pictures else IMAGES)
    annotations: list[Mapping[str, Any]] = item["annotations"]
    shapes = [one for one in annotations if one["type"] in ("polygon", "mask")]
    said = [labels[one["label_id"]] for one in annotations if one["type"] == "label"]
    kind = _kind(line, said, [labels[one["label_id"]] for one in shapes if one.get("label_id") is not None])
    read_mask = partial(_drawn, line, found, tree.pictures[found], shapes) if shapes and kind != GOOD else None
    mask = f"masks/{PurePosixPath(found).with_suffix('')}_mask.png" if read_mask else None
    return Row(where, found, kind, SPLIT_WORDS.get(subset.lower(), TO_BE_DRAWN), mask, read_mask)


def _kind(where: str, labels: Iterable[str], shapes: Iterable[str]) -> str:
    """The kind of defect, or "good", from the labels of the picture and of the shapes on it."""
    words = set(labels)
    verdicts = sorted(word for word in words if reads_as_good(word) or reads_as_bad(word))
    kinds = sorted(word for word in words.union(shapes) - set(verdicts) if not reads_as_bad(word))
    if len(verdicts) > 1:
        raise IadError(f"{where}: labelled '{verdicts[0]}' and '{verdicts[1]}'; keep one")
    if verdicts and reads_as_good(verdicts[0]):
        return kind_of(where, verdicts[0], kinds[0] if kinds else "")
    if not verdicts and not set(shapes):
        raise IadError(
            f"{where}: labelled {named(sorted(words)) or 'nothing'}, which says neither good nor defective; give it a "
            "label that does"
        )
    return kinds[0] if len(kinds) == 1 else verdicts[0] if verdicts else COMBINED


def _drawn(where: str, picture: str, read: Read, shapes: Sequence[Mapping[str, Any]]) -> bytes:
    polygons = [one["points"] for one in shapes if one["type"] == "polygon"]
    runs = [one["rle"] for one in shapes if one["type"] == "mask"]
    try:
        return drawn(picture_size(read(), picture, max_megapixels=MAX_MEGAPIXELS), polygons, runs)
    except IadError as refusal:
        raise IadError(f"{where}: {refusal}") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise IadError(
            f"{where}: a shape that cannot be drawn ({type(error).__name__}: {error}); export it again"
        ) from None


def _subsets(tree: Tree) -> list[str]:
    files = [name for name in tree.others if name.startswith(ANNOTATIONS) and name.endswith(".json")]
    return [name for name in files if b'"items"' in tree.others[name]()]  # COCO's have images instead
