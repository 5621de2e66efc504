"""MVTec AD, and what is laid out like it, as BTAD: train/good, test/good, test/<defect>, ground_truth/<defect>/.

P. Bergmann et al., "MVTec AD", CVPR 2019; P. Mishra et al., "VT-ADL: A Vision Transformer Network for Image Anomaly
Detection and Localization", ISIE 2021 (BTAD: `ok`, `ko`). A mask is ground_truth/<defect>/<name>_mask.png; the ending
`_mask` may be missing, and the format be any that is read. Deeper folders are allowed everywhere. The folder of good
pictures may have any name that reads so, splits and masks their usual other names, in any case. An addition of this
project is calibration/good, the validation of others: good pictures that set thresholds and are not learnt from.
"""

from __future__ import annotations

from iad.data.layouts.common.base import Named, Reading, Tree
from iad.data.layouts.common.folders import mask_folder, read_split_folders, split_folders

TITLE = "MVTec AD"
SPECIAL_OF: tuple[str, ...] = ("plain",)  # a good/ beside train/ is out of place
USES: tuple[str, ...] = ()


def recognises(tree: Tree, named: Named) -> bool:  # noqa: ARG001  # nothing has to be named
    """Whether a folder at the top is called like a split for training or testing.

    >>> recognises(Tree("data/x", {"Train/OK/1.png": bytes}), Named())
    True
    """
    return not {"train", "test"}.isdisjoint(split_folders(tree).values())


def read(tree: Tree, named: Named) -> Reading:  # noqa: ARG001
    """Read the pictures, in the split of their folders.

    Raises:
        IadError: naming a picture or mask that is out of place.
    """
    return read_split_folders(tree, split_folders(tree), mask_folder(tree))
