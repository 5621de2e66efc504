"""What `extract_resnet` and `extract_vit` share: one feature vector per picture from a frozen backbone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from iad import paths
from iad.io import new_array, open_array, write_json
from iad.models.backbones import Backbone, build_backbone, extract_features, feature_size
from iad.models.patches import PatchWriter, patch_shape
from iad.params import Params
from iad.params.models import CnnBackbone, Patches, VitBackbone
from iad.progress import say
from iad.stages._compute import start_compute


def extract(params: Params, chosen: CnnBackbone | VitBackbone, folder: Path) -> None:
    """Write `features.npy` and `backbone.json` of one backbone into `folder`."""
    runtime = start_compute(params)
    images = open_array(paths.IMAGES)
    backbone = build_backbone(
        chosen.model, chosen.weights, image_size=images.shape[1],
        normalize=chosen.normalize, depth=chosen.depth, quantize=chosen.quantize,
    )  # fmt: skip
    size = feature_size(backbone, chosen.pooling)
    with ExitStack() as stack:
        features = stack.enter_context(new_array(folder / paths.FEATURES, (len(images), size), np.float32))
        patches = stack.enter_context(patch_writer(folder / paths.PATCHES, backbone, len(images), chosen.patches))
        extract_features(
            backbone, images, features,
            pooling=chosen.pooling, runtime=runtime, batch_size=params.compute.batch_size, patches=patches,
        )  # fmt: skip
    kept = {"layers": list(chosen.patches.layers), "neighbourhood": chosen.patches.neighbourhood}
    record = backbone.record() | {"weights": chosen.weights, "pooling": chosen.pooling, "dimensions": size}
    record["patches"] = kept
    write_json(folder / paths.BACKBONE_RECORD, record | {"runtime": runtime.record()})
    say(f"{folder.name}: {len(images)} pictures -> {size} numbers each ({backbone.name}, {runtime.precision})")


@contextmanager
def patch_writer(path: Path, backbone: Backbone, pictures: int, chosen: Patches) -> Iterator[PatchWriter | None]:
    """Yield where the patch features of so many pictures go; None if no layer is chosen."""
    if not chosen.layers:
        yield None
        return
    shape = patch_shape(backbone.module, backbone.name, backbone.image_size, chosen.layers)
    with new_array(path, (pictures, *shape), np.float16) as patches:
        yield PatchWriter(patches, chosen.layers, chosen.neighbourhood)
