"""Maps of pooled kNN: ways to say where a pooled distance comes from, measured on data with masks.

Run it from a folder where `download` and `preprocess` have run on such data:
python benchmarks/attribution.py [resnet] [vit]

Prints one Markdown table for each backbone: image AUROC; pixel AUROC, AP, AUPRO, and the mean over defective pictures
of the AUROC inside each, of maps smoothed as `evaluate` does. `resnet` is pooled by mean and by maximum, `vit` by its
class token and by the mean of its patches. `attribution` is what the methods write; a random map and one that is higher
towards the centre stand beside it. Test masks are read: choose a default from many data sets, never from the one you
report.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from iad.report.tables import as_padded_markdown

from iad import compute, paths
from iad.config import load_params
from iad.data.manifest import read_manifest, rows_of
from iad.detectors.knn.attribution import Places, attribution_maps
from iad.detectors.knn.search import Nearest, Neighbors
from iad.detectors.maps import FullMaps
from iad.features.embedder import Embedder
from iad.io import open_array
from iad.metrics.image import auroc
from iad.metrics.localization import pixel_metrics
from iad.metrics.pixels import PixelPictures
from iad.neighbors.rows import RowView

POOLINGS = {"resnet": ("avg", "max"), "vit": ("cls", "patch_mean")}
HEADER = ["pooling", "map", "image AUROC", "pixel AUROC", "AP", "AUPRO", "inside"]
GRADIENT_BLOCKS = (1, 2)  # last blocks that a gradient goes through
Maps = Iterator[tuple[str, np.ndarray]]


class Case:
    """Pictures, masks, and one backbone's features and vectors of places under one pooling."""

    def __init__(self, section: str, pooling: str) -> None:
        self.params = load_params()
        self.images, self.masks = open_array(paths.IMAGES), open_array(paths.MASKS)
        self.manifest = read_manifest(paths.MANIFEST)
        self.train, self.test = rows_of(self.manifest, "train"), rows_of(self.manifest, "test")
        self.labels, self.pooling = self.manifest["label"][self.test], pooling
        chosen, method, wanted = getattr(self.params, section), self.params.method, self.params.compute
        size = self.images.shape[1]
        runtime = compute.start(device=wanted.device, precision=wanted.precision, threads=wanted.threads, seed=0)
        options = chosen.model_copy(update={"pooling": pooling, "attribution": True})
        embedder = Embedder(options, size, parts=("pooled", "contributions"), batch_size=16, runtime=runtime)
        self.backbone, embedded = embedder.backbone, embedder.embed(self.images)
        features = embedded["pooled"]
        self.places = Places(features, embedded["contributions"], pooling)
        self.neighbors = Neighbors(features[self.train], metric=method.metric, standardize=method.standardize)
        self.nearest: Nearest = self.neighbors.nearest(features[self.test], k=method.k)

    def line(self, name: str, maps: np.ndarray) -> list[str]:
        """Measure maps `(test pictures, h, w)`."""
        size = self.masks.shape[1]
        full = FullMaps(maps.astype(np.float32), size, self.params.evaluate.map_sigma * size)
        ids = self.manifest["image_id"][self.test].tolist()
        found = pixel_metrics(PixelPictures(full, RowView(self.masks, self.test), self.labels, ids))
        inside = [
            auroc((self.masks[row] > 0).ravel().astype(int), full[place].ravel()) or 0.0
            for place, row in enumerate(self.test)
            if self.masks[row].any()
        ]
        image = auroc(self.labels, self.nearest.scores("mean"))
        values = (image, found.auroc, found.average_precision, found.aupro, float(np.mean(inside)))
        return [self.pooling, name, *("-" if value is None else f"{value:.3f}" for value in values)]

    def others(self, row: int) -> np.ndarray:
        """Pictures that are the neighbours of one test picture, int64 `(k,)`."""
        return np.asarray(self.train[self.nearest.rows[row]])

    def in_proportion(self, weights: np.ndarray) -> np.ndarray:
        """Spread each score in proportion to weights `(test pictures, h, w)`, 0 or more."""
        scores = self.nearest.scores("mean")[:, None, None]
        return np.asarray(weights / weights.sum(axis=(1, 2), keepdims=True) * scores)


