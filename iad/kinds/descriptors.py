"""What the odd places of a part look like, as one vector: by the patches that the bundle's own map marks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from iad.detectors.embeddings import Embeddings
from iad.detectors.maps import enlargement
from iad.detectors.places import Places
from iad.errors import IadError

if TYPE_CHECKING:
    from iad.bundles.predictor import Predictor

WORST_SHARE, WORST_LEAST = 0.02, 3  # places that show the defect: the worst of the map


def descriptors(predictor: Predictor, pixels: np.ndarray) -> np.ndarray:
    """The mean patch of the worst places, less the mean patch of all others in the same picture, at length 1.

    The rest of the picture is taken off since what all pictures of a product share says nothing of the defect.

    Args:
        predictor: of a method that looks at patches, or a hybrid of such.
        pixels: prepared pictures, uint8 `(N, H, W, 3)`.

    Returns:
        float32 `(N, D)`.

    Raises:
        IadError: if the method does not look at patches.
    """
    embedded = predictor.embed(pixels)
    patches = patches_of(embedded, predictor.method)
    maps = predictor.fitted.detector.predict(embedded).anomaly_map
    if maps is None:
        raise _without_patches(predictor.method)
    places = Places.of(predictor.bundle.preprocess.region, *patches.shape[1:3])
    counting = None if places is None else places.numbers
    found = np.empty((len(pixels), patches.shape[3]), np.float32)
    for row in range(len(pixels)):
        found[row] = _descriptor(np.asarray(patches[row], np.float32), maps[row], counting)
    return found


def patches_of(embedded: Embeddings, method: str) -> np.ndarray:
    """The patches float16 `(N, h, w, D)` that a method looks at; of a hybrid those with most features.

    Raises:
        IadError: if it looks at none.
    """
    inner = [embedded, *embedded.members.values()]
    there = [np.asarray(one.patches) for one in inner if one.patches is not None]
    if not there:
        raise _without_patches(method)
    return max(there, key=lambda one: one.shape[3])


def _descriptor(patches: np.ndarray, odd: np.ndarray, counting: np.ndarray | None = None) -> np.ndarray:
    """Of one picture: patches float32 `(h, w, D)` and its map `(H, W)`, on the same grid or another.

    With a region of interest `counting`, int64 `(P,)`, says which of the `h * w` places count.
    """
    height, width, length = patches.shape
    if odd.shape != (height, width):
        odd = enlargement(odd.shape[0], height, 0) @ odd @ enlargement(odd.shape[1], width, 0).T
    flat, places = odd.ravel(), patches.reshape(-1, length)
    if counting is not None:
        flat, places = flat[counting], places[counting]
    count = min(max(WORST_LEAST, math.ceil(WORST_SHARE * len(flat))), len(flat) - 1)
    worst = np.argpartition(flat, -count)[-count:]
    others = np.delete(np.arange(len(flat)), worst)
    contrast = places[worst].mean(axis=0) - places[others].mean(axis=0)
    return np.asarray(contrast / max(float(np.linalg.norm(contrast)), 1e-12))


def _without_patches(method: str) -> IadError:
    return IadError(f"kinds: {method} does not look at patches of a picture; use a bundle of a patch method")
