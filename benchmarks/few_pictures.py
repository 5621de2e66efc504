"""One, two, four, eight, sixteen good pictures: what turned copies, size, foreground and both networks bring.

Run it from the repository's top folder:

    python benchmarks/few_pictures.py maps FOLDER [FOLDER ...] --networks patch_vit --short 224
    python benchmarks/few_pictures.py table [--out FOLDER]

`maps` compares test pictures with each good picture of a pool by itself, in each of its versions, and keeps the distance
maps in the cache folder. With one nearest neighbour, the map of a bank is the smallest of the maps of what it holds, so
that `table` has every number of pictures, every draw and every kind of bank without another search: the scores of
`iad.detectors.patch`, and beside them AnomalyDINO (Damm et al., WACV 2025, arXiv 2405.14529), which needs no training
either, with the same weights on the same pixels: last block, unit length, cosine distance, mean of the worst 1 % of
patches; as in anomalib 2.7, which holds pictures as they are, and as in the paper, which holds eight turns.

Each folder is a product in any layout that `iad data` reads. A draw takes 16 of the pool at random, and fewer pictures
are the first of them. AUPRO is that of maps of 112 px on the short side, which tells variants apart as well.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import command, machine, maps_of

from iad.bundles.pictures import described_given, split_new
from iad.data.decode import decode_mask
from iad.data.given import read_pictures, sizes_of
from iad.data.image_size import MULTIPLE, ImageSize, size_in_shape
from iad.data.layouts import read_layout
from iad.data.manifest import Picture
from iad.detectors.aggregation import above_quantile
from iad.detectors.base import Prediction
from iad.detectors.calibrate import FEWEST
from iad.detectors.hybrid import Options as HybridOptions
from iad.detectors.hybrid.detector import Detector as Hybrid
from iad.detectors.maps import FullMaps
from iad.detectors.patch import Options
from iad.detectors.patch.foreground import fit_foreground
from iad.detectors.patch.memory_bank import MemoryBank
from iad.detectors.patch.scores import foreground_scores, patch_scores
from iad.features import Backbone, CnnBackbone, VitBackbone
from iad.features.embedder import Embedder
from iad.features.embeddings import Part
from iad.features.tokens import split_tokens, token_grid
from iad.features.views import Oriented, orientations
from iad.io import cache_folder
from iad.metrics.image import auroc
from iad.metrics.localization import aupro
from iad.metrics.pixels import PixelPictures, count_pixels
from iad.progress import track
from iad.report import Evaluate
from iad.words import as_markdown, counted

LARGE = 336  # short side from which pictures of the pool are compared with those as they are alone
EIGHTHS, OBJECT = "eight turns", "foreground: pca"
DRAWN = {
    ("patch_resnet", 224, "as they are"): "#1f77b4", ("patch_vit", 224, "as they are"): "#d62728",
    ("patch_vit", 448, "as they are"): "#ff7f0e", ("hybrid", 224, "as they are"): "#9467bd",
    ("AnomalyDINO", 224, "eight turns"): "#2ca02c", ("AnomalyDINO", 448, "eight turns"): "#17becf",
}  # fmt: skip
SHOTS, SEEDS = (1, 2, 4, 8, 16), 5
MAPS = 112  # short side in pixels of the maps and masks of AUPRO
QUERIES = 4096  # patches compared at once
PEER = "AnomalyDINO"
NETWORKS: dict[str, Backbone] = {"patch_resnet": CnnBackbone(), "patch_vit": VitBackbone(), PEER: VitBackbone()}
PLAIN, TURNS, MIRRORED = "as they are", "quarter turns", "quarter turns, mirrored"
HELD = {PLAIN: 1, TURNS: 4, MIRRORED: 8}  # versions of each picture, of those that `copies_of` makes
OPTIONS = Options()
NO_PICTURE = MemoryBank(np.zeros((1, 1, 1, 1), np.float32))  # the worst patches need no bank
FOLDER = cache_folder() / "few_pictures"
HEADER = ("product", "short side", "method", "bank", "shots", "seed", "auroc", "aupro", "left_out", "turned")


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
    size = size_in_shape(short, *sizes_of(named, max_megapixels=100).T, MULTIPLE)
    read = [list(read_pictures(some, size, max_megapixels=100)) for some in (named, _paths(folder, [*good, *bad]))]
    described = described_given(read[0], size)
    near = np.logical_or(*split_new(described, described.take(np.arange(0))))
    small = ImageSize(*(round(side * MAPS / size.short) for side in size))
    labels = np.repeat([0, 1], [len(good), len(bad)])
    masks = np.stack([_mask(one, small) for one in [*good, *bad]])
    masked = (labels == 0) | masks.any(axis=(1, 2))
    pixels = (np.stack([one.pixels for one in some if one.pixels is not None]) for some in read)
    return Product(size, *pixels, labels, masks, masked, int(near.sum()))


def copies_of(network: str, pictures: np.ndarray, versions: int) -> Iterator[Sequence[np.ndarray]]:
    """The pictures in each version that a bank may hold: turned by quarters, then mirrored; the paper's by eighths."""
    every = orientations(8, flip=False) if network == PEER else orientations(4, flip=True)
    return (Oriented(pictures, np.arange(len(pictures)), one) for one in every[:versions])


