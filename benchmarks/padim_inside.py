"""What benchmarks/padim.py measures of one data set, run in the environment that holds anomalib.

python benchmarks/padim_inside.py FOLDER, which holds train.npy and test.npy, patches float16 (N, h, w, D), and
size.npy, height and width of the pictures; writes scores.npz and found.json into it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import command, machine

from iad.detectors.padim import Options
from iad.detectors.padim.detector import Detector

ROUNDS, BATCH, ALONE = 3, 32, 20
ABSOLUTE = 0.01 + 1e-5  # what anomalib adds to each variance


def as_anomalib(patches: np.ndarray, chosen: np.ndarray) -> torch.Tensor:
    """The same features as anomalib has them, float32 `(N, d, h, w)`."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(patches[..., chosen], 3, 1), dtype=np.float32))


def anomalib_fit(train: np.ndarray, chosen: np.ndarray) -> list[torch.Tensor]:
    """Mean and inverse covariance of every place."""
    from anomalib.models.components.stats import MultiVariateGaussian

    with torch.inference_mode():
        return MultiVariateGaussian().fit(as_anomalib(train, chosen))


def anomalib_distances(stats: list[torch.Tensor], pictures: np.ndarray, chosen: np.ndarray, batch: int) -> torch.Tensor:
    """Distances `(N, 1, h, w)`, so many pictures at a time."""
    from anomalib.models.image.padim.anomaly_map import AnomalyMapGenerator

    parts = (pictures[start : start + batch] for start in range(0, len(pictures), batch))
    with torch.inference_mode():
        return torch.cat([AnomalyMapGenerator.compute_distance(as_anomalib(part, chosen), stats) for part in parts])


def anomalib_scores(distances: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """The largest value of each map at the size of the picture, smoothed, as anomalib has it."""
    from anomalib.models.image.padim.anomaly_map import AnomalyMapGenerator

    made = AnomalyMapGenerator(sigma=4)
    with torch.inference_mode():
        maps = made.smooth_anomaly_map(made.up_sample(distances, size))
        return np.asarray(maps.amax(dim=(1, 2, 3)), dtype=np.float64)


def fitted(train: np.ndarray, **options: Any) -> Detector:
    """The detector of this project."""
    return Detector(Options(**options)).fit(train)


def as_the_paper(train: np.ndarray) -> Detector:
    """The same Gaussians as anomalib's: nothing is shrunk, and as much is added to each variance."""
    return fitted(train, shrinkage="none", epsilon=ABSOLUTE / fitted(train).gaussians.variance, aggregate="max")


def shortest(jobs: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Seconds of processor of each job, the least of several rounds in which all take turns."""
    found: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            start = time.process_time()
            job()
            spent = time.process_time() - start
            found[name] = min(spent, found.get(name, spent))
    return found


def one_by_one(detector: Detector, pictures: np.ndarray) -> None:
    """Ask about each picture alone, as a line does."""
    for number in range(len(pictures)):
        detector.predict(pictures[number : number + 1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write what was found."""
    parser = command(__doc__, __file__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    train, test, size = (np.load(folder / f"{name}.npy") for name in ("train", "test", "size"))
    paper, default = as_the_paper(train), fitted(train)
    chosen, stats = default.chosen, anomalib_fit(train, default.chosen)
    distances = anomalib_distances(stats, test, chosen, BATCH)
    said, alone = paper.predict(test), test[:ALONE]
    np.savez(
        folder / "scores.npz",
        anomalib=anomalib_scores(distances, (int(size[0]), int(size[1]))), coarse=distances.amax(dim=(1, 2, 3)).numpy(),
        paper=said.pred_score, default=default.predict(test).pred_score,
    )  # fmt: skip
    maps = distances[:, 0].numpy()
    seconds = shortest({
        "anomalib, fit": lambda: anomalib_fit(train, chosen), "iad, fit": lambda: fitted(train),
        "anomalib, alone": lambda: anomalib_distances(stats, alone, chosen, 1),
        "iad, alone": lambda: one_by_one(default, alone),
        "anomalib, batch": lambda: anomalib_distances(stats, test, chosen, BATCH),
        "iad, batch": lambda: default.predict(test),
    })  # fmt: skip
    found = {
        "machine": machine("torch", "anomalib", cores=torch.get_num_threads()), "seconds": seconds,
        "features": len(chosen), "apart": float(np.abs(said.anomaly_map / maps - 1).max()),
        "pictures": {"alone": len(alone), "batch": len(test)}, "bytes": 8 * sum(
            array.size for array in (default.gaussians.whitening, default.moments.second)
        ),
    }  # fmt: skip
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
