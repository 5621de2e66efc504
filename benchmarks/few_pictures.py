"""One, two, four, eight, sixteen good pictures: what turned copies, size, foreground and both networks bring.

Run it from the repository's top folder:

    python benchmarks/few_pictures.py FOLDER [FOLDER ...] --networks patch_vit AnomalyDINO --short 224 448

Each folder is a product in any layout that `iad data` reads. Scores are those of `iad.detectors.patch`, and beside them
those of AnomalyDINO (Damm et al., WACV 2025, arXiv 2405.14529), which needs no training either, with the same weights
on the same pixels: last block, unit length, cosine distance, mean of the worst 1 % of patches; with pictures as they
are, as in anomalib 2.7, and with eight turns (--versions 8), as in the paper.

A draw takes 16 of a pool of good pictures at random, and fewer pictures are the first of them; the pool and the test
pictures are drawn by one fixed seed. Near copies in the pool are told. AUPRO is that of maps of 112 px on the short
side.
What pictures are compared to is kept in the cache folder, so that a table of the same products is made again at once.
Whoever chooses by this table chooses on test labels.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from few_maps import LARGE, NETWORKS, PEER, file_of, is_kept, write_maps
from measuring import command, machine, maps_of

from iad.data.image_size import ImageSize
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
from iad.metrics.image import auroc
from iad.metrics.localization import aupro
from iad.metrics.pixels import PixelPictures, count_pixels
from iad.progress import track
from iad.report import Evaluate
from iad.words import as_markdown, counted

SHOTS, SEEDS = (1, 2, 4, 8, 16), 5
PLAIN, TURNS, MIRRORED, EIGHTHS, OBJECT = (
    "as they are", "quarter turns", "quarter turns, mirrored", "eight turns", "foreground: pca"
)  # fmt: skip
HELD = {PLAIN: 1, TURNS: 4, MIRRORED: 8}  # versions of each picture
OPTIONS = Options()
NO_PICTURE = MemoryBank(np.zeros((1, 1, 1, 1), np.float32))  # the worst patches need no bank
HEADER = ("product", "short side", "method", "bank", "shots", "seed", "auroc", "aupro", "left_out", "turned")
DRAWN = {
    ("patch_resnet", 224, PLAIN): "#1f77b4", ("patch_resnet", 224, TURNS): "#17becf",
    ("patch_vit", 224, PLAIN): "#d62728", ("patch_vit", 224, TURNS): "#ff7f0e",
    ("patch_vit", 448, PLAIN): "#9467bd", (PEER, 224, PLAIN): "#2ca02c", (PEER, 448, PLAIN): "#8c564b",
}  # fmt: skip


class Case:
    """What one network sees of one product at one size, and the scores of any bank."""

    def __init__(self, file: Path) -> None:
        self.product, self.network, short = file.stem.split(",")
        self.short, found = int(short), np.load(file)
        self.maps, self.patches, self.labels = (found[name] for name in ("maps", "patches", "labels"))
        self.masks, self.masked, self.near = found["masks"], found["masked"], int(found["near"])
        self.tested = len(self.labels)
        self.turns = self.maps.shape[1] >= HELD[TURNS] and self.short < LARGE

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


class Draws:
    """Which pictures of the pool are drawn, for each seed and number of pictures, and the rows of what they give."""

    def __init__(self, shots: Sequence[int], seeds: int) -> None:
        self.shots, self.seeds = shots, seeds

    def of(self, case: Case) -> Iterator[tuple[int, int, np.ndarray]]:
        """Seed, number of pictures, and which of the pool."""
        for seed in range(self.seeds):
            order = np.random.default_rng(seed).permutation(len(case.maps))
            yield from ((seed, shots, order[:shots]) for shots in self.shots)

    def rows(self, case: Case) -> Iterator[dict[str, Any]]:
        """A row for each draw and bank."""
        kinds = banks_of(case)
        for seed, shots, drawn in self.of(case):
            good = good_alone(case, drawn)
            for bank, predict in kinds.items():
                yield _row(case, case.network, bank, seed, shots, case.measures(predict(drawn))) | good

    def hybrid_rows(self, members: Sequence[Case]) -> Iterator[dict[str, Any]]:
        """The same of both networks as one, where enough good pictures set their scales."""
        for bank, versions in ((PLAIN, 1), (TURNS, 4)):
            if not all(one.turns or versions == 1 for one in members):
                continue
            for seed, shots, drawn in self.of(members[0]):
                if shots >= FEWEST:
                    hybrid = Hybrid(HybridOptions(members=tuple(one.network for one in members)))
                    hybrid.align({one.network: one.left_out(drawn, versions) for one in members})
                    found = hybrid.combine({one.network: one.predict(drawn, versions) for one in members})
                    yield _row(members[0], "hybrid", bank, seed, shots, members[0].measures(found))


def banks_of(case: Case) -> dict[str, Callable[[np.ndarray], Prediction]]:
    """What scores the test pictures, by what the bank holds of those that are drawn."""
    held = {PLAIN: 1, EIGHTHS: 8} if case.network == PEER else HELD
    some = {bank: versions for bank, versions in held.items() if versions <= case.maps.shape[1]}
    banks: dict[str, Callable[[np.ndarray], Prediction]] = {
        bank: partial(case.predict, versions=versions) for bank, versions in some.items()
    }
    if case.network != PEER:
        banks[OBJECT] = case.of_object
    return banks


def good_alone(case: Case, drawn: np.ndarray) -> dict[str, float]:
    """Mean score of the drawn pictures, each without itself, and of their quarter turns: no test picture counts."""
    if len(drawn) < 2 or case.network == PEER:
        return {}
    found = {"left_out": case.left_out(drawn, 1)}
    if case.turns:
        found["turned"] = case.left_out(drawn, 4, turned=True)
    return {name: float(one.pred_score.mean()) for name, one in found.items()}


def _row(case: Case, method: str, bank: str, seed: int, shots: int, found: tuple[float, float]) -> dict[str, Any]:
    return dict(zip(HEADER, (case.product, case.short, method, bank, shots, seed, *found), strict=False))


def summary(rows: Sequence[Mapping[str, Any]], measure: str, shots: Sequence[int]) -> str:
    """Mean, least and largest over the draws of a bank as pictures are; of others what they gain, draw by draw."""
    table: dict[tuple[Any, ...], dict[tuple[int, int], float]] = {}
    for row in rows:
        key = tuple(row[name] for name in HEADER[:4])
        table.setdefault(key, {})[row["shots"], row["seed"]] = row[measure]
    lines = []
    for key, values in sorted(table.items()):
        plain = {} if key[3] == PLAIN else table[*key[:3], PLAIN]
        found = [[values[at] - plain.get(at, 0) for at in values if at[0] == number] for number in shots]
        lines.append([*map(str, key), *(_spread(one, "+" if plain else "") for one in found)])
    return as_markdown([*HEADER[:4], *(counted(number, "picture") for number in shots)], lines)


def _spread(values: Sequence[float], sign: str) -> str:
    return f"{np.mean(values):{sign}.3f} ({min(values):{sign}.2f} to {max(values):{sign}.2f})" if values else ""


def plot(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Both measures by number of pictures, a column per product; bands from the worst draw to the best."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    products = sorted({row["product"] for row in rows})
    size = (3.4 * len(products), 6)
    figure, axes = plt.subplots(2, len(products), figsize=size, layout="constrained", squeeze=False, sharex=True)
    for measure, name, line in zip(("auroc", "aupro"), ("image AUROC", "AUPRO"), axes, strict=True):
        for ax, product in zip(line, products, strict=True):
            _curves(ax, [row for row in rows if row["product"] == product], measure)
            ax.grid(alpha=0.3)
        line[0].set_ylabel(name)
    for product, top, bottom in zip(products, *axes, strict=True):
        top.set_title(product)
        bottom.set_xlabel("good pictures")
    shown = {name: one for ax in axes.flat for one, name in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(file, dpi=90)


def _curves(ax: Any, rows: Sequence[Mapping[str, Any]], measure: str) -> None:
    for (method, short, bank), colour in DRAWN.items():
        found: dict[int, list[float]] = {}
        for row in rows:
            if (row["method"], row["short side"], row["bank"]) == (method, short, bank):
                found.setdefault(row["shots"], []).append(row[measure])
        if found:
            means, low, high = zip(*((np.mean(one), min(one), max(one)) for one in found.values()), strict=True)
            ax.plot([*found], means, color=colour, marker="o", label=f"{method}, {short} px, {bank}")
            ax.fill_between([*found], low, high, color=colour, alpha=0.1, linewidth=0)
            ax.set_xscale("log", base=2)
            ax.set_xticks([*found], [str(number) for number in found])


def report(cases: Sequence[Case], drawn: Draws, out: Path) -> None:
    """Every row as CSV, tables of them, and a picture."""
    rows = [row for one in cases for row in track(drawn.rows(one), f"{one.product}, {one.network}, {one.short}")]
    found = {(one.product, one.short, one.network): one for one in cases}
    for (product, short, network), one in found.items():
        if network == "patch_resnet" and (other := found.get((product, short, "patch_vit"))):
            rows += drawn.hybrid_rows((one, other))
    out.mkdir(parents=True, exist_ok=True)
    with (out / "few_pictures.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    for measure in ("auroc", "aupro"):
        print(f"\n{measure}\n\n{summary(rows, measure, drawn.shots)}")
    plot(rows, out / "few_pictures.png")


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("products", nargs="+", type=Path, help="folders of pictures, each a product")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=[*NETWORKS])
    parser.add_argument("--short", nargs="+", type=int, default=[224], help="short sides in pixels")
    parser.add_argument("--versions", type=int, choices=(1, 4, 8), default=4, help="of each good picture in the bank")
    parser.add_argument("--most", type=int, default=30, help="good pictures to draw from, and test pictures of a class")
    parser.add_argument("--shots", nargs="+", type=int, default=[*SHOTS], help="numbers of good pictures")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="draws")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for few_pictures.csv and few_pictures.png")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare what was not compared before, and print the tables."""
    asked = options().parse_args(arguments)
    print(machine("torch"))
    cases = []
    for folder in asked.products:
        if not folder.is_dir():
            raise SystemExit(f"{folder}: no such folder")
        for network in asked.networks:
            for short in asked.short:
                file = file_of(folder.resolve().name, network, short)
                if not is_kept(file, asked.versions, asked.most):
                    write_maps(folder.resolve(), network, short, asked.versions, asked.most)
                cases.append(Case(file))
                near = f", {cases[-1].near} of them nearly another" if cases[-1].near else ""
                print(f"{folder}, {network}, {short} px: {len(cases[-1].maps)} good pictures to draw from{near}")
    report(cases, Draws(asked.shots, asked.seeds), asked.out)


if __name__ == "__main__":
    main()
