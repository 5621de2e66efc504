"""Pictures whose own names or folders say what they are, by a pattern that the user gives; nothing is guessed.

`data.folder.names` is a regular expression with the groups `good` and `bad`, searched in each picture's path: of every
picture one of the two must be found. What `bad` matches is the kind of defect. The split is drawn.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from iad.data.layouts.common.base import TO_BE_DRAWN, Named, Reading, Tree, picture_of
from iad.data.layouts.common.folders import check_complete, mask_folder
from iad.data.layouts.common.matching import find_masks, mask_of, refuse_masks_beside, told_masks
from iad.data.manifest import GOOD
from iad.errors import IadError

TITLE = "names by a pattern"
SPECIAL_OF: tuple[str, ...] = ("plain", "mvtec")
USES = ("names",)
OPTION = "data.folder.names"


def recognises(tree: Tree, named: Named) -> bool:  # noqa: ARG001
    """Whether a pattern is given.

    >>> recognises(Tree("data/x", {}), Named(names="(?P<good>ok)|(?P<bad>ng)"))
    True
    """
    return named.names is not None


def read(tree: Tree, named: Named) -> Reading:
    """Read the pictures.

    Raises:
        IadError: if the pattern is none, or a picture's path matches neither group, or both.

    >>> tree = Tree("data/x", {"1_ok.png": bytes, "2_ng.png": bytes, "3_ok.png": bytes})
    >>> [one.defect for one in read(tree, Named(names="(?P<good>ok)|(?P<bad>ng)")).pictures]
    ['good', 'ng', 'good']
    """
    pattern = compiled(OPTION, named.names or "", {"good", "bad"})
    folder = mask_folder(tree)
    names = [name for name in tree.pictures if folder is None or not name.startswith(f"{folder}/")]
    refuse_masks_beside(tree, names)
    stems: dict[str, list[str]] = {}
    for name in names:
        stems.setdefault(PurePosixPath(name).with_suffix("").as_posix(), []).append(name)
    masks = find_masks(tree, folder, stems, [])
    pictures = []
    for name in names:
        kind = _kind(tree, name, pattern)
        mask, read_mask = mask_of(tree, masks.get(name, ()))
        split = TO_BE_DRAWN if kind == GOOD else "test"
        pictures.append(picture_of(tree, name, split, kind, mask=mask, read_mask=read_mask))
    check_complete(tree, pictures, f"correct {OPTION}, or add some", "add good ones (two or more), or defective ones")
    return Reading(pictures, told_masks(pictures, masks))


def compiled(option: str, pattern: str, groups: set[str]) -> re.Pattern[str]:
    """A regular expression with certain groups.

    Raises:
        IadError: if it is none, or lacks one of the groups.

    >>> compiled("data.folder.names", "(?P<good>ok", {"good", "bad"})
    Traceback (most recent call last):
    iad.errors.IadError: data.folder.names = (?P<good>ok: no regular expression (missing ), ...); correct it
    """
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise IadError(f"{option} = {pattern}: no regular expression ({error}); correct it") from None
    if missing := sorted(groups - set(found.groupindex)):
        raise IadError(f"{option} = {pattern}: has no group (?P<{missing[0]}>...); add it")
    return found


def _kind(tree: Tree, name: str, pattern: re.Pattern[str]) -> str:
    match = pattern.search(name)
    good, bad = (match["good"], match["bad"]) if match else (None, None)
    if bool(good) == bool(bad):
        reason = "matches both groups" if good else "matches neither group"
        raise IadError(
            f"{tree.place}/{name}: {reason} of {OPTION} = {pattern.pattern}; correct the pattern or the name"
        )
    return GOOD if good else str(bad)
