"""MVTec AD 2: train/good, validation/good, test_public/good|bad, test_public/ground_truth/bad, and unlabelled tests.

L. Heckler-Kram et al., "The MVTec AD 2 Dataset: Advanced Scenarios for Unsupervised Anomaly Detection", 2025
(arXiv:2503.21622). The pictures of test_private and test_private_mixed have no public labels; they are left out.
"""

from __future__ import annotations

from iad.data.layouts.common.base import Named, Reading, Tree
from iad.data.layouts.common.folders import read_split_folders, split_folders
from iad.words import counted

TITLE = "MVTec AD 2"
SPECIAL_OF = ("mvtec", "plain")
USES: tuple[str, ...] = ()
TEST, MASKS = "test_public", "test_public/ground_truth"
PRIVATE = ("test_private", "test_private_mixed")


def recognises(tree: Tree, named: Named) -> bool:  # noqa: ARG001
    """Whether there is a folder test_public."""
    return TEST in tree.tops()


def read(tree: Tree, named: Named) -> Reading:  # noqa: ARG001
    """Read the pictures that have labels.

    Raises:
        IadError: naming a picture or mask that is out of place.
    """
    found = read_split_folders(tree, split_folders(tree), MASKS, skipped=PRIVATE)
    private = sum(name.startswith(tuple(f"{top}/" for top in PRIVATE)) for name in tree.pictures)
    left_out = [f"{counted(private, 'picture')} of {' and '.join(PRIVATE)} without labels left out"] if private else []
    return Reading(found.pictures, [*found.notes, *left_out])
