"""Amazon Lookout for Vision: manifests, one JSON per line, whose pictures lie in S3 or here.

A line has `source-ref`, a label such as `anomaly-label` whose `...-metadata` gives its `class-name`, normal or anomaly,
and perhaps `anomaly-mask-ref` with the colours of its mask. Format: the service's developer guide, "Defining JSON lines
for image classification" and "... for image segmentation". Manifests called train and test are the splits; of a single
one the split is drawn. Addresses are met by the files of the folder: what all of them begin with is left away, as much
as is needed. Nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from iad.data.layouts.common.base import TO_BE_DRAWN, Named, Read, Reading, Tree
from iad.data.layouts.common.folders import SPLIT_WORDS
from iad.data.layouts.common.masks import uncoloured
from iad.data.layouts.common.rows import Row, kind_of, read_rows
from iad.data.manifest import GOOD
from iad.errors import IadError

TITLE = "Amazon Lookout for Vision"
SPECIAL_OF: tuple[str, ...] = ("plain", "mvtec")  # its pictures often lie in normal and anomaly
USES = ("table",)
SUFFIXES = (".manifest", ".jsonl")
SOURCE, METADATA, CLASSIFICATION = "source-ref", "-metadata", "groundtruth/image-classification"
MASK, BACKGROUND = "anomaly-mask-ref", "background"


class Entry(NamedTuple):
    """A line of a manifest: where it stands, and what it holds."""

    where: str
    content: Mapping[str, Any]
    split: str


def recognises(tree: Tree, named: Named) -> bool:  # noqa: ARG001
    """Whether there is a manifest whose lines have sources.

    >>> recognises(Tree("data/x", {}, {"train.manifest": lambda: b'{"source-ref": "s3://b/1.png"}'}), Named())
    True
    """
    return any(f'"{SOURCE}"'.encode() in tree.others[name]() for name in _manifests(tree))


def read(tree: Tree, named: Named) -> Reading:
    """Read the pictures of all manifests, or of the one that is named.

    Raises:
        IadError: naming the line that is no JSON, has no label or an unknown one, or whose picture is not in the
        folder.
    """
    files = [named.table] if named.table else _manifests(tree)
    entries = [entry for name in files for entry in _entries(tree, name, alone=len(files) == 1)]
    here = _Addresses(tree, [_text(tree, entry, SOURCE) for entry in entries])
    masks = _Addresses(tree, [str(entry.content[MASK]) for entry in entries if entry.content.get(MASK)])
    return read_rows(tree, [_row(tree, entry, here, masks) for entry in entries], files)


class _Addresses:
    """Which file of the folder an address means: the same beginning is left away from all of them."""

    def __init__(self, tree: Tree, addresses: Sequence[str]) -> None:
        self.tree = tree
        self.start = 0
        split = [_parts(address) for address in addresses]
        longest = min((len(parts) - 1 for parts in split), default=0)
        common = next((i for i in range(longest) if len({parts[i] for parts in split}) > 1), longest)
        met = {start: sum("/".join(parts[start:]) in tree.pictures for parts in split) for start in range(common + 1)}
        self.start = max(met, key=lambda start: (met[start], -start))

    def file(self, where: str, address: str) -> str:
        parts = _parts(address)
        name = "/".join(parts[self.start :])
        if ".." in parts:
            raise IadError(f"{where}: {address} leads out of the folder; give paths below {self.tree.place}")
        if name not in self.tree.pictures:
            sync = f", `aws s3 sync {address.removesuffix(name)} {self.tree.place}`" if "://" in address else ""
            raise IadError(f"{where}: there is no {self.tree.place}/{name} ({address}); copy the pictures there{sync}")
        return name


def _row(tree: Tree, entry: Entry, here: _Addresses, masks: _Addresses) -> Row:
    line = f"{tree.place}/{entry.where}"
    content = entry.content
    colours = _colours(line, content)
    label = _label(line, content)
    kinds = sorted(name for name in colours if name.lower() != BACKGROUND)
    kind = kind_of(line, label)
    mask: str | None = None
    read_mask: Read | None = None
    if kind != GOOD and (address := content.get(MASK)):
        mask = masks.file(line, str(address))
        background = [colour for name, colour in colours.items() if name.lower() == BACKGROUND]
        read_mask = partial(uncoloured, mask, tree.pictures[mask], background or ["#000000"])
        mask = PurePosixPath(mask).with_suffix(".png").as_posix()
    picture = here.file(line, str(content[SOURCE]))
    return Row(
        entry.where, picture, kinds[0] if kind != GOOD and len(kinds) == 1 else kind, entry.split, mask, read_mask
    )


def _label(where: str, content: Mapping[str, Any]) -> str:
    """The class of the picture, from the label whose metadata says that it classifies."""
    for key, value in content.items():
        if key.endswith(METADATA) and isinstance(value, Mapping) and value.get("type") == CLASSIFICATION:
            return str(value.get("class-name", ""))
    raise IadError(f"{where}: no label with a class-name, such as anomaly-label-metadata; label the picture")


def _colours(where: str, content: Mapping[str, Any]) -> dict[str, str]:
    try:
        key = content.get(f"{MASK}{METADATA}", {}).get("internal-color-map", {})
        return {str(one["class-name"]): str(one["hex-color"]) for one in key.values()}
    except (KeyError, TypeError, AttributeError):
        raise IadError(f"{where}: colours of its mask without class-name and hex-color; export it again") from None


def _entries(tree: Tree, name: str, *, alone: bool) -> Iterator[Entry]:
    split = TO_BE_DRAWN if alone else SPLIT_WORDS.get(PurePosixPath(name).stem.lower())
    if split is None:
        raise IadError(
            f"{tree.place}/{name}: one of several manifests and not called train or test; rename it, or name one with "
            "data.folder.table"
        )
    for number, line in enumerate(tree.text(name).splitlines(), start=1):
        if line.strip():
            yield Entry(f"{name}, line {number}", _parsed(tree, name, number, line), split)


def _parsed(tree: Tree, name: str, number: int, line: str) -> Mapping[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise IadError(f"{tree.place}/{name}, line {number}: cut short or not JSON; copy the manifest again")
    return content


def _text(tree: Tree, entry: Entry, key: str) -> str:
    if not isinstance(entry.content.get(key), str):
        raise IadError(f"{tree.place}/{entry.where}: no {key}; give the picture's address")
    return str(entry.content[key])


def _parts(address: str) -> list[str]:
    """The parts of an address below its scheme; of a path, its folders and its name."""
    return (
        [part for part in address.partition("://")[2].split("/") if part]
        if "://" in address
        else [part for part in PurePosixPath(address).parts if part not in ("/", ".")]
    )


def _manifests(tree: Tree) -> list[str]:
    return [name for name in tree.others if name.lower().endswith(SUFFIXES)]
