"""The test of parts as they come: false alarms in simulated runs, and how soon a change of real pictures is found.

    python benchmarks/drift.py runs [--runs 1000] [--parts 10000]
    python benchmarks/drift.py pictures FOLDER... [--method resnet]

`runs`: scores of calibration and of parts are drawn of one law, in each run anew; so are traits of pictures. The alarm
rate is 1 in 1,000 whole runs, half of it for scores and half for pictures. With defective parts, and with ones that
nobody notices, which the hypothesis leaves out.

`pictures`: of each folder in MVTec layout, good pictures are dealt at random into two halves. The first is fitted, and
calibrates; the second are the parts of a line, drawn with replacement since they are few: 1,000 as they are, or none,
then changed ones, up to 2,000. Foreign parts are those of the next folder. Each line is drawn 10 times. The last line
is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import command, machine
from PIL import Image, ImageFilter

import iad
from iad.bundles.predictor import Predictor
from iad.data.pictures import find
from iad.decision.conformal import conformal
from iad.serve.drift import ALARM_RATE, DEFECTS
from iad.serve.drift.causes import likely_causes
from iad.serve.drift.exchange import ExchangeTest
from iad.serve.drift.keeping import reference_of
from iad.serve.drift.parts import KINDS, PartTest, Reference
from iad.words import as_markdown

CALIBRATION, TRAITED, TRAITS, ALPHA = 200, 50, 8, 0.05
BEFORE, AFTER, DRAWS = 1000, 2000, 10
NEEDED = np.log(len(KINDS) / ALARM_RATE)
LINES = {  # share of defective parts, and share of these that score as usual parts do
    "good parts alone": (0.0, 0.0), "1 % defective": (0.01, 0.0), "3 % defective": (0.03, 0.0),
    "3 % defective, 20 % of them just below the threshold": (0.03, 0.2),
    "3 % defective, 50 % of them just below the threshold": (0.03, 0.5),
    "6 % defective, more than allowed for": (0.06, 0.0),
}  # fmt: skip


def simulated(runs: int, parts: int, share: float, missed: float, seed: int) -> dict[str, Any]:
    """How many runs end in an alarm of scores, and at which part the first did."""
    rng = np.random.default_rng(seed)
    calibration = rng.normal(size=(runs, CALIBRATION))
    threshold = np.array([conformal(one, "split", alpha=ALPHA).value for one in calibration])
    test, first = ExchangeTest(calibration, threshold, defects=DEFECTS, seed=seed), np.zeros(runs, dtype=int)
    for part in range(1, parts + 1):
        scores, below = rng.normal(size=runs), threshold - 0.3 * rng.random(runs)
        defective = np.where(rng.random(runs) < missed, below, threshold + 1)
        test.see(np.where(rng.random(runs) < share, defective, scores))
        first[(first == 0) & (test.log >= NEEDED)] = part
    return _counted(first)


def simulated_traits(runs: int, parts: int, seed: int) -> dict[str, Any]:
    """The same of pictures, whose traits are correlated."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(TRAITS, TRAITS))
    calibration = np.swapaxes(rng.normal(size=(runs, TRAITED, TRAITS)) @ mixed, 1, 2).reshape(runs * TRAITS, TRAITED)
    test = ExchangeTest(calibration, np.full(runs * TRAITS, np.inf), defects=0.0, seed=seed)
    first = np.zeros(runs, dtype=int)
    for part in range(1, parts + 1):
        test.see((rng.normal(size=(runs, TRAITS)) @ mixed).reshape(-1))
        wealth = np.logaddexp.reduce(test.log.reshape(runs, TRAITS), axis=1) - np.log(TRAITS)
        first[(first == 0) & (wealth >= NEEDED)] = part
    return _counted(first)


def _counted(first: np.ndarray) -> dict[str, Any]:
    return {"alarms": int((first > 0).sum()), "runs": len(first), "soonest": int(first[first > 0].min(initial=10**9))}


def run_table(runs: int, parts: int) -> list[dict[str, Any]]:
    """False alarms on lines of each kind."""
    found: list[dict[str, Any]] = []
    for seed, (name, (share, missed)) in enumerate(LINES.items()):
        began = time.process_time()
        found.append({"line": f"scores: {name}"} | simulated(runs, parts, share, missed, seed))
        print(f"{found[-1]}; {time.process_time() - began:.0f} s", flush=True)
    found.append({"line": "pictures: good parts alone"} | simulated_traits(runs, parts, len(LINES)))
    return found


def edge_colour(picture: Image.Image) -> tuple[int, ...]:
    """What stands beside a part: the median of the outermost pixels."""
    pixels = np.asarray(picture)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return tuple(int(value) for value in np.median(edge, axis=0))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "brightness x 0.8": lambda one: one.point([round(value * 0.8) for value in range(256)] * 3),
    "blur of 1 % of the side": lambda one: one.filter(ImageFilter.GaussianBlur(one.width / 100)),
    "blur of 0.3 % of the side": lambda one: one.filter(ImageFilter.GaussianBlur(one.width / 333)),
    "turned by 3 degrees": lambda one: one.rotate(-3, Image.Resampling.BICUBIC, fillcolor=edge_colour(one)),
}


