"""AUROC of the classical detectors beside kNN, on the embeddings of both backbones, with intervals.

Run it after `make repro`, from the repository's top folder: python benchmarks/classical.py [folder of stages ...]
Options are those of params.yaml, embeddings as they are and standardised. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import BACKBONES, Run, command, machine, with_interval

from iad import paths
from iad.config import Params, load_params
from iad.detectors import detector_class, detector_names, section_of
from iad.errors import IadError


def classical_names() -> list[str]:
    """Detectors whose options stand in the section `classical`, sorted."""
    return [name for name in detector_names() if section_of(name).startswith("classical.")]


def scores_of(name: str, train: np.ndarray, test: np.ndarray, *, standardize: bool, params: Params) -> np.ndarray:
    """Scores of the test pictures by one detector."""
    options: Any = params.options(section_of(name))
    if "standardize" in type(options).model_fields:
        options = options.model_copy(update={"standardize": standardize})
    detector = detector_class(name)(options, seed=params.seed)
    return detector.fit(train).predict(test).pred_score


def table(stages: Path, params: Params) -> dict[str, list[str]]:
    """Print the table of one data set."""
    run, chosen = Run(stages), params.evaluate
    cells: dict[str, list[str]] = {}
    print(f"\n{len(run.train)} good pictures train, {len(run.test)} test\n")
    print("| detector | CNN | CNN, standardised | ViT | ViT, standardised |\n|---|---|---|---|---|")
    for name in ["knn", *classical_names()]:
        title = "kNN" if name == "knn" else name
        cells[title] = []
        for folder in BACKBONES.values():
            pooled = run.array(folder / paths.FEATURES)
            for standardize in (False, True):
                if name == "zscore" and standardize:
                    cells[title].append("the same")
                    continue
                try:
                    scores = scores_of(
                        name, pooled[run.train], pooled[run.test], standardize=standardize, params=params
                    )
                except IadError as refusal:
                    print(f"refused: {refusal}", file=sys.stderr)
                    cells[title].append("-")
                    continue
                cells[title].append(with_interval(
                    run.labels, scores, draws=chosen.bootstrap, confidence=chosen.confidence, seed=params.seed, digits=3
                ))  # fmt: skip
        print(f"| `{title}` | {' | '.join(cells[title])} |", flush=True)
    return cells


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("folders", nargs="*", type=Path, default=[paths.STAGES], help="of stages (default: stages)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of each folder."""
    asked, params = options().parse_args(arguments), load_params()
    print(machine("scikit-learn"))
    print(json.dumps([table(folder, params) for folder in asked.folders]))


if __name__ == "__main__":
    main()
