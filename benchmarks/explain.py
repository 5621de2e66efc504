"""How far explanations agree with the masks of defects, beside the method's own map, and what random weights leave.

python benchmarks/explain.py [methods ...] [--ways WAY ...] [--good 24] [--bad 16] [--image-size 128]
Each method is fitted to synthetic carpets, whose defects have exact masks. `inside` is the mean AUROC of pixels inside
a defective picture, `mass` the share of what raised the score that lies on the mask over the mask's share of the
picture (1 is chance, for a map that knows nothing of where defects tend to be), with its standard error; `random` is
the mass after the weights of each layer were shuffled (Adebayo et al. 2018, arXiv 1810.03292), `s` the processor time
of a picture.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from measuring import choose, command, machine

import iad
from iad.compute import start
from iad.data.carpet import DEFECTS, draw
from iad.explain import WAYS
from iad.explain.baseline import blurred
from iad.explain.explaining import Explainer
from iad.metrics.image import auroc

Defect: TypeAlias = tuple[np.ndarray, np.ndarray]
OWN = "own map"


def mass(values: np.ndarray, mask: np.ndarray) -> float:
    """Share of what is positive on the mask, over the mask's share of the picture."""
    raised = np.clip(values, 0, None)
    return float(raised[mask].sum() / max(float(raised.sum()), 1e-30) / mask.mean())


def shuffle(explainer: Explainer) -> None:
    """Shuffle the weights of each layer of what the score is made with."""
    generator = torch.Generator().manual_seed(1)
    for value in () if explainer.score is None else explainer.score.parameters():
        value.data = value.data.flatten()[torch.randperm(value.numel(), generator=generator)].view_as(value)


def maps_of(explainer: Explainer, bad: Sequence[Defect]) -> tuple[dict[str, list[np.ndarray]], dict[str, float]]:
    """Maps of every way, and the processor time of a picture."""
    found: dict[str, list[np.ndarray]] = {way: [] for way in explainer.asked}
    taken = dict.fromkeys(explainer.asked, 0.0)
    for picture, _ in bad:
        for way in explainer.asked:
            begun = time.process_time()
            found[way].append(explainer.map_of(way, picture, blurred(picture)))
            taken[way] += (time.process_time() - begun) / len(bad)
    return found, taken


def rows(
    method: str, found: Mapping[str, list[np.ndarray]], after: Mapping[str, list[np.ndarray]],
    taken: Mapping[str, float], bad: Sequence[Defect],
) -> None:  # fmt: skip
    """Print a row per way."""
    masks = [mask.astype(bool) for _, mask in bad]
    for way, maps in found.items():
        inside = [auroc(mask.ravel().astype(int), one.ravel()) or 0.0 for one, mask in zip(maps, masks, strict=True)]
        before, later = (
            [mass(one, mask) for one, mask in zip(some, masks, strict=False)] for some in (maps, after.get(way, []))
        )
        error = np.std(before) / len(before) ** 0.5
        random = f"{np.mean(later):.2f}" if later else ""
        spent = f"{taken[way]:.2f}" if way in taken else ""
        print(
            f"| {method} | {way} | {np.mean(inside):.3f} | {np.mean(before):.1f} ({error:.1f}) | {random} | {spent} |"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = command(__doc__, __file__)
    choose(parser, "methods", ("ae", "resnet", "vit", "patch_resnet", "patch_vit"), "(default: patch_resnet)")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS, help="default: all")
    parser.add_argument("--good", type=int, default=24, help="carpets to fit to (default: 24)")
    parser.add_argument("--bad", type=int, default=16, help="defective carpets (default: 16)")
    parser.add_argument("--image-size", type=int, default=128, help="default: 128")
    asked = parser.parse_args(arguments)
    start(device="cpu", precision="fp32", threads=1)
    print(machine("torch", "captum", cores=1))
    print("\n| method | way | inside | mass | random | s |\n|:--|:--|--:|--:|--:|--:|", flush=True)
    size, kinds = asked.image_size, list(DEFECTS)
    good = np.stack([draw(0, 0, number, size, None)[0] for number in range(asked.good)])
    bad = [draw(0, 1, number, size, kinds[number % len(kinds)]) for number in range(asked.bad)]
    for method in asked.methods or ["patch_resnet"]:
        predictor = iad.fit(good, method, image_size=size, device="cpu", threshold={"alpha": 0.3})
        explainer = Explainer(predictor, asked.ways)
        own = [one.anomaly_map for one in predictor.predict(np.stack([picture for picture, _ in bad]))]
        found, taken = maps_of(explainer, bad)
        shuffle(explainer)
        after, _ = maps_of(explainer, bad)
        rows(method, {OWN: [one for one in own if one is not None]} | found, after, taken, bad)


if __name__ == "__main__":
    main()
