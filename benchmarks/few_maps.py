"""What `few_pictures.py` compares: test pictures with each good picture of a pool by itself, in each of its versions.

With one nearest neighbour, the map of a bank is the smallest of the maps of what it holds, so that these maps are all
that any number of pictures, draw and kind of bank needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iad.bundles.pictures import described_given, split_new
from iad.data.decode import decode_mask
from iad.data.given import read_pictures, sizes_of
from iad.data.image_size import MULTIPLE, ImageSize, size_in_shape
from iad.data.layouts import read_layout
from iad.data.manifest import Picture
from iad.features import Backbone, CnnBackbone, VitBackbone
from iad.features.embedder import Embedder
from iad.features.embeddings import Part
from iad.features.tokens import split_tokens, token_grid
from iad.features.views import Oriented, orientations
from iad.io import cache_folder
from iad.progress import track

SIDE = 112  # short side in pixels of the masks, and of the maps that are measured by them
LARGE = 336  # short side from which pictures of the pool are compared with those as they are alone
QUERIES = 4096  # patches compared at once
PEER = "AnomalyDINO"
NETWORKS: dict[str, Backbone] = {"patch_resnet": CnnBackbone(), "patch_vit": VitBackbone(), PEER: VitBackbone()}
FOLDER = cache_folder() / "few_pictures"


def file_of(product: str, network: str, short: int) -> Path:
    """Where the maps of a product, network and short side are kept."""
    return FOLDER / f"{product},{network},{short}.npz"


def is_kept(file: Path, versions: int, most: int) -> bool:
    """Whether maps of as many pictures are there, in as many versions or more."""
    if not file.is_file():
        return False
    found = np.load(file)
    return bool(found["most"] == most) and found["maps"].shape[1] >= versions


@dataclass(frozen=True)
class Product:
    """Pictures of a product: a pool of good ones to draw from, and some of the test set.

    Attributes:
        size: of prepared pictures.
        pool: uint8 `(P, H, W, 3)`.
        test: uint8 `(T, H, W, 3)`.
        labels: int64 `(T,)`.
        masks: uint8 `(T, h, w)`, 112 px on the short side.
        masked: bool `(T,)`, good or with a mask.
        near: how many pictures of the pool are nearly another one.
    """

    size: ImageSize
    pool: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    masked: np.ndarray
    near: int


def product_at(folder: Path, short: int, most: int) -> Product:
    """Read a product; the pool and the test pictures are drawn by one fixed seed."""
    rng, pictures = np.random.default_rng(0), read_layout(folder, train_share=0.7, seed=0)
    train = [one for one in pictures if one.split == "train"]
    classes = [[one for one in pictures if one.split == "test" and one.label == label] for label in (0, 1)]
    pool, good, bad = (_some(some, most, rng) for some in (train, *classes))
    named = [folder / one.image_id for one in pool]
    height, width = sizes_of(named, max_megapixels=100).T
    size = size_in_shape(short, height, width, MULTIPLE)
    read = [list(read_pictures(some, size, max_megapixels=100)) for some in (named, _paths(folder, [*good, *bad]))]
    described = described_given(read[0], size)
    near = np.logical_or(*split_new(described, described.take(np.arange(0))))
    small = ImageSize(*(round(side * SIDE / size.short) for side in size))
    labels = np.repeat([0, 1], [len(good), len(bad)])
    masks = np.stack([_mask(one, small) for one in [*good, *bad]])
    masked = (labels == 0) | masks.any(axis=(1, 2))
    drawn, test = (np.stack([one.pixels for one in some if one.pixels is not None]) for some in read)
    return Product(size, drawn, test, labels, masks, masked, int(near.sum()))


def copies_of(network: str, pictures: np.ndarray, versions: int) -> Iterator[Sequence[np.ndarray]]:
    """The pictures in each version that a bank may hold: turned by quarters, then mirrored; the paper's by eighths."""
    every = orientations(8, flip=False) if network == PEER else orientations(4, flip=True)
    return (Oriented(pictures, np.arange(len(pictures)), one) for one in every[:versions])


class Network:
    """What a network says of pictures: patches float16 `(N, h, w, D)`."""

    def __init__(self, name: str, size: ImageSize) -> None:
        parts: tuple[Part, ...] = ("pooled",) if name == PEER else ("patches",)
        self.of_paper, self.embedder = name == PEER, Embedder(NETWORKS[name], size, parts=parts, batch_size=8)

    def __call__(self, pictures: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Patches of pictures uint8 `(N, H, W, 3)`."""
        if not self.of_paper:
            return np.asarray(self.embedder.embed(pictures)["patches"])
        return np.concatenate([self._last(picture) for picture in pictures])

    @torch.inference_mode()
    def _last(self, picture: np.ndarray) -> np.ndarray:
        network, size = self.embedder.backbone, self.embedder.image_size
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (network.mean, network.std))
        found: Any = network.module
        last = found.forward_features((pixels - mean) / std)
        height, width = token_grid(found, last, size) or (0, 0)
        tokens = torch.nn.functional.normalize(split_tokens(found, last)[1], dim=2)
        return tokens.reshape(1, height, width, -1).half().numpy()


def distances(queries: torch.Tensor, bank: np.ndarray) -> np.ndarray:
    """Euclidean distance of each query, float32 `(Q, D)`, to the nearest of patches `(h, w, D)`, float32 `(Q,)`."""
    rows = torch.from_numpy(bank.reshape(-1, bank.shape[-1]).astype(np.float32))
    lengths = (rows * rows).sum(dim=1)
    found = [
        torch.addmm(lengths, some, rows.T, alpha=-2).amin(dim=1) + (some * some).sum(dim=1)
        for some in torch.split(queries, QUERIES)
    ]
    return torch.cat(found).clamp(min=0).sqrt().numpy()


def write_maps(folder: Path, name: str, short: int, versions: int, most: int) -> None:
    """Compare the test pictures, and the pool, with each version of each picture of the pool by itself."""
    product = product_at(folder, short, most)
    network = Network(name, product.size)
    banks = [network(some) for some in copies_of(name, product.pool, versions)]
    patches = np.concatenate([network(product.test), banks[0]])
    maps = np.full((len(product.pool), versions, *patches.shape[:3]), np.nan, np.float32)
    asked = torch.from_numpy(patches.reshape(-1, patches.shape[-1]).astype(np.float32))
    tested = len(product.test) * math.prod(patches.shape[1:3])
    for version, bank in enumerate(banks):
        some = asked if version == 0 or short < LARGE else asked[:tested]
        for number, picture in track(enumerate(bank), f"{folder.name}, {name}, {short}", total=len(bank)):
            found = distances(some, picture).reshape(-1, *patches.shape[1:3])
            maps[number, version, : len(found)] = found
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.savez(
        file_of(folder.name, name, short), maps=maps, patches=patches, labels=product.labels,
        masks=product.masks, masked=product.masked, near=product.near, most=most,
    )  # fmt: skip


def _some(pictures: Sequence[Picture], most: int, rng: np.random.Generator) -> list[Picture]:
    rows = np.sort(rng.permutation(len(pictures))[:most])
    return [pictures[row] for row in rows]


def _paths(folder: Path, pictures: Iterable[Picture]) -> list[Path]:
    return [folder / one.image_id for one in pictures]


def _mask(picture: Picture, size: ImageSize) -> np.ndarray:
    if picture.read_mask is None:
        return np.zeros(size, np.uint8)
    return decode_mask(picture.read_mask(), str(picture.mask), size, max_megapixels=100)
