"""How well defects are named by a few examples of each kind: `iad kinds` on folders of pictures.

Run it from the repository's top folder:

    python benchmarks/kinds.py FOLDER [FOLDER ...] [--method patch_vit] [--shots 3 5 10] [--seeds 20]

Each folder is a product in the layout of MVTec AD with two kinds of defects or more; it is only read. The method is
fitted to at most --good pictures of train/good. For each number of examples and each seed, so many pictures of each
kind are drawn as examples, and all others are named; kinds with too few pictures for that take no part. Chance is that
of the largest kind: who always names it is right so often. Deviations are over the draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measuring import command, machine

import iad
from iad.bundles.predictor import Predictor
from iad.data.given import read_pictures
from iad.data.pictures import find
from iad.kinds.descriptors import descriptors
from iad.kinds.prototypes import UNKNOWN, Prototypes
from iad.words import as_markdown

HEADER = ["product", "kinds", "examples of each", "named", "right", "unknown", "right of those named", "chance"]


def seen(predictor: Predictor, product: Path) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors of all defective test pictures, and their kinds."""
    how = predictor.bundle.preprocess
    kinds = sorted(path for path in (product / "test").iterdir() if path.is_dir() and path.name != "good")
    files = [(kind.name, file) for kind in kinds for file in find(kind)]
    found = [
        descriptors(predictor, next(iter(read_pictures(file, how.image_size, **how.limits))).pixels[None])[0]
        for _, file in files
    ]
    return np.stack(found), np.array([kind for kind, _ in files])


def row(product: str, found: np.ndarray, kinds: np.ndarray, shots: int, seeds: int) -> list[str] | None:
    """What so many examples of each kind come to; None where fewer than two kinds have one picture more."""
    names, counts = np.unique(kinds, return_counts=True)
    taking = names[counts > shots]
    if len(taking) < 2:
        return None
    rows = np.flatnonzero(np.isin(kinds, taking))
    results = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        chosen = np.concatenate([rng.permutation(rows[kinds[rows] == name])[:shots] for name in taking])
        others = np.setdiff1d(rows, chosen)
        said = np.array([one.kind for one in Prototypes.fit(found[chosen], kinds[chosen].tolist()).name(found[others])])
        truth, known = kinds[others], said != UNKNOWN
        largest = max((truth == name).mean() for name in taking)
        results.append([(said == truth).mean(), (~known).mean(), (said == truth)[known].mean(), largest])
    mean, spread = np.mean(results, axis=0), np.std(results, axis=0)
    told = [f"{one:.2f} ({deviation:.2f})" for one, deviation in zip(mean[:3], spread[:3], strict=True)]
    return [product, str(len(taking)), str(shots), str(len(others)), *told, f"{mean[3]:.2f}"]


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("products", nargs="+", type=Path)
    parser.add_argument("--method", default="patch_vit")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--good", type=int, default=60)
    parser.add_argument("--shots", nargs="+", type=int, default=[3, 5, 10])
    parser.add_argument("--seeds", type=int, default=20)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, see the defects once, name them many times."""
    asked, rows = options().parse_args(arguments), []
    print(f"{machine('torch')}\n")
    for product in asked.products:
        good = np.random.default_rng(0).permutation([one.path for one in find(product / "train/good")])[: asked.good]
        predictor = iad.fit(good.tolist(), asked.method, image_size=asked.image_size)
        found, kinds = seen(predictor, product)
        rows += [one for shots in asked.shots if (one := row(product.name, found, kinds, shots, asked.seeds))]
    print(as_markdown(HEADER, rows))


if __name__ == "__main__":
    main()
