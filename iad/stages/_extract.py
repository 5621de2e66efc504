"""What `extract_resnet` and `extract_vit` share: features of pictures and of their places, from a frozen backbone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from iad import paths
from iad.compute import Runtime
from iad.config import Params
from iad.data.manifest import read_manifest, rows_of
from iad.features.backbone import build_backbone
from iad.features.contributions import PlaceWriter, place_grid, place_writer
from iad.features.extractor import Extractor, PatchChoice
from iad.features.options import CnnBackbone, Patches, VitBackbone
from iad.features.rotation import Turned, orientations
from iad.io import new_array, open_array, write_json
from iad.progress import say
from iad.stages._compute import start_compute


def extract(params: Params, chosen: CnnBackbone | VitBackbone, folder: Path) -> None:
    """Write the features, the patches and their turned copies where they are wanted, and the record of one backbone."""
    runtime = start_compute(params)
    images = open_array(paths.IMAGES)
    section = folder.name.removeprefix("extract_")
    extractor = build_extractor(chosen, section, images.shape[1], batch_size=params.compute.batch_size)
    with ExitStack() as stack:
        features = stack.enter_context(new_array(folder / paths.FEATURES, (len(images), extractor.size), np.float32))
        patches = None
        if extractor.shape:
            shape = (len(images), *extractor.shape)
            patches = stack.enter_context(new_array(folder / paths.PATCHES, shape, np.float16))
        places = stack.enter_context(keep_places(extractor, chosen, len(images), folder / paths.PLACES))
        extractor.run(images, features, patches, runtime, places)
        copies = write_copies(extractor, chosen.patches, images, folder / paths.COPIES, runtime)
    record = extractor.backbone.record() | {"image_size": images.shape[1], "weights": chosen.weights}
    record |= {"pooling": chosen.pooling, "dimensions": extractor.size, "attribution": places is not None}
    record["patches"] = chosen.patches.model_dump() | {"layers": list(chosen.patches.layers)}
    write_json(folder / paths.BACKBONE_RECORD, record | {"runtime": runtime.record()})
    tiles = f", {extractor.tiles.count} tiles each" if extractor.tiles else ""
    turned = f", {copies} turned copies of training pictures" if copies else ""
    made = f"{len(images)} pictures -> {extractor.size} numbers each"
    say(f"{folder.name}: {made} ({extractor.backbone.name}, {runtime.precision}{tiles}{turned})")


def build_extractor(chosen: CnnBackbone | VitBackbone, section: str, image_size: int, *, batch_size: int) -> Extractor:
    """The backbone of one section of params.yaml, ready for pictures of one size."""
    kept = chosen.patches
    backbone = build_backbone(
        chosen.model, chosen.weights, image_size=kept.tile or image_size,
        normalize=chosen.normalize, depth=chosen.depth, quantize=chosen.quantize,
        size_key=f"{section}.patches.tile" if kept.tile else "preprocess.image_size",
    )  # fmt: skip
    wanted = PatchChoice(tuple(kept.layers), kept.neighbourhood, kept.tile, kept.overlap)
    return Extractor(
        backbone, image_size, pooling=chosen.pooling, patches=wanted, batch_size=batch_size, section=section
    )


@contextmanager
def keep_places(
    extractor: Extractor, chosen: CnnBackbone | VitBackbone, pictures: int, path: Path
) -> Iterator[PlaceWriter | None]:
    """Yield where the vectors of places go; None where they are not wanted or cannot be had, and an older file goes."""
    backbone, side = extractor.backbone, None
    if chosen.attribution and extractor.tiles:
        say(f"{path.parent.name}: no maps of kNN methods: attribution is for whole pictures, and patches.tile is set")
    elif chosen.attribution:
        side = place_grid(backbone.module, chosen.pooling, backbone.image_size)
        if side is None:
            say(f"{path.parent.name}: no maps of kNN methods: {backbone.name} shows no places for {chosen.pooling}")
    if side is None:
        path.unlink(missing_ok=True)
        yield None
        return
    shape = (pictures, side, side, extractor.size)
    with (
        new_array(path, shape, np.float16) as vectors,
        place_writer(vectors, chosen.pooling, backbone.module) as places,
    ):
        yield places


def write_copies(extractor: Extractor, kept: Patches, images: np.ndarray, path: Path, runtime: Runtime) -> int:
    """Write the patch features of the training pictures' turned copies, and return how many copies there are.

    The file holds float16 `(training pictures, copies of each, h, w, D)`; where there are none, an older one goes.
    """
    others = orientations(kept.turns, mirror=kept.mirror)[1:]
    if not others or extractor.shape is None:
        path.unlink(missing_ok=True)
        return 0
    train = rows_of(read_manifest(paths.MANIFEST), "train")
    pooled = np.empty((len(train), extractor.size), np.float32)  # not kept: only patch methods know copies
    with new_array(path, (len(train), len(others), *extractor.shape), np.float16) as copies:
        for number, orientation in enumerate(others):
            extractor.run(Turned(images, train, orientation), pooled, copies[:, number], runtime)
    return len(train) * len(others)
