"""MVTec LOCO AD: as MVTec AD, with a folder of masks per defective picture, one file per region that is wrong.

P. Bergmann et al., "Beyond Dents and Scratches: Logical Constraints in Unsupervised Anomaly Detection and
Localization", IJCV 130 (2022). A region saturates: a logical anomaly, such as a missing screw, is found when enough
pixels of the region where it could lie are. `defects_config.json` says how many, by the value of a mask's pixels. Each
joined mask keeps the number for each of its regions (`iad.data.layouts.common.masks.regions_of`), for a metric that
saturates (sPRO, section 5 there).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from iad.data.layouts.common.base import Named, Reading, Tree
from iad.data.layouts.common.folders import mask_folder, read_split_folders, split_folders
from iad.data.layouts.common.masks import Saturation, joined
from iad.errors import IadError

TITLE = "MVTec LOCO AD"
SPECIAL_OF = ("mvtec", "plain")
USES: tuple[str, ...] = ()
CONFIG = "defects_config.json"


def recognises(tree: Tree, named: Named) -> bool:  # noqa: ARG001
    """Whether there are thresholds of saturation."""
    return CONFIG in tree.others


def read(tree: Tree, named: Named) -> Reading:  # noqa: ARG001
    """Read the pictures; of several masks of a picture one is made.

    Raises:
        IadError: naming a picture or mask that is out of place, or if the thresholds cannot be read.
    """
    saturation = _thresholds(tree)
    found = read_split_folders(
        tree, split_folders(tree), mask_folder(tree), join=partial(joined, saturation=saturation)
    )
    return Reading(found.pictures, found.notes, frozenset({CONFIG}))


def _thresholds(tree: Tree) -> Mapping[int, Saturation]:
    entries: Any = tree.json(CONFIG)
    try:
        return {
            int(one["pixel_value"]): Saturation(
                str(one["defect_name"]), _positive(one["saturation_threshold"]), bool(one["relative_saturation"])
            )
            for one in entries
        }
    except (KeyError, TypeError, ValueError) as error:
        raise IadError(
            f"{tree.place}/{CONFIG}: not a list of defects with pixel_value, defect_name, saturation_threshold and "
            f"relative_saturation ({type(error).__name__}: {error}); copy it again"
        ) from None


def _positive(value: Any) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(f"a threshold of {number}")
    return number
