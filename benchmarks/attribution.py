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

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from measuring import Run, choose, command, embedder, machine, started

from iad import paths
from iad.config import load_params
from iad.detectors.knn.attribution import Parts, attribution_maps
from iad.detectors.knn.search import Nearest, Neighbors
from iad.detectors.maps import FullMaps
from iad.features import Patches
from iad.metrics.image import auroc
from iad.metrics.localization import pixel_metrics
from iad.metrics.pixels import PixelPictures
from iad.neighbors.rows import RowView
from iad.words import as_markdown

POOLINGS = {"resnet": ("avg", "max"), "vit": ("cls", "patch_mean")}
HEADER = ["pooling", "map", "image AUROC", "pixel AUROC", "AP", "AUPRO", "inside"]
GRADIENT_BLOCKS = (1, 2)  # last blocks that a gradient goes through
Maps = Iterator[tuple[str, np.ndarray]]


class Case:
    """Pictures, masks, and one backbone's embeddings and contributions under one pooling."""

    def __init__(self, section: str, pooling: str) -> None:
        self.params, self.pooling = load_params(), pooling
        run, method = Run(), self.params.method
        self.images, self.masks = run.array(paths.IMAGES), run.array(paths.MASKS)
        self.train, self.test, self.labels = run.train, run.test, run.labels
        self.ids = np.asarray(run.manifest["image_id"])[self.test].tolist()
        self.embedder = embedder(
            self.params, section, self.images.shape[1], runtime=started(self.params), batch_size=16,
            parts=("pooled", "contributions"), pooling=pooling, attribution=True, patches=Patches(), depth=None,
        )  # fmt: skip
        embedded = self.embedder.embed(self.images)
        pooled, vectors = embedded["pooled"], embedded["contributions"]
        if pooled is None or vectors is None:
            raise SystemExit(f"{section}: {self.embedder.lacks}")
        self.pooled, self.vectors = pooled, vectors
        self.neighbors = Neighbors(pooled[self.train], metric=method.metric, standardize=method.standardize)
        self.nearest: Nearest = self.neighbors.nearest(pooled[self.test], k=method.k)

    def attributed(self, vectors: np.ndarray) -> np.ndarray:
        """Maps of the test pictures as the methods write them, from these vectors of the patches of all pictures."""
        asked, good = (
            Parts(self.pooled[rows], RowView(vectors, rows), self.pooling) for rows in (self.test, self.train)
        )
        return attribution_maps(self.neighbors, self.nearest, asked, good, aggregate="mean")

    def line(self, name: str, maps: np.ndarray) -> list[str]:
        """Measure maps `(test pictures, h, w)`."""
        size = self.masks.shape[1]
        full = FullMaps(maps.astype(np.float32), size, self.params.evaluate.map_sigma * size)
        found = pixel_metrics(PixelPictures(full, RowView(self.masks, self.test), self.labels, self.ids))
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
    shape = (len(case.test), *case.vectors.shape[1:3])
    yield "random", np.random.default_rng(0).random(shape)
    rows, columns = np.indices(shape[1:]) - (np.array(shape[1:]) - 1)[:, None, None] / 2
    yield "centre", np.broadcast_to(-np.hypot(rows, columns), shape)


def splits(case: Case) -> Maps:
    """The attribution that is built in, and for means the same against the neighbour's mean, not its patches."""
    yield "attribution", case.attributed(case.vectors)
    if case.pooling in ("avg", "patch_mean"):
        maps = np.empty((len(case.test), *case.vectors.shape[1:3]))
        for row, picture in enumerate(case.test):
            own, bank = case.pooled[[picture]], case.pooled[case.others(row)]
            gradients = case.neighbors.gradients(own, bank) / maps[row].size / len(bank)
            maps[row] = case.vectors[picture].astype(np.float64) @ gradients.sum(0) - (bank * gradients).sum()
        yield "split, neighbour's mean", maps


def of_class_token(case: Case, tokens: np.ndarray) -> Maps:
    """Other ways for a class token; `tokens` are those of the last layer, `(N, h, w, D)`."""
    vectors, shape = case.vectors, (len(case.test), *case.vectors.shape[1:3])
    size, signed = np.empty(shape), np.empty(shape)
    for row, picture in enumerate(case.test):
        own, others = vectors[picture].astype(np.float32), vectors[case.others(row)].astype(np.float32)
        size[row] = np.linalg.norm(own - others.mean(axis=(0, 1, 2)), axis=-1)
        towards = case.pooled[picture] - case.pooled[case.others(row)].mean(0)
        signed[row] = (own - others.mean(0)) @ towards
    yield "attention's vectors, from neighbours' mean", case.in_proportion(size)
    yield "attention's vectors, along the difference", signed
    yield "last tokens, from neighbours' nearest", case.attributed(tokens)
    for blocks in GRADIENT_BLOCKS:
        found = gradients_of(case, blocks).reshape(shape)
        yield f"gradient x input, last {blocks} blocks, size", case.in_proportion(np.abs(found))


def gradients_of(case: Case, blocks: int) -> np.ndarray:
    """Gradient of the score by each token before the last blocks, times its difference from the mean: `(K, T)`."""
    backbone = case.embedder.backbone
    module: Any = backbone.module
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (backbone.mean, backbone.std))
    every = []
    for row, picture in enumerate(case.test):
        pixels = torch.from_numpy(case.images[picture].copy()).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            tokens = module.norm_pre(module._pos_embed(module.patch_embed((pixels - mean) / std)))
            tokens = module.blocks[:-blocks](tokens)
        tokens.requires_grad_(True)
        pooled = module.norm(module.blocks[-blocks:](tokens))[:, 0]
        distance = (pooled - torch.from_numpy(case.pooled[case.others(row)])).norm(dim=1).mean()
        (gradient,) = torch.autograd.grad(distance, tokens)
        patches = slice(module.num_prefix_tokens, None)
        seen = tokens.detach()[0, patches]
        every.append((gradient[0, patches] * (seen - seen.mean(0))).sum(-1).numpy())
    return np.stack(every)


def table_of(section: str) -> str:
    """Measure every pooling of one backbone."""
    cases = {pooling: Case(section, pooling) for pooling in POOLINGS[section]}
    first = cases[POOLINGS[section][0]]
    lines = [["", name, "", *first.line(name, maps)[3:]] for name, maps in baselines(first)]
    for pooling, case in cases.items():
        found = list(splits(case))
        if pooling == "cls":
            found += of_class_token(case, cases["patch_mean"].vectors)  # whose contributions are the last tokens
        lines += [case.line(name, maps) for name, maps in found]
    return as_markdown(HEADER, lines, padded=True)


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    choose(parser, "backbones", POOLINGS, "resnet or vit (default: both)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of each backbone, or of those named."""
    asked = options().parse_args(arguments)
    print(machine("torch", "timm"))
    for section in asked.backbones or POOLINGS:
        print(f"\n{section}\n\n{table_of(section)}", flush=True)


if __name__ == "__main__":
    main()
