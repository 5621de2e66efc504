"""How far explanations agree with the masks of defects, beside the method's own map, and what shuffled weights leave.

python benchmarks/explain.py [methods ...] [--data FOLDER] [--ways WAY ...] [--blurred]
Each method is fitted to good pictures: of a folder in the layout of MVTec AD, or synthetic carpets, whose defects have
exact masks. `inside` is the mean AUROC of pixels inside a defective picture; `mass` the share of what raised the score
that lies on the mask over the mask's share of the picture (1 is chance, for a map that knows nothing of where defects
tend to be), and `shuffled` the same after the weights of each layer were shuffled (Adebayo et al. 2018, arXiv
1810.03292), both with their standard errors; `alike` is the mean rank correlation of both maps; `s` the processor time
of a picture. The own map is shuffled too: where it still finds the defects, the shuffled score itself does.

Parts of a picture are replaced by those of the good picture nearest to it, as `iad explain --good` does.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from measuring import choose, command, machine
from PIL import Image
from scipy.stats import spearmanr

import iad
from iad.bundles.predictor import Predictor
from iad.compute import start
from iad.data.carpet import DEFECTS, draw
from iad.data.given import read_pictures
from iad.data.pictures import find
from iad.explain import WAYS
from iad.explain.baseline import blurred
from iad.explain.explaining import Explainer
from iad.explain.score import planes_of
from iad.export.graph import Whole
from iad.metrics.image import auroc

Defect: TypeAlias = tuple[np.ndarray, np.ndarray]
Maps: TypeAlias = dict[str, list[np.ndarray]]
MEGAPIXELS = 50.0  # of a picture at most
OWN = "own map"
METHODS = ("ae", "resnet", "vit", "patch_resnet", "patch_vit", "hybrid")


def carpets(asked: Namespace) -> tuple[np.ndarray, list[Defect]]:
    """Good carpets uint8 `(N, S, S, 3)`, and defective ones of each kind in turn with their masks."""
    size, kinds = asked.image_size, list(DEFECTS)
    good = np.stack([draw(0, 0, number, size, None)[0] for number in range(asked.good)])
    return good, [draw(0, 1, number, size, kinds[number % len(kinds)]) for number in range(asked.bad)]


def of_folder(asked: Namespace) -> tuple[np.ndarray, list[Defect]]:
    """The same of a folder, evenly chosen; defective pictures without a mask are left out."""
    size = (asked.image_size, asked.image_size)
    masks = sorted((asked.data / "ground_truth").glob("*/*_mask.png"))
    files = {mask: asked.data / "test" / mask.parent.name / mask.name.replace("_mask", "") for mask in masks}
    masks = [mask for mask in evenly(masks, asked.bad) if files[mask].exists()]
    good = read_pictures(evenly(find(asked.data / "train" / "good"), asked.good), size, max_megapixels=MEGAPIXELS)
    bad = [
        (picture.pixels, np.array(Image.open(mask).convert("L").resize(size, Image.Resampling.BOX)) > 0)
        for mask in masks for picture in read_pictures(files[mask], size, max_megapixels=MEGAPIXELS)
    ]  # fmt: skip
    return np.stack([one.pixels for one in good]), bad


def evenly(some: Sequence, count: int) -> list:
    """As many of them, at even distances."""
    return [some[place] for place in np.linspace(0, len(some) - 1, min(count, len(some))).round().astype(int)]


def mass(values: np.ndarray, mask: np.ndarray) -> float:
    """Share of what is positive on the mask, over the mask's share of the picture."""
    raised = np.clip(values, 0, None)
    return float(raised[mask].sum() / max(float(raised.sum()), 1e-30) / mask.mean())


def shuffle(parts: Iterable[torch.nn.Parameter]) -> None:
    """Shuffle the weights of each layer."""
    generator = torch.Generator().manual_seed(1)
    for value in parts:
        value.data = value.data.flatten()[torch.randperm(value.numel(), generator=generator)].view_as(value)


