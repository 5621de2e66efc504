"""What a region of interest brings: a product fitted with and without one, and its tray under other light.

python benchmarks/roi.py FOLDER REGION [METHOD ...] [--pictures FILE.png] [--image-size 224] [--alpha 0.05]
FOLDER holds a product in the layout of MVTec AD, REGION is a file as `data/<name>/roi.*` is; draw it from good pictures
alone. Each method is fitted by `iad.fit` to `train/good`, without and with the region, and inspects `test`. Pixels are
compared inside of the region in both cases. "disturbed" are the good test pictures whose outside, two pixels of the
prepared picture away from the region, is turned upside down and darkened by 30 %: the part itself is the same to the
last bit. Prints one Markdown table; the picture shows the worst misses and false alarms under their maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measuring import command, machine, with_interval
from PIL import Image
from scipy.ndimage import binary_dilation

import iad
from iad.bundles.predictor import Predictor
from iad.data.decode import decode, decode_mask
from iad.data.region import as_region, region_at
from iad.metrics.localization import metrics_of
from iad.metrics.pixels import PixelPictures, count_pixels
from iad.report.overlay import overlay
from iad.statistics.comparison import delong
from iad.words import as_markdown

HEADER = [
    "method", "region", "AUROC [95 %]", "difference [95 %]", "false alarms", "disturbed", "misses", "pixel AUROC",
    "AUPRO",
]  # fmt: skip
DRAWS, MEGAPIXELS = 2000, 100.0
DARK, MARGIN, SHOWN = 0.7, 2, 6


@dataclass(frozen=True, eq=False)
class Case:
    """Test pictures as files, what is known of them, and the region at the size that it was drawn at."""

    files: list[Path]
    labels: np.ndarray
    masks: list[Path | None]
    region: np.ndarray

    @classmethod
    def of(cls, folder: Path, region: Path) -> Case:
        """The test pictures of a folder."""
        files = sorted(path for path in (folder / "test").glob("*/*") if path.is_file())
        labels = np.array([int(path.parent.name != "good") for path in files])
        masks = [folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png" for path in files]
        with Image.open(files[0]) as image:
            sizes = np.array([image.size[::-1]])
        drawn = as_region(region, sizes, [files[0].name], max_megapixels=MEGAPIXELS)
        return cls(files, labels, [path if path.is_file() else None for path in masks], drawn)

    def disturbed(self, size: tuple[int, int]) -> list[np.ndarray]:
        """Good test pictures whose outside is another one."""
        height, width = self.region.shape
        margin = -(-MARGIN * max(height, width) // max(size))
        near = binary_dilation(self.region, iterations=margin)
        found = []
        for path in np.array(self.files)[self.labels == 0]:
            picture = decode(path.read_bytes(), str(path), (height, width), max_megapixels=MEGAPIXELS)
            other = (DARK * picture[::-1]).astype(np.uint8)
            found.append(np.where(near[..., None], picture, other))
        return found


def measured(case: Case, name: str, predictor: Predictor, scores_without: np.ndarray | None) -> tuple[list[str], list]:
    """A row of the table, and the verdicts on the test pictures."""
    size = predictor.bundle.preprocess.image_size
    said = list(predictor.predict(case.files))
    scores, rejected = (np.array([getattr(one, what) for one in said]) for what in ("pred_score", "rejected"))
    disturbed = sum(bool(one.rejected) for one in predictor.predict(case.disturbed(size), maps=False))
    inside, good = region_at(case.region, size, origin="roi"), case.labels == 0
    marks = [
        np.zeros(size, np.uint8) if path is None
        else decode_mask(path.read_bytes(), str(path), size, max_megapixels=MEGAPIXELS) * inside
        for path in case.masks
    ]  # fmt: skip
    kept = [row for row, mask in enumerate(marks) if case.labels[row] == 0 or mask.any()]
    pixels = metrics_of(count_pixels(PixelPictures(
        [said[row].anomaly_map for row in kept], [marks[row] for row in kept], case.labels[kept], region=inside
    )))  # fmt: skip
    versus = None if scores_without is None else delong(case.labels, scores, scores_without)
    return [
        name, "none" if scores_without is None else "drawn", with_interval(case.labels, scores, draws=DRAWS, digits=3),
        "-" if versus is None else f"{versus.value:+.3f} [{versus.low:+.3f}, {versus.high:+.3f}]",
        f"{int(rejected[good].sum())} of {int(good.sum())}", f"{disturbed} of {int(good.sum())}",
        f"{int((~rejected[~good].astype(bool)).sum())} of {int((~good).sum())}",
        f"{pixels.auroc:.3f}", f"{pixels.aupro:.3f}",
    ], said  # fmt: skip


def sheet(case: Case, predictor: Predictor, said: list) -> np.ndarray:
    """Good pictures with the highest scores, and defective ones with the lowest, under their maps."""
    scores, size = np.array([one.pred_score for one in said]), predictor.bundle.preprocess.image_size
    lines = []
    for label, sign in ((0, -1), (1, 1)):
        rows = np.flatnonzero(case.labels == label)
        rows = rows[np.argsort(sign * scores[rows])][:SHOWN]
        pictures = [decode(case.files[row].read_bytes(), str(case.files[row]), size, max_megapixels=MEGAPIXELS)
                    for row in rows]  # fmt: skip
        dark = np.where(region_at(case.region, size, origin="roi")[..., None], 1.0, DARK / 2)
        shown = [overlay((one * dark).astype(np.uint8), said[row].anomaly_map, predictor.bundle.maps.scale)
                 for row, one in zip(rows, pictures, strict=True)]  # fmt: skip
        lines.append(np.concatenate(shown, axis=1))
    return np.concatenate(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, inspect, print."""
    parser = command(__doc__, __file__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("region", type=Path)
    parser.add_argument("methods", nargs="*", default=["patch_resnet", "patch_vit"])
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--alpha", type=float, default=0.05)
    given = parser.parse_args(arguments)
    case, rows, pictures = Case.of(given.folder, given.region), [], []
    for method in given.methods:
        before = None
        for roi in (None, case.region):
            predictor = iad.fit(
                given.folder / "train/good", method, roi=roi, image_size=given.image_size,
                threshold={"strategy": "conformal", "alpha": given.alpha},
            )  # fmt: skip
            row, said = measured(case, method, predictor, before)
            before = np.array([one.pred_score for one in said])
            rows.append(row)
            pictures.append(sheet(case, predictor, said))
    print(
        f"{given.folder.name}: the region keeps {case.region.mean():.0%} of the picture; {machine('torch', 'timm')}\n"
    )
    print(as_markdown(HEADER, rows))
    if given.pictures:
        Image.fromarray(np.concatenate(pictures)).save(given.pictures)


if __name__ == "__main__":
    main()