class Network:
    """What a network says of pictures: patches float16 `(N, h, w, D)`."""

    def __init__(self, name: str, size: ImageSize) -> None:
        parts: tuple[Part, ...] = ("pooled",) if name == PEER else ("patches",)
        self.of_paper, self.embedder = name == PEER, Embedder(NETWORKS[name], size, parts=parts, batch_size=8)

    def __call__(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Patches of pictures uint8 `(N, H, W, 3)`."""
        if not self.of_paper:
            return self.embedder.embed(pictures)["patches"]
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
    """Euclidean distance of each query, float32 `(Q, D)`, to the nearest of some patches `(h, w, D)`: float32 `(Q,)`."""
    rows = torch.from_numpy(bank.reshape(-1, bank.shape[-1]).astype(np.float32))
    lengths = (rows * rows).sum(dim=1)
    found = [
        torch.addmm(lengths, some, rows.T, alpha=-2).amin(dim=1) + (some * some).sum(dim=1)
        for some in queries.split(QUERIES)
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
        FOLDER / f"{folder.name},{name},{short}.npz", maps=maps, patches=patches, labels=product.labels,
        masks=product.masks, masked=product.masked, near=product.near,
    )  # fmt: skip


class Case:
    """What one network sees of one product at one size, and the scores of any bank."""

    def __init__(self, file: Path) -> None:
        self.product, self.network, short = file.stem.split(",")
        self.short, found = int(short), np.load(file)
        self.maps, self.patches, self.labels = (found[name] for name in ("maps", "patches", "labels"))
        self.masks, self.masked, self.near = found["masks"], found["masked"], int(found["near"])
        self.tested = len(self.labels)

    def predict(self, drawn: np.ndarray, versions: int) -> Prediction:
        """Test pictures against a bank of the drawn pictures, in so many versions."""
        return self._scored(self.maps[drawn, :versions, : self.tested].min(axis=(0, 1)))

    def left_out(self, drawn: np.ndarray, versions: int, turned: bool = False) -> Prediction:
        """Each drawn picture against the others; with `turned` against the quarter turns of these alone."""
        first = 1 if turned else 0
        own = self.maps[drawn][:, first:versions, self.tested + drawn]  # (n, c, n, h, w)
        own = np.where(np.eye(len(drawn), dtype=bool)[:, None, :, None, None], np.inf, own)
        return self._scored(own.min(axis=(0, 1)))

    def of_object(self, drawn: np.ndarray) -> Prediction:
        """As `predict`, where only places that show the object count."""
        good = self.patches[self.tested + drawn]
        maps, bank = self.maps[drawn, 0, : self.tested].min(axis=0), MemoryBank(good)
        kept, scores = foreground_scores(bank, fit_foreground(good), self.patches[: self.tested], maps, OPTIONS)
        return Prediction(scores, above_quantile(kept, OPTIONS.map_above))

    def measures(self, found: Prediction) -> tuple[float, float]:
        """AUROC of pictures, and AUPRO."""
        size = ImageSize(*self.masks.shape[1:])
        full = FullMaps(maps_of(found)[self.masked], size, Evaluate().map_sigma * size.short)
        counts = count_pixels(PixelPictures(full, self.masks[self.masked], self.labels[self.masked]))
        return auroc(self.labels, found.pred_score) or math.nan, aupro(counts) or math.nan

    def _scored(self, maps: np.ndarray) -> Prediction:
        if self.network != PEER:
            scores = patch_scores(NO_PICTURE, maps[..., None], maps, OPTIONS)
            return Prediction(scores, above_quantile(maps, OPTIONS.map_above))
        cosine = np.sort((maps**2 / 2).reshape(len(maps), -1), axis=1)
        return Prediction(cosine[:, -max(1, cosine.shape[1] // 100) :].mean(axis=1), maps**2 / 2)


def draws(case: Case) -> Iterator[tuple[int, int, np.ndarray]]:
    """Seed, number of pictures, and which of the pool."""
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(case.maps))
        yield from ((seed, shots, order[:shots]) for shots in SHOTS)


def rows_of(case: Case) -> Iterator[dict[str, Any]]:
    """A row for each draw and bank."""
    held = {PLAIN: 1, EIGHTHS: 8} if case.network == PEER else HELD
    kinds: dict[str, Callable[[np.ndarray], Prediction]] = {
        bank: partial(case.predict, versions=versions)
        for bank, versions in held.items() if versions <= case.maps.shape[1]
    }  # fmt: skip
    if case.network != PEER:
        kinds[OBJECT] = case.of_object
    for seed, shots, drawn in draws(case):
        good = {}
        if shots > 1 and case.network != PEER:
            good["left_out"] = float(case.left_out(drawn, 1).pred_score.mean())
            if TURNS in kinds and case.short < LARGE:
                good["turned"] = float(case.left_out(drawn, 4, turned=True).pred_score.mean())
        for bank, predict in kinds.items():
            yield _row(case, case.network, bank, seed, shots, case.measures(predict(drawn)), good)


def hybrid_rows(members: Sequence[Case]) -> Iterator[dict[str, Any]]:
    """The same of both networks as one, where enough good pictures set their scales."""
    for bank, versions in ((PLAIN, 1), (TURNS, 4)):
        if any(one.maps.shape[1] < versions or (versions > 1 and one.short >= LARGE) for one in members):
            continue
        for seed, shots, drawn in draws(members[0]):
            if shots < FEWEST:
                continue
            hybrid = Hybrid(HybridOptions(members=tuple(one.network for one in members)))
            hybrid.align({one.network: one.left_out(drawn, versions) for one in members})
            found = hybrid.combine({one.network: one.predict(drawn, versions) for one in members})
            yield _row(members[0], "hybrid", bank, seed, shots, members[0].measures(found), {})


def _row(
    case: Case, method: str, bank: str, seed: int, shots: int, found: tuple[float, float], good: Mapping[str, float]
) -> dict[str, Any]:  # fmt: skip
    told = (case.product, case.short, method, bank, shots, seed, *found)
    return dict(zip(HEADER, told, strict=False)) | good


def summary(rows: Sequence[Mapping[str, Any]], measure: str) -> str:
    """Mean, least and largest over the draws, a line per product, size, method and bank."""
    table: dict[tuple[Any, ...], dict[int, list[float]]] = {}
    for row in rows:
        table.setdefault(tuple(row[name] for name in HEADER[:4]), {}).setdefault(row["shots"], []).append(row[measure])
    lines = [
        [*map(str, key), *(_spread(shots.get(number, [])) for number in SHOTS)] for key, shots in sorted(table.items())
    ]
    return as_markdown([*HEADER[:4], *(counted(number, "picture") for number in SHOTS)], lines)


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ({min(values):.2f} to {max(values):.2f})" if values else ""


def plot(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """AUROC by number of pictures, a panel per product; bands from the worst draw to the best."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    products = sorted({row["product"] for row in rows})
    figure, axes = plt.subplots(1, len(products), figsize=(3.6 * len(products), 3.6), layout="constrained", squeeze=False)
    for ax, product in zip(axes[0], products, strict=True):
        for (method, short, bank), colour in DRAWN.items():
            some = [row for row in rows if (row["product"], row["method"], row["short side"], row["bank"]) == (product, method, short, bank)]
            values = np.array([[row["auroc"] for row in some if row["shots"] == number] for number in SHOTS if any(row["shots"] == number for row in some)])
            if not len(values):
                continue
            ax.plot(SHOTS[-len(values):], values.mean(axis=1), color=colour, marker="o", label=f"{method}, {short} px, {bank}")
            ax.fill_between(SHOTS[-len(values):], values.min(axis=1), values.max(axis=1), color=colour, alpha=0.1, linewidth=0)
        ax.set_xscale("log", base=2)
        ax.set_xticks(SHOTS, [str(number) for number in SHOTS])
        ax.set_title(product)
        ax.set_xlabel("good pictures")
    axes[0, 0].set_ylabel("image AUROC")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    figure.savefig(file, dpi=90)


def table(out: Path) -> None:
    """Rows of every case whose maps are kept, as CSV, Markdown and a picture."""
    cases = [Case(file) for file in sorted(FOLDER.glob("*.npz"))]
    rows = [row for case in cases for row in track(rows_of(case), f"{case.product}, {case.network}, {case.short}")]
    for one in cases:
        if one.network == "patch_resnet":
            twins = [other for other in cases if (other.product, other.short, other.network) == (one.product, one.short, "patch_vit")]
            rows += [row for other in twins for row in hybrid_rows((one, other))]
    out.mkdir(parents=True, exist_ok=True)
    with (out / "few_pictures.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    for measure in ("auroc", "aupro"):
        print(f"\n{measure}\n\n{summary(rows, measure)}")
    plot(rows, out / "few_pictures.png")


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parts = parser.add_subparsers(dest="part", required=True)
    maps = parts.add_parser("maps", help="compare, and keep what was found")
    maps.add_argument("products", nargs="+", type=Path, help="folders of pictures, each a product")
    maps.add_argument("--networks", nargs="+", choices=NETWORKS, default=[*NETWORKS])
    maps.add_argument("--short", type=int, default=224, help="short side in pixels")
    maps.add_argument("--versions", type=int, choices=(1, 4, 8), default=8, help="of each good picture")
    maps.add_argument("--most", type=int, default=30, help="good pictures to draw from, and test pictures of a class")
    parts.add_parser("table", help="of all that is kept").add_argument("--out", type=Path, default=Path("docs"))
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, or make the table."""
    asked = options().parse_args(arguments)
    print(machine("torch"))
    if asked.part == "table":
        table(asked.out)
        return
    for folder in asked.products:
        if not folder.is_dir():
            raise SystemExit(f"{folder}: no such folder")
        for network in asked.networks:
            write_maps(folder, network, asked.short, asked.versions, asked.most)


def _some(pictures: Sequence[Picture], most: int, rng: np.random.Generator) -> list[Picture]:
    rows = np.sort(rng.permutation(len(pictures))[:most])
    return [pictures[row] for row in rows]


def _paths(folder: Path, pictures: Iterable[Picture]) -> list[Path]:
    return [folder / one.image_id for one in pictures]


def _mask(picture: Picture, size: ImageSize) -> np.ndarray:
    if picture.read_mask is None:
        return np.zeros(size, np.uint8)
    return decode_mask(picture.read_mask(), str(picture.mask), size, max_megapixels=100)


if __name__ == "__main__":
    main()
