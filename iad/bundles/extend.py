"""More good pictures for a bundle, and several bundles as one; each time the threshold is set anew.

Calibrating pictures stay a uniform draw from all pictures that a detector was fitted to, as the stage makes it: the
number that each part gives is drawn from the hypergeometric distribution, and its own draw is thinned to that. All of
them are scored again over the new detector, each as if it were not there. Pictures that were set apart stay apart: new
pictures join the detector, and the same ones calibrate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from iad.bundles.bundle import Bundle, CalibrationSet, PictureSet
from iad.bundles.fitted import Fitted
from iad.bundles.likeness import Likeness
from iad.bundles.pictures import copies, described_given, split_new, too_close
from iad.bundles.predictor import Predictor
from iad.bundles.sealed import in_one_line
from iad.data.given import read_pictures
from iad.data.pictures import PictureFile
from iad.decision.ranks import decides, verdicts_or_p_values
from iad.decision.thresholds import is_anomalous
from iad.detectors.base import Extendable
from iad.detectors.calibrate import draw_pictures, left_out_scheme
from iad.detectors.embeddings import PARTS, Embeddings
from iad.errors import IadError
from iad.options import flat
from iad.report.overlay import red_scale

MAY_DIFFER = ("method", "reads")  # of a fitted method: names that a user chooses
OF_A_MACHINE = ("weights", "batch_size", "runtime")  # of a backbone: where and how the same numbers are made


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures that join a detector, and those that calibrate.

    Attributes:
        pictures: N that join.
        calibrating: K that calibrate.
        rows: int64 `(K,)`, the number of each of these among those that join, or -1 where it is set apart.
        kept: what is kept of these, as in `CalibrationSet`.
    """

    pictures: PictureSet
    calibrating: PictureSet
    rows: np.ndarray
    kept: Mapping[str, np.ndarray]

    def without(self, known: PictureSet) -> tuple[Part, np.ndarray]:
        """The part without copies and near copies of these, and which of those that join stay, bool `(N,)`."""
        apart = self.rows < 0
        stays = ~np.logical_or(*copies(self.pictures, known))
        # one that calibrates and joins stays on both sides or on none; near copies of others are judged among them
        free = ~np.logical_or(*copies(self.calibrating, known)) if apart.any() else stays[self.rows]
        number = np.cumsum(stays) - 1  # of each picture that stays
        rows = np.where(apart, self.rows, number[self.rows])[free]
        kept = {name: array[free] for name, array in self.kept.items()}
        return Part(self.pictures.take(stays), self.calibrating.take(free), rows, kept), stays

    def join(self, other: Part, most: int, seed: int) -> Part:
        """Both, the other's pictures after these; at most so many calibrate (0: all), unless they are set apart."""
        one, two = np.arange(len(self.rows)), np.arange(len(other.rows))
        if (np.concatenate([self.rows, other.rows]) >= 0).all():
            one, two = _thinned((len(one), len(self.pictures)), (len(two), len(other.pictures)), most, seed)
        rows = other.rows[two]
        return Part(
            self.pictures + other.pictures,
            self.calibrating.take(one) + other.calibrating.take(two),
            np.concatenate([self.rows[one], np.where(rows < 0, rows, rows + len(self.pictures))]),
            {name: np.concatenate([array[one], other.kept[name][two]]) for name, array in self.kept.items()},
        )


@dataclass(frozen=True, eq=False)
class Added:
    """What adding pictures came to.

    Attributes:
        bundle: the new one.
        new: paths of pictures that were added.
        known: of pictures that were in the bundle before, or came twice: the same file, or the same pixels.
        suspects: of those among the new ones that the old bundle would have rejected.
        near: of pictures that are nearly the same as one of these, as the data check finds it.
        close: of those among the new ones that score so low that they must show parts which the old bundle has.
        unlike: in what the new ones differ from those of the old bundle, a line each.
    """

    bundle: Bundle
    new: list[str]
    known: list[str]
    near: list[str]
    suspects: list[str]
    close: list[str]
    unlike: list[str]


def add_pictures(predictor: Predictor, found: Sequence[PictureFile], *, calibrating: bool = True) -> Added:
    """Add good pictures to a bundle. Copies and near copies are left out.

    A picture that calibrates must not find a copy of itself among its neighbours, however that is called or saved: its
    score would be too low, and so would the threshold.

    Args:
        predictor: of the bundle.
        found: the pictures.
        calibrating: whether some may calibrate; not if chosen for their scores: the promise is not proven then.

    Raises:
        IadError: if a picture cannot be read, the method takes no more pictures, or the bundle kept too little.
    """
    bundle, how = predictor.bundle, predictor.bundle.preprocess
    detector = extendable(bundle, predictor.fitted, predictor.origin)
    given = list(read_pictures(found, how.image_size, **how.limits))
    pictures, paths = described_given(given, how.image_size), [str(one.path or one.image_id) for one in given]
    same, near = split_new(pictures, _taken(bundle))
    rows = np.flatnonzero(~same & ~near)
    known, alike = (_chosen(paths, np.flatnonzero(some)) for some in (same, near))
    if not len(rows):
        return Added(bundle, [], known, alike, [], [], [])
    with in_one_line(predictor.origin):
        embeddings = predictor.embed_good(np.array([given[row].pixels for row in rows]))
        scores = detector.predict(embeddings).pred_score
        more = detector.add(embeddings)
    before = _recalled(_part(bundle), detector, more)
    new = _added(bundle, pictures.take(rows), embeddings, detector, before.kept, calibrating=calibrating)
    joined = before.join(new, detector.most_calibrating, detector.seed)
    after = _calibrated(bundle, predictor.fitted, more, joined, predictor.origin, proven=calibrating)
    odd = is_anomalous(scores, predictor.threshold) & decides(bundle.threshold)
    close = too_close(scores, bundle.calibration.scores)
    names, suspects, again = (_chosen(paths, some) for some in (rows, rows[odd], rows[close]))
    unlike = list(Likeness(bundle.pictures.looks).lines(list(zip(names, new.pictures.looks, strict=True))).values())
    return Added(after, names, known, alike, suspects, again, unlike)