@dataclass(frozen=True, eq=False)
class Parts:
    """Scores `(N,)` of pictures, and what they show `(N, 8)`."""

    scores: np.ndarray
    sights: np.ndarray

    def draw(self, rng: np.random.Generator) -> tuple[float, tuple[float, ...]]:
        """One of them."""
        row = int(rng.integers(len(self.scores)))
        return float(self.scores[row]), tuple(self.sights[row].tolist())


def judged(predictor: Predictor, pictures: Sequence[Image.Image]) -> Parts:
    """What a bundle says of pictures."""
    found = list(predictor.predict(pictures, maps=False))
    return Parts(np.array([one.pred_score for one in found]), np.array([one.sight for one in found]))


def alarm(reference: Reference, usual: Parts, changed: Parts, share: float, before: int, seed: int) -> tuple[int, str]:
    """At which part of a line there is an alarm, counted from the change, and of what; 0 if there is none."""
    rng, test = np.random.default_rng(seed), PartTest(reference, defects=DEFECTS, seed=seed)
    for part in range(1 - before, AFTER + 1):
        test.see(*(changed if part > 0 and rng.random() < share else usual).draw(rng))
        for kind in KINDS:
            if test.log(kind) >= NEEDED:
                return part, kind
    return 0, ""


def alarms(reference: Reference, usual: Parts, changed: Parts, share: float, before: int) -> dict[str, Any]:
    """The same of many lines."""
    found = [alarm(reference, usual, changed, share, before, seed) for seed in range(DRAWS)]
    late = [part for part, kind in found if kind and part > 0]
    return {
        "before": sum(bool(kind) and part <= 0 for part, kind in found), "found": len(late),
        "median": float(np.median(late)) if late else None, "most": max(late, default=None),
        "pictures": sum(kind == "pictures" and part > 0 for part, kind in found),
    }  # fmt: skip


def product_table(folder: Path, other: Path, method: str) -> list[dict[str, Any]]:
    """How soon each change is found on one product."""
    every = [Image.open(one.path).convert("RGB") for part in ("train", "test") for one in find(folder / part / "good")]
    order = np.random.default_rng(0).permutation(len(every))
    fitted, line = ([every[row] for row in half] for half in np.array_split(order, 2))
    predictor = iad.fit(fitted, method=method)
    predictor.warn = lambda _: None
    usual, reference = judged(predictor, line), reference_of(predictor)
    foreign = [Image.open(one.path).convert("RGB") for one in find(other / "test" / "good")]
    changes = {name: ([change(one) for one in line], 1.0) for name, change in CHANGES.items()}
    changes |= {"10 % foreign parts": (foreign, 0.1), "nothing": (line, 1.0)}
    found = []
    for name, (pictures, share) in changes.items():
        parts = judged(predictor, pictures)
        found.append({
            "product": folder.name, "calibration": len(reference.scores), "parts": len(line), "change": name,
            "rejected": float((parts.scores >= predictor.threshold).mean()),
            "after": alarms(reference, usual, parts, share, BEFORE),
            "at once": alarms(reference, usual, parts, share, 0),
            "causes": likely_causes(_mixed(usual, parts, share), reference.traits),
        })  # fmt: skip
        print(json.dumps(found[-1]), flush=True)
    return found


def _mixed(usual: Parts, changed: Parts, share: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.array([(changed if rng.random() < share else usual).draw(rng)[1] for _ in range(200)])


def _delay(found: dict[str, Any]) -> str:
    if not found["found"]:
        return f"{found['before']} before; none in {AFTER:,}" if found["before"] else f"none in {AFTER:,}"
    early = f"; {found['before']} before" if found["before"] else ""
    return f"{found['median']:.0f} (at most {found['most']}), {found['found']} of {DRAWS}{early}"


def _pictures_row(one: dict[str, Any]) -> list[str]:
    return [
        one["product"], f"{one['calibration']}", one["change"], f"{100 * one['rejected']:.0f} %", _delay(one["after"]),
        _delay(one["at once"]), "; ".join(one["causes"]) or "-",
    ]  # fmt: skip


def _runs_row(one: dict[str, Any]) -> list[str]:
    return [one["line"], f"{one['alarms']} of {one['runs']:,}", f"{one['soonest']:,}" if one["alarms"] else "-"]


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("what", choices=("runs", "pictures"))
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--parts", type=int, default=10_000)
    parser.add_argument("--method", default="resnet")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    asked = options().parse_args(arguments)
    print(machine("numpy", "torch"), flush=True)
    if asked.what == "runs":
        found, row = run_table(asked.runs, asked.parts), _runs_row
        header = ["line", "runs with an alarm", "the soonest at part"]
    else:
        pairs = zip(asked.folders, asked.folders[1:] + asked.folders[:1], strict=True)
        found, row = [one for pair in pairs for one in product_table(*pair, asked.method)], _pictures_row
        header = ["product", "calibration", "change", "rejected", "after 1,000 good parts", "from the start", "cause"]
    print(f"\n{as_markdown(header, [row(one) for one in found])}\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
