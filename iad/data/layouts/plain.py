"""Plain folders: good, and bad or bad/<kind of defect>, by any names that read so; the split is drawn.

Masks may lie in ground_truth/<kind>/<name>_mask.png, where <kind> is the folder's own name, such as "bad", for a
picture straight in it; the path below ground_truth may also be the one that the picture has below bad/. Deeper folders
are allowed everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from iad.data.labels import reads_as_bad, reads_as_good
from iad.data.layouts.common.base import TO_BE_DRAWN, Named, Reading, Tree, picture_of
from iad.data.layouts.common.folders import check_complete, check_names, good_folder, mask_folder, out_of_place
from iad.data.layouts.common.matching import below_top, find_masks, mask_of, refuse_masks_beside, told_masks
from iad.data.manifest import GOOD, Picture
from iad.errors import IadError

TITLE = "plain folders of good and bad"
SPECIAL_OF: tuple[str, ...] = ()
USES: tuple[str, ...] = ()
BAD = "bad"


def recognises(tree: Tree, named: Named) -> bool:  # noqa: ARG001
    """Whether a folder at the top reads as good or as bad pictures.

    >>> recognises(Tree("data/x", {"OK/1.png": bytes}), Named()), recognises(Tree("data/x", {"1.png": bytes}), Named())
    (True, False)
    """
    return any(reads_as_good(top) or reads_as_bad(top) for top in tree.tops())


def read(tree: Tree, named: Named) -> Reading:  # noqa: ARG001
    """Read the pictures; good ones have no split yet, defective ones are for testing.

    Raises:
        IadError: naming a picture or mask that is out of place.
    """
    folder = mask_folder(tree)
    tops = [top for top in tree.tops() if top != folder]
    good, bad = good_folder(tree.place, tops) or GOOD, _bad_folder(tree, tops)
    names = [name for name in tree.pictures if folder is None or not name.startswith(f"{folder}/")]
    refuse_masks_beside(tree, names)
    stems: dict[str, list[str]] = {}
    for name in names:
        for stem in _stems(name, bad):
            stems.setdefault(stem, []).append(name)
    masks = find_masks(tree, folder, stems, [good])
    pictures = [_picture(tree, name, good, bad, masks.get(name, ())) for name in names]
    place = f"put some into {tree.place}"
    check_complete(tree, pictures, f"{place}/{good}", f"{place}/{good} (two or more) or {bad}")
    told = [f"{good} counts as good"] * (good != GOOD) + [f"{bad} counts as defective"] * (bad != BAD)
    return Reading(pictures, [*told, *told_masks(pictures, masks)])


def _bad_folder(tree: Tree, tops: Sequence[str]) -> str:
    found = [top for top in tops if reads_as_bad(top)]
    if len(found) > 1:
        raise IadError(
            f"{tree.place}: {found[0]} and {found[1]} both read as defective pictures; put one into the other, as a "
            "kind of defect"
        )
    return found[0] if found else BAD


def _picture(tree: Tree, name: str, good: str, bad: str, masks: Sequence[str]) -> Picture:
    top, _, below = name.partition("/")
    if top not in (good, bad) or not below:
        allowed = f"{good}, {bad} (or, as MVTec AD has it, train/good, test/<defect>)"
        raise out_of_place(tree, name, allowed)
    check_names(tree, name, name if top == good else below, good, bad, is_good=top == good)
    if top == good:
        return picture_of(tree, name, TO_BE_DRAWN, GOOD)
    mask, read_mask = mask_of(tree, masks)
    return picture_of(
        tree, name, "test", below.partition("/")[0] if "/" in below else bad, mask=mask, read_mask=read_mask
    )  # fmt: skip


def _stems(name: str, bad: str) -> list[str]:
    if not name.startswith(f"{bad}/"):
        return []
    return [below_top(name), PurePosixPath(name).with_suffix("").as_posix()]