def _added(
    bundle: Bundle, pictures: PictureSet, embeddings: Embeddings, detector: Extendable[Any], parts: Iterable[str], *,
    calibrating: bool,
) -> Part:  # fmt: skip
    """New pictures, and a draw of them that calibrates, unless they may not or pictures that were set apart do."""
    drawn = draw_pictures(len(pictures), detector.most_calibrating, detector.seed)
    drawn = drawn[:0] if bundle.set_apart or not calibrating else drawn
    kept = {name: np.asarray(getattr(embeddings, name))[drawn] for name in parts}
    return Part(pictures, pictures.take(drawn), drawn, kept)


def merge_bundles(bundles: Mapping[str, Bundle], origin: str) -> Bundle:
    """Merge bundles of the same parameters, by file; of copies and near copies in several, the first counts.

    Args:
        bundles: two or more; the merged one has the first one's origin, backbone weights and names.
        origin: the new file, for refusals.

    Raises:
        IadError: naming what differs between two of them, or if their method cannot be merged.
    """
    (first_name, first), *others = bundles.items()
    for name, other in others:
        require_same(first, other, first_name, name)
    (fitted, detector), *rest = (_opened(bundle, name) for name, bundle in bundles.items())
    taken, more, parts = _taken(first), [], [(_part(first), detector)]
    with in_one_line(origin):
        for (_, other), (_, theirs) in zip(others, rest, strict=True):
            part, stays = _part(other).without(taken)
            taken = taken + _taken(other)
            if stays.any():
                theirs = theirs if stays.all() else theirs.drop(stays)
                more.append(theirs)
            parts.append((part, theirs))
        merged = detector.merge(more)
        joined, *later = (_recalled(part, whose, merged) for part, whose in parts)
        for part in later:
            joined = joined.join(part, detector.most_calibrating, detector.seed)
    return _calibrated(first, fitted, merged, joined, origin)


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
    """Everything that makes a score, or a promise."""
    fitted = {name: value for name, value in bundle.packed[0].items() if name not in (*MAY_DIFFER, "state", "members")}
    records = [
        {name: value for name, value in one.items() if name not in OF_A_MACHINE} for one in bundle.embedders.values()
    ]
    maps = {"sigma": bundle.maps.sigma, "rate": bundle.maps.rate} if bundle.maps else {}
    calibrating = "pictures set apart" if bundle.set_apart else "pictures of the bundle"
    return {
        **fitted, "preprocess": asdict(bundle.preprocess), "backbone": records[0] if records else {},
        "threshold": asdict(bundle.rule), "maps": maps, "calibration": calibrating,
    }  # fmt: skip


def _opened(bundle: Bundle, name: str) -> tuple[Fitted, Extendable[Any]]:
    with in_one_line(name):
        fitted = bundle.fitted()
        return fitted, extendable(bundle, fitted, name)


def _calibrated(
    bundle: Bundle, fitted: Fitted, detector: Extendable[Any], part: Part, origin: str, *, proven: bool = True
) -> Bundle:
    """The bundle of this detector and these pictures, with threshold and scale set anew."""
    with in_one_line(origin):
        embeddings = Embeddings(**dict[str, Any](part.kept)) if part.kept else detector.recall(part.rows)
        if embeddings is None:
            raise IadError("keeps too little of its calibrating pictures to score them again")
        apart = bool((part.rows < 0).all())
        found = detector.predict(embeddings, leave_out=None if apart else part.rows)
    scheme, map_scheme = bundle.calibration.scheme, bundle.calibration.map_scheme
    if not apart or not proven:
        scheme, map_scheme = (left_out_scheme(proven and one) for one in (detector.only_falls, detector.map_only_falls))
    rule, maps, size = bundle.rule, bundle.maps, bundle.preprocess.image_size
    threshold = verdicts_or_p_values(found.pred_score, rule.strategy, rule.options, scheme=scheme, origin=origin)
    if maps is not None and found.anomaly_map is not None:
        scale = red_scale(found.anomaly_map, size, maps.sigma, maps.rate, map_scheme, origin=origin)
        maps = replace(maps, **scale)
    return replace(
        bundle, packed=replace(fitted, detector=detector).pack(), pictures=part.pictures, threshold=threshold,
        calibration=CalibrationSet(part.calibrating, part.rows, found.pred_score, scheme, map_scheme, part.kept),
        maps=maps,
    )  # fmt: skip


def _part(bundle: Bundle) -> Part:
    found = bundle.calibration
    return Part(bundle.pictures, found.pictures, found.rows, found.kept)


def _recalled(part: Part, detector: Extendable[Any], after: Extendable[Any]) -> Part:
    """The part with what its own detector recalls of its calibrating pictures, where the one after has lost it."""
    if part.kept or not len(part.rows) or after.recall(part.rows[:1]) is not None:
        return part
    found = detector.recall(part.rows)
    return part if found is None else replace(part, kept=_arrays(found))


def _arrays(embeddings: Embeddings) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name in PARTS if (array := getattr(embeddings, name)) is not None}


def _taken(bundle: Bundle) -> PictureSet:
    """The pictures of which no copy may join: those of the detector, and those set apart from it."""
    return bundle.pictures + bundle.calibration.pictures if bundle.set_apart else bundle.pictures


def _chosen(paths: Sequence[str], rows: np.ndarray) -> list[str]:
    return [paths[row] for row in rows.tolist()]


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
