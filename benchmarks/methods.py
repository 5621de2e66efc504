"""Every method on the same embeddings: AUROC with its interval, time to fit and to score, and what is kept.

Run it after the extract stages, from the repository's top folder: python benchmarks/methods.py [folder of stages ...]
(--method padim, which may be repeated). Options are those of params.yaml, and none is chosen by what this prints. Test
scores are taken from the stage `score` where it ran, else made here; methods of no backbone (autoencoder, hybrid) are
in the table where their scores are there. Times are seconds of processor without the network: to fit, and for one
picture alone, the median of a few; megabytes are the arrays of a fitted detector. The last line is JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import BACKBONES, Run, choose, command, machine, with_interval

from iad import paths
from iad.config import Params, load_params
from iad.detectors import detector_class, detector_names, section_of
from iad.detectors.base import Detector
from iad.detectors.embeddings import Embeddings
from iad.errors import IadError
from iad.words import as_markdown

ALONE = 7
SETTLED = 10  # pictures after which a bank has made what speeds its search up
DRAWS = 2000
STORED = ("ae", "hybrid")


def methods() -> dict[str, tuple[str, str]]:
    """Detector and backbone of every method that reads a backbone, by name."""
    classical = {name: (name, "vit") for name in detector_names() if section_of(name).startswith("classical.")}
    both = {
        name if detector == "knn" else f"{detector}_{name}": (detector, name)
        for detector in ("knn", "patch", "padim", "subspace") for name in BACKBONES
    }  # fmt: skip
    return both | classical


def embeddings(run: Run, backbone: str) -> Embeddings:
    """What a backbone's stage left of all pictures."""
    stage = BACKBONES[backbone]
    return Embeddings(pooled=run.array(stage / paths.FEATURES), patches=run.array(stage / paths.PATCHES))


def seconds_alone(detector: Detector[Any], pictures: Embeddings) -> float:
    """Seconds of processor for one picture, the median of some asked about one by one, once a search has settled."""
    detector.predict(pictures.take(np.arange(min(SETTLED, len(pictures)))))
    spent = []
    for number in range(min(ALONE, len(pictures))):
        one, start = pictures.take(np.array([number])), time.process_time()
        detector.predict(one)
        spent.append(time.process_time() - start)
    return float(np.median(spent))


def stored_scores(run: Run, method: str) -> np.ndarray | None:
    """Test scores of the stage `score`, if it ran."""
    if method not in run.methods(paths.TEST_SCORES):
        return None
    return np.asarray(run.scores(method, paths.TEST_SCORES)["score"])


def measured(run: Run, method: str, params: Params) -> dict[str, Any]:
    """One method: fitted here, its AUROC, and what it takes."""
    kind, backbone = methods()[method]
    given = embeddings(run, backbone)
    detector = detector_class(kind)(params.options(section_of(kind)), seed=params.seed)
    test = given.take(run.test)
    start = time.process_time()
    detector.fit(given.take(run.train))
    fit = time.process_time() - start
    scores = stored_scores(run, method)
    if scores is None:
        scores = detector.predict(test).pred_score
    kept = sum(array.nbytes for array in detector.state().arrays.values()) / 1e6
    return {"auroc": interval(run, scores), "fit": fit, "alone": seconds_alone(detector, test), "kept": kept}


def interval(run: Run, scores: np.ndarray) -> str:
    """AUROC [95 %]."""
    return with_interval(run.labels, scores, draws=DRAWS, digits=3)


def table(stages: Path, chosen: Sequence[str], params: Params) -> dict[str, dict[str, Any]]:
    """Print the table of one data set."""
    run, found = Run(stages), {}
    print(f"\n{stages}: {len(run.train)} good pictures train, {len(run.test)} test ({run.labels.sum()} defective)\n")
    for method in chosen:
        try:
            found[method] = measured(run, method, params)
        except IadError as refusal:
            print(f"{method} refused: {refusal}", flush=True)
    found |= {
        name: {"auroc": interval(run, scores)}
        for name in STORED if (scores := stored_scores(run, name)) is not None
    }  # fmt: skip
    rows = [
        [f"`{name}`", one["auroc"], *([f"{one['fit']:.2f}", f"{1e3 * one['alone']:.1f}", f"{one['kept']:.1f}"]
                                    if "fit" in one else [""] * 3)]
        for name, one in found.items()
    ]  # fmt: skip
    print(as_markdown(["method", "AUROC [95 %]", "fit, s", "one picture, ms", "kept, MB"], rows), flush=True)
    return found


def options() -> Any:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("folders", nargs="*", type=Path, default=[paths.STAGES], help="of stages (default: stages)")
    choose(parser, "--method", methods(), "one of them alone, or several")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of each folder."""
    asked, params = options().parse_args(arguments), load_params()
    print(machine("scikit-learn", "torch"))
    chosen = asked.method or list(methods())
    print(json.dumps({str(folder): table(folder, chosen, params) for folder in asked.folders}))


if __name__ == "__main__":
    main()
