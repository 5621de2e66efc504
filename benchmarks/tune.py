"""What `iad tune` chooses on folders of pictures, beside what all that it tried reaches on their test pictures.

Run it from the repository's top folder:

    python benchmarks/tune.py FOLDER [FOLDER ...] [--minutes 15] [--test 120]

Each folder is a product in any layout that `iad data` reads; it is only read. The search sees good training pictures
alone. Only after it has chosen are test pictures looked at: every setting that was tried scores them, with the bank of
the search, and the table says how far the choice and the settings of params.yaml lie from the best of them. Test
pictures are drawn at random where there are more than --test of a class.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measuring import command, machine, stage, write_params
from sklearn.metrics import roc_auc_score

from iad import paths
from iad.config import load_params
from iad.data.decode import decode
from iad.data.image_size import ImageSize
from iad.data.manifest import rows_of
from iad.data.originals import Originals
from iad.statistics.comparison import delong
from iad.tune.candidates import Candidate
from iad.tune.trial import Trial, resized
from iad.tune.tuning import Run
from iad.tune.views import Views
from iad.words import as_markdown

TRIED = ["product", "tried", "painted, AUROC [95 %]", "test, AUROC"]
HEADER = ["product", "pictures", "chosen", "AUROC", "before", "best tried", "chosen - before [95 %]", "minutes"]


class WithTest(Views):
    """Views that score test pictures too, behind those that choices are made by."""

    def __init__(self, run: Run, most: int) -> None:
        super().__init__(run.views.trial, run.views.runtime)
        manifest, rng, params = run.manifest, np.random.default_rng(0), run.params
        test, every = rows_of(manifest, "test"), np.asarray(manifest["label"])
        rows = np.sort(np.concatenate([rng.permutation(test[every[test] == label])[:most] for label in (0, 1)]))
        names, size = np.asarray(manifest["image_id"])[rows].tolist(), run.size(Candidate("", run.largest))
        limits = {"max_megapixels": params.data.max_megapixels, "white_16bit": params.preprocess.white_16bit}
        with Originals(paths.ORIGINALS) as originals:
            self.test = np.stack([decode(originals.read(name), name, size, **limits) for name in names])
        self.labels = every[rows]
        self.counted = self.trial.painted.shape[0] * len(self.trial.apart) + len(self.trial.apart)

    def auroc(self, run: Run, candidate: Candidate) -> float:
        """Of the test pictures."""
        return float(roc_auc_score(self.labels, self.test_scores(run, candidate)))

    def test_scores(self, run: Run, candidate: Candidate) -> np.ndarray:
        """Of the test pictures, of a candidate that was tried."""
        return self.scores(candidate.params(run.params), candidate.method, run.size(candidate))[self.counted :]

    def _asked(self, trial: Trial) -> np.ndarray:
        return np.concatenate([super()._asked(trial), resized(self.test, ImageSize.of_arrays(trial.apart))])


def measured(product: Path, minutes: float, most: int) -> tuple[list[str], list[list[str]]]:
    """The row of a product, and a row for each setting that was tried."""
    shutil.copytree(product, Path("data") / product.name)
    stage(Path.cwd(), "download")
    run = Run(load_params(), minutes)
    run.views = views = WithTest(run, most)
    began = time.monotonic()
    found = run.search()
    share = (views.counted + found.compared) / (views.counted + found.compared + len(views.test))
    spent = (time.monotonic() - began) / 60 * share
    tried = [one for _, step in found.steps for one in step]
    reached = [views.auroc(run, one.candidate) for one in tried]
    rows = [
        [product.name, one.candidate.words(), f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]", f"{auroc:.3f}"]
        for one, auroc in zip(tried, reached, strict=True)
    ]
    chosen, before = (views.test_scores(run, one) for one in (found.chosen, found.default))
    difference = delong(views.labels, chosen, before)
    good = int((views.labels == 0).sum())
    line = [
        product.name, f"{found.compared} + {found.apart}; {good} good, {len(views.labels) - good} defective",
        found.chosen.words(), f"{views.auroc(run, found.chosen):.3f}", f"{views.auroc(run, found.default):.3f}",
        f"{max(reached):.3f}",
        f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]", f"{spent:.1f}",
    ]  # fmt: skip
    return line, rows


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("products", nargs="+", type=Path, help="folders of pictures, each a product")
    parser.add_argument("--minutes", type=float, default=15.0, help="that the search may take, with test pictures")
    parser.add_argument("--test", type=int, default=120, help="test pictures of each class, at most")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, then look at test pictures; print what was tried for each product, and at the end the table."""
    asked, lines, here = options().parse_args(arguments), [], Path.cwd()
    print(f"{machine('torch')}\n")
    for product in (one.resolve() for one in asked.products):
        with tempfile.TemporaryDirectory(prefix="iad-tune-") as folder:
            os.chdir(here)
            write_params(Path(folder), {"data": {"source": "folder", "category": product.name}}, {})
            os.chdir(folder)
            try:
                line, rows = measured(product, asked.minutes, asked.test)
            finally:
                os.chdir(here)
        lines.append(line)
        print(as_markdown(TRIED, rows) + "\n\n" + as_markdown(HEADER, lines) + "\n", flush=True)


if __name__ == "__main__":
    main()
