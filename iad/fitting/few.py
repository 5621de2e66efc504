"""With few good pictures, a patch bank may hold their quarter turns too: whether, the good pictures themselves say.

Few pictures show few of the directions in which parts lie. AnomalyDINO (Damm et al., WACV 2025, arXiv 2405.14529) turns
each of its pictures for that; of a part that always lies alike, turns would make the bank hold what no good part
looks like. So each picture is scored without itself, as it is and turned: where turns score like good ones, they join
(docs/few_pictures.md has what that brings).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from iad.bundles.fitted import Fitted
from iad.detectors import detector_class
from iad.detectors.embeddings import Embeddings, required
from iad.detectors.patch import Options
from iad.progress import say
from iad.words import counted

MOST = 8  # good pictures that are few: of more, turns cost as much as they bring
TURNS = 4  # directions in which each would be held
ALIKE = 1.1  # mean score of turns over that of pictures as they are, up to which they look alike


def asks_for_turns(
    fitted: Fitted, given: Mapping[str, Any], reads: str, pictures: int, region: np.ndarray | None = None
) -> bool:
    """Whether to try the quarter turns of so many good pictures: of a patch bank, if nobody said what copies it holds.

    Args:
        fitted: the method.
        given: options of the backbone `reads`, as they were given.
        reads: the backbone.
        pictures: how many good ones there are; of one alone nothing can be said.
        region: which pixels count; a turned picture has its own elsewhere, so that none is tried.
    """
    banks = {one.reads for one in (fitted, *fitted.members) if one.kind == "patch"}
    few = 2 <= pictures <= MOST and region is None
    if not few or reads not in banks or not isinstance(given, Mapping):  # which is refused where it is used
        return False
    patches = given.get("patches", {})
    return isinstance(patches, Mapping) and not {"rotations", "flip"} & {*patches}


def turning(given: Mapping[str, Any]) -> dict[str, Any]:
    """The same options of a backbone, with quarter turns.

    >>> turning({"patches": {"layers": [5]}})
    {'patches': {'layers': [5], 'rotations': 4}}
    """
    return {**given, "patches": {**given.get("patches", {}), "rotations": TURNS}}


def settled(fitted: Fitted, reads: str, good: Embeddings) -> Embeddings:
    """The good pictures with their turns, where these look like them, or else without; which of both is told.

    Args:
        fitted: the method, whose bank of these patches judges.
        reads: the backbone that gave them.
        good: N pictures, with their quarter turns in `augmented`.
    """
    bank = next(one for one in (fitted, *fitted.members) if one.kind == "patch" and one.reads == reads)
    ratio = turned_over_plain(good, bank.detector.options)
    few = counted(len(good), "good picture")
    if ratio <= ALIKE:
        say(f"{bank.method}: {few}: the bank holds their quarter turns too, which score {ratio:.2f} times as high")
        return good
    say(f"{bank.method}: {few}, held as they are: their quarter turns score {ratio:.2f} times as high")
    return replace(good, augmented=None)


def turned_over_plain(good: Embeddings, options: Options) -> float:
    """Mean score of the turns of good pictures, over that of the pictures as they are; each without its own picture.

    >>> good = np.float32([[[[0]]], [[[2]]]])  # two pictures of one patch, 2 apart; turned, they are 1 and 3
    >>> turns = np.float32([[[[[1]]]], [[[[3]]]]])
    >>> turned_over_plain(Embeddings(patches=good, augmented=turns), Options(subtract_median=0))
    1.0
    """
    plain, rows = replace(good, augmented=None), np.arange(len(good))
    bank = detector_class("patch")(options).fit(plain)
    turns = np.asarray(required(good.augmented, "turned copies"))
    turned = [bank.predict(Embeddings(patches=turns[:, one]), leave_out=rows) for one in range(turns.shape[1])]
    usual = bank.predict(plain, leave_out=rows).pred_score.mean()
    mean = np.mean([one.pred_score.mean() for one in turned])
    return float(mean / usual) if usual > 0 else float(np.inf)
