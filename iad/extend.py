"""More good pictures for a bundle, and several bundles as one; each time the threshold is set anew.

Calibrating pictures stay a uniform draw from all pictures that a detector was fitted to, as the stage makes it: the
number that each part gives is drawn from the hypergeometric distribution, and its own draw is thinned to that. All of
them are scored again over the new detector, each as if it were not there. Pictures that were set apart stay apart: new
pictures join the detector, and the same ones calibrate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from iad.bundle import Bundle, CalibrationSet, PictureSet
from iad.data.pictures import PictureFile
from iad.decision.thresholds import is_anomalous, set_threshold
from iad.detectors.base import Embeddings, Extendable
from iad.detectors.calibrate import draw_pictures, left_out_scheme
from iad.errors import IadError
from iad.fitted import Fitted
from iad.options import flat
from iad.predictor import Predictor
from iad.report.overlay import red_scale

MAY_DIFFER = ("method", "reads")  # names that a user chooses
OF_A_RECORD = ("weights", "batch_size")  # of a backbone: where and how the same numbers are made


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures that join a detector, and those that calibrate, numbered within the part; without scores."""

    pictures: PictureSet
    calibration: CalibrationSet

    def without(self, taken: set[str]) -> tuple[Part, np.ndarray]:
        """The part without pictures of these hashes, and which pictures stay, bool `(N,)`."""
        stays, calibration = _others(self.pictures, taken), self.calibration
        free = _others(calibration.pictures, taken)
        number = np.cumsum(stays) - 1  # of each picture that stays
        rows = calibration.rows[free]
        kept = {name: array[free] for name, array in calibration.kept.items()}
        left = replace(
            calibration, pictures=calibration.pictures.pick(free), rows=np.where(rows < 0, rows, number[rows]),
            scores=calibration.scores[:0], kept=kept,
        )  # fmt: skip
        return Part(self.pictures.pick(stays), left), stays

    def join(self, other: Part, most: int, seed: int) -> Part:
        """Both, the other's pictures after these; at most so many calibrate (0: all), unless they are set apart."""
        here, there = self.calibration, other.calibration
        one, two = np.arange(len(here.pictures)), np.arange(len(there.pictures))
        if (np.concatenate([here.rows, there.rows]) >= 0).all():
            one, two = _thinned((len(one), len(self.pictures)), (len(two), len(other.pictures)), most, seed)
        rows = there.rows[two]
        joined = replace(
            here, pictures=here.pictures.pick(one) + there.pictures.pick(two),
            rows=np.concatenate([here.rows[one], np.where(rows < 0, rows, rows + len(self.pictures))]),
            scores=here.scores[:0],
            kept={name: np.concatenate([array[one], there.kept[name][two]]) for name, array in here.kept.items()},
        )  # fmt: skip
        return Part(self.pictures + other.pictures, joined)


@dataclass(frozen=True, eq=False)
class Added:
    """What adding pictures came to.

    Attributes:
        bundle: the new one.
        new: pictures that were added.
        known: pictures that were in the bundle before, or came twice.
        suspects: pictures among the new ones that the old bundle would have rejected.
    """

    bundle: Bundle
    new: list[PictureFile]
    known: list[PictureFile]
    suspects: list[PictureFile]


def add_pictures(predictor: Predictor, found: Sequence[PictureFile]) -> Added:
    """Add good pictures to a bundle; those that it knows are left out.

    Args:
        predictor: of the bundle.
        found: the pictures.

    Raises:
        IadError: if a picture cannot be read, the method takes no more pictures, or the bundle kept too little.
    """
    bundle = predictor.bundle
    detector = extendable(bundle, predictor.fitted, predictor.origin)
    new, known = _unknown(found, _taken(bundle))
    if not new:
        return Added(bundle, [], known, [])
    embeddings = predictor.embed_good(np.stack([predictor.prepare(one) for one in new]))
    odd = is_anomalous(detector.predict(embeddings).pred_score, predictor.threshold)
    pictures = PictureSet(tuple(one.name for one in new), tuple(one.sha256 for one in new))
    drawn = draw_pictures(len(new), detector.most_calibrating, detector.seed)
    drawn = drawn[:0] if bundle.set_apart else drawn
    kept = {name: np.asarray(getattr(embeddings, name))[drawn] for name in bundle.calibration.kept}
    calibration = replace(bundle.calibration, pictures=pictures.pick(drawn), rows=drawn, kept=kept)
    joined = _part(bundle).join(Part(pictures, calibration), detector.most_calibrating, detector.seed)
    after = _calibrated(bundle, predictor.fitted, detector.add(embeddings), joined, predictor.origin)
    return Added(after, new, known, [one for one, suspect in zip(new, odd, strict=True) if suspect])


def merge_bundles(bundles: Mapping[str, Bundle], origin: str) -> Bundle:
    """Merge bundles of the same parameters, by file; a picture that several hold counts once.

    Raises:
        IadError: naming what differs between two of them, or if their method cannot be merged.
    """
    (first_name, first), *others = bundles.items()
    fitted = first.fitted()
    detector = extendable(first, fitted, first_name)
    joined, taken, more = _part(first), _taken(first), []
    for name, other in others:
        require_same(first, other, first_name, name)
        part, stays = _part(other).without(taken)
        taken |= _taken(other)
        joined = joined.join(part, detector.most_calibrating, detector.seed)
        if stays.any():
            theirs = extendable(other, other.fitted(), name)
            more.append(theirs if stays.all() else theirs.drop(stays))
    return _calibrated(first, fitted, detector.merge(more), joined, origin)