def own_maps(predictor: Predictor, explainer: Explainer, bad: Sequence[Defect]) -> list[np.ndarray]:
    """The method's own maps, with the weights that the explainer's score has now."""
    whole = Whole(predictor.bundle, "", predictor.fitted).eval()
    if explainer.score is not None:
        whole.load_state_dict(dict(explainer.score.whole.named_parameters()), strict=False)
    with torch.no_grad():
        return [whole(planes_of(picture))[3].numpy() for picture, _ in bad]


def explained(explainer: Explainer, bad: Sequence[Defect], bases: Sequence[np.ndarray]) -> tuple[Maps, dict]:
    """Maps of every way, and the processor time of a picture."""
    found: Maps = {way: [] for way in explainer.asked}
    taken = dict.fromkeys(explainer.asked, 0.0)
    for (picture, _), base in zip(bad, bases, strict=True):
        for way in explainer.asked:
            begun = time.process_time()
            found[way].append(explainer.map_of(way, picture, base))
            taken[way] += (time.process_time() - begun) / len(bad)
    return found, taken


def row(maps: Sequence[np.ndarray], after: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> str:
    """Cells of one way."""
    inside = [auroc(mask.ravel().astype(int), one.ravel()) or 0.0 for one, mask in zip(maps, masks, strict=True)]
    shares = [with_error([mass(one, mask) for one, mask in zip(some, masks, strict=True)]) for some in (maps, after)]
    varied = [pair for pair in zip(maps, after, strict=True) if all(one.std() for one in pair)]
    alike = np.mean([spearmanr(one.ravel(), other.ravel()).statistic for one, other in varied]) if varied else np.nan
    return f"{np.mean(inside):.3f} | {' | '.join(shares)} | {alike:.2f}"


def with_error(values: Sequence[float]) -> str:
    """A mean with its standard error."""
    return f"{np.mean(values):.2f} ({np.std(values, ddof=1) / len(values) ** 0.5:.2f})"


def measure(method: str, good: np.ndarray, bad: Sequence[Defect], asked: Namespace) -> None:
    """Print the rows of a method."""
    predictor = iad.fit(good, method, image_size=asked.image_size, device="cpu", threshold={"alpha": 0.3})
    explainer = Explainer(predictor, asked.ways)
    bases = [blurred(picture) if asked.blurred else nearest(picture, good) for picture, _ in bad]
    found, taken = explained(explainer, bad, bases)
    found = {OWN: own_maps(predictor, explainer, bad)} | found
    shuffle(() if explainer.score is None else explainer.score.parameters())
    after: Mapping[str, list[np.ndarray]] = {OWN: own_maps(predictor, explainer, bad)} | explained(
        explainer, bad, bases
    )[0]
    for way, maps in found.items():
        spent = f"{taken[way]:.1f}" if way in taken else ""
        print(
            f"| {method} | {way} | {row(maps, after[way], [mask.astype(bool) for _, mask in bad])} | {spent} |",
            flush=True,
        )


def nearest(picture: np.ndarray, good: np.ndarray) -> np.ndarray:
    """The good picture whose pixels are nearest to these."""
    apart = np.square(good.astype(np.float32) - picture).mean(axis=(1, 2, 3))
    return np.asarray(good[apart.argmin()])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = command(__doc__, __file__)
    choose(parser, "methods", METHODS, "(default: patch_resnet)")
    parser.add_argument("--data", type=Path, help="a folder in the layout of MVTec AD (default: carpets)")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS, help="default: all")
    parser.add_argument("--blurred", action="store_true", help="replace parts by a blurred copy, as without --good")
    parser.add_argument("--good", type=int, default=24, help="pictures to fit to (default: 24)")
    parser.add_argument("--bad", type=int, default=10, help="defective pictures (default: 10)")
    parser.add_argument("--image-size", type=int, default=128, help="default: 128")
    asked = parser.parse_args(arguments)
    start(device="cpu", precision="fp32", threads=1)
    good, bad = of_folder(asked) if asked.data else carpets(asked)
    print(machine("torch", "captum", cores=1), f"; {len(good)} good, {len(bad)} defective", sep="")
    print("\n| method | way | inside | mass | shuffled | alike | s |\n|:--|:--|--:|--:|--:|--:|--:|", flush=True)
    for method in asked.methods or ["patch_resnet"]:
        measure(method, good, bad, asked)


if __name__ == "__main__":
    main()
