"""What `extract_resnet` and `extract_vit` share: one feature vector per picture from a frozen backbone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iad import paths
from iad.io import new_array, open_array, write_json
from iad.models.backbones import build_backbone, extract_features, feature_size
from iad.params import Params
from iad.params.models import CnnBackbone, VitBackbone
from iad.progress import say
from iad.stages._compute import start_compute


def extract(params: Params, chosen: CnnBackbone | VitBackbone, folder: Path) -> None:
    """Write `features.npy` and `backbone.json` of one backbone into `folder`."""
    runtime = start_compute(params)
    images = open_array(paths.IMAGES)
    backbone = build_backbone(chosen.model, chosen.weights, image_size=images.shape[1], normalize=chosen.normalize)
    size = feature_size(backbone, chosen.pooling)
    with new_array(folder / paths.FEATURES, (len(images), size), np.float32) as features:
        extract_features(
            backbone, images, features,
            pooling=chosen.pooling, runtime=runtime, batch_size=params.compute.batch_size,
        )  # fmt: skip
    record = backbone.record() | {"weights": chosen.weights, "pooling": chosen.pooling, "dimensions": size}
    write_json(folder / paths.BACKBONE_RECORD, record | {"runtime": runtime.record()})
    say(f"{folder.name}: {len(images)} pictures -> {size} numbers each ({backbone.name}, {runtime.precision})")