def extendable(bundle: Bundle, fitted: Fitted, origin: str) -> Extendable[Any]:
    """The bundle's detector, if it takes more pictures and the calibrating ones can be scored again.

    Raises:
        IadError: if not.
    """
    detector, calibration = fitted.detector, bundle.calibration
    if not isinstance(detector, Extendable):
        raise IadError(f"{origin}: {fitted.method} ({fitted.kind}) takes no more pictures once fitted; fit it again")
    if not calibration.kept and (bundle.set_apart or detector.recall(calibration.rows[:1]) is None):
        raise IadError(
            f"{origin}: keeps too little of its calibrating pictures to score them again; make it with "
            f"`iad bundle {fitted.method} --extendable`"
        )
    return detector


def require_same(first: Bundle, other: Bundle, first_name: str, other_name: str) -> None:
    """Refuse two bundles whose scores do not compare.

    Raises:
        IadError: naming the first setting that differs, and both values.
    """
    one, two = flat(_settings(first)), flat(_settings(other))
    for name in dict.fromkeys((*one, *two)):
        if one.get(name) != two.get(name):
            raise IadError(
                f"{first_name} and {other_name} do not fit together: {name} is {one.get(name)} in the first and "
                f"{two.get(name)} in the second; make both with the same parameters"
            )


def _settings(bundle: Bundle) -> dict[str, Any]:
    fitted = {name: value for name, value in bundle.packed[0].items() if name not in (*MAY_DIFFER, "state", "members")}
    records = [
        {name: value for name, value in one.items() if name not in OF_A_RECORD} for one in bundle.embedders.values()
    ]
    maps = {name: bundle.maps[name] for name in ("sigma", "rate")} if bundle.maps else {}
    calibrating = "pictures set apart" if bundle.set_apart else "pictures of the bundle"
    return {
        **fitted, "preprocess": bundle.preprocess, "backbone": records[0] if records else {}, "threshold": bundle.rule,
        "maps": maps, "calibration": calibrating,
    }  # fmt: skip


def _calibrated(bundle: Bundle, fitted: Fitted, detector: Extendable[Any], part: Part, origin: str) -> Bundle:
    """The bundle of this detector and these pictures, with threshold and scale set anew."""
    found, apart = part.calibration, bundle.set_apart
    embeddings = Embeddings(**found.kept) if found.kept else detector.recall(found.rows)
    if embeddings is None:
        raise IadError(f"{origin}: keeps too little of its calibrating pictures to score them again")
    try:
        said = detector.predict(embeddings, leave_out=None if apart else found.rows)
    except IadError as refusal:
        raise IadError(f"{origin}: {refusal}") from None
    scheme, map_scheme = found.scheme, found.map_scheme
    if not apart:
        scheme, map_scheme = (left_out_scheme(falls) for falls in (detector.only_falls, detector.map_only_falls))
    rule, maps = bundle.rule, bundle.maps
    threshold = set_threshold(said.pred_score, rule["strategy"], rule["options"], scheme=scheme, origin=origin)
    if maps is not None and said.anomaly_map is not None:
        size = bundle.preprocess["image_size"]
        scale = red_scale(said.anomaly_map, size, maps["sigma"], maps["rate"], map_scheme, origin=origin)
        maps = {"sigma": maps["sigma"], "rate": maps["rate"], **scale}
    return replace(
        bundle, packed=replace(fitted, detector=detector).pack(), pictures=part.pictures,
        calibration=replace(found, scores=said.pred_score, scheme=scheme, map_scheme=map_scheme),
        threshold=asdict(threshold) | {"warnings": list(threshold.warnings)}, maps=maps,
    )  # fmt: skip


def _part(bundle: Bundle) -> Part:
    return Part(bundle.pictures, bundle.calibration)


def _taken(bundle: Bundle) -> set[str]:
    """Hashes of the pictures that may not join: those of the detector, and those set apart from it."""
    return set(bundle.pictures.sha256) | set(bundle.calibration.pictures.sha256)


def _unknown(found: Sequence[PictureFile], taken: set[str]) -> tuple[list[PictureFile], list[PictureFile]]:
    """Those that are new, each once, and the others."""
    new, known, seen = [], [], set(taken)
    for one in found:
        (known if one.sha256 in seen else new).append(one)
        seen.add(one.sha256)
    return new, known


def _others(pictures: PictureSet, taken: set[str]) -> np.ndarray:
    return np.array([one not in taken for one in pictures.sha256], dtype=bool)


def _thinned(first: tuple[int, int], second: tuple[int, int], most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which calibrating pictures of each part stay, so that they are a uniform draw of `most` from both (0: all stay).

    Args:
        first: how many of the first part calibrate, and how many it has.
        second: the same of the second.
        most: how many may calibrate.
        seed: of the draw.
    """
    (here, first_pictures), (there, second_pictures) = first, second
    if most == 0 or here + there <= most:
        return np.arange(here), np.arange(there)
    rng = np.random.default_rng((seed, first_pictures, second_pictures))
    drawn = int(rng.hypergeometric(second_pictures, first_pictures, most))
    given = min(max(drawn, most - here), there)  # a part that lost pictures may have too few
    one, two = rng.choice(here, most - given, replace=False), rng.choice(there, given, replace=False)
    return np.sort(one), np.sort(two)