def baselines(case: Case) -> Maps:
    """Maps that know nothing of the picture."""
    shape = (len(case.test), *case.places.vectors.shape[1:3])
    yield "random", np.random.default_rng(0).random(shape)
    rows, columns = np.indices(shape[1:]) - (np.array(shape[1:]) - 1)[:, None, None] / 2
    yield "centre", np.broadcast_to(-np.hypot(rows, columns), shape)


def splits(case: Case) -> Maps:
    """The attribution that is built in, and for means the same against the neighbour's mean, not its places."""
    places, nearest = case.places, case.nearest
    yield "attribution", attribution_maps(case.neighbors, nearest, places, case.test, case.train, aggregate="mean")
    if case.pooling in ("avg", "patch_mean"):
        maps = np.empty((len(case.test), *places.vectors.shape[1:3]))
        for row, picture in enumerate(case.test):
            own, bank = places.features[[picture]], places.features[case.others(row)]
            gradients = case.neighbors.gradients(own, bank) / maps[row].size / len(bank)
            maps[row] = places.vectors[picture].astype(np.float64) @ gradients.sum(0) - (bank * gradients).sum()
        yield "split, neighbour's mean", maps


def of_class_token(case: Case, tokens: Places) -> Maps:
    """Other ways for a class token; `tokens` has the last layer's tokens as vectors."""
    vectors, shape = case.places.vectors, (len(case.test), *case.places.vectors.shape[1:3])
    size, signed = np.empty(shape), np.empty(shape)
    for row, picture in enumerate(case.test):
        own, others = vectors[picture].astype(np.float32), vectors[case.others(row)].astype(np.float32)
        size[row] = np.linalg.norm(own - others.mean(axis=(0, 1, 2)), axis=-1)
        towards = case.places.features[picture] - case.places.features[case.others(row)].mean(0)
        signed[row] = (own - others.mean(0)) @ towards
    yield "attention's vectors, from neighbours' mean", case.in_proportion(size)
    yield "attention's vectors, along the difference", signed
    like_class = Places(case.places.features, tokens.vectors, "cls")
    spread = attribution_maps(case.neighbors, case.nearest, like_class, case.test, case.train, aggregate="mean")
    yield "last tokens, from neighbours' nearest", spread
    for blocks in GRADIENT_BLOCKS:
        found = gradients_of(case, blocks).reshape(shape)
        yield f"gradient x input, last {blocks} blocks, size", case.in_proportion(np.abs(found))


def gradients_of(case: Case, blocks: int) -> np.ndarray:
    """Gradient of the score by each token before the last blocks, times its difference from the mean: `(K, T)`."""
    backbone = case.backbone
    module: Any = backbone.module
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (backbone.mean, backbone.std))
    every = []
    for row, picture in enumerate(case.test):
        pixels = torch.from_numpy(case.images[picture].copy()).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            tokens = module.norm_pre(module._pos_embed(module.patch_embed((pixels - mean) / std)))
            tokens = module.blocks[:-blocks](tokens)
        tokens.requires_grad_(True)
        feature = module.norm(module.blocks[-blocks:](tokens))[:, 0]
        distance = (feature - torch.from_numpy(case.places.features[case.others(row)])).norm(dim=1).mean()
        (gradient,) = torch.autograd.grad(distance, tokens)
        places = slice(module.num_prefix_tokens, None)
        seen = tokens.detach()[0, places]
        every.append((gradient[0, places] * (seen - seen.mean(0))).sum(-1).numpy())
    return np.stack(every)


def table_of(section: str) -> str:
    """Measure every pooling of one backbone."""
    cases = {pooling: Case(section, pooling) for pooling in POOLINGS[section]}
    first = cases[POOLINGS[section][0]]
    lines = [["", name, "", *first.line(name, maps)[3:]] for name, maps in baselines(first)]
    for pooling, case in cases.items():
        found = list(splits(case))
        if pooling == "cls":
            found += of_class_token(case, cases["patch_mean"].places)
        lines += [case.line(name, maps) for name, maps in found]
    return as_padded_markdown(HEADER, lines)


def main() -> None:
    """Print the table of each backbone, or of those named."""
    for section in sys.argv[1:] or POOLINGS:
        print(f"\n{section}\n\n{table_of(section)}", flush=True)


if __name__ == "__main__":
    main()
