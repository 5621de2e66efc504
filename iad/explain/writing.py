"""Pictures explained with a bundle, each as a PNG file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from iad.bundles.bundle import Bundle
from iad.bundles.outputs import require_folder, weights_file
from iad.bundles.predictor import load
from iad.bundles.verdict import Verdict
from iad.bundles.verdicts import find_each, overlay_names
from iad.data.decode import decode_to_show
from iad.data.tree import read_bytes
from iad.decision.ranks import decides
from iad.errors import IadError
from iad.explain import PERTURBATIONS, WAYS
from iad.io import replacing

TOOLS = ("captum", "matplotlib")
LONGEST = 1200  # pixels of the longer side of pictures in a sheet
TITLES = {
    "gradcam": "Grad-CAM", "integrated_gradients": "integrated gradients", "occlusion": "occlusion", "lime": "LIME",
    "kernel_shap": "KernelSHAP",
}  # fmt: skip
CAVEATS = {
    "autoencoder": "with shuffled weights the maps of an autoencoder fall on defects as well, so they do not show that "
    "training worked; Grad-CAM fell on them no more than chance (docs/explain.md)",
}  # fmt: skip
"""What sanity tests found, by detector."""
MEANING = (
    "own map: red from the bundle's threshold of pixels on; explanations: purple raised the score, green lowered it"
)


@dataclass(frozen=True)
class Written:
    """What explaining a picture came to.

    Attributes:
        picture: its path.
        sheet: the PNG file; None where the picture could not be read.
        verdict: of the picture.
        numbers: as `iad.explain.explaining.numbers` gives them; empty where the picture could not be read.
        warnings: what makes the sheet less than it seems, a line each.
    """

    picture: str
    sheet: Path | None
    verdict: Verdict
    numbers: dict[str, Any]
    warnings: tuple[str, ...] = ()


def explain_pictures(
    bundle: Path, places: Sequence[Path], *, out: Path, ways: Sequence[str] = WAYS, good: Path | None = None,
    force: bool = False, weights: str = "",
) -> Iterator[Written]:  # fmt: skip
    """Explain pictures and write a sheet of each, one after the other; one that cannot be read is passed over.

    Args:
        bundle: a file of `iad bundle`.
        places: pictures, or folders of them.
        out: the folder of the sheets.
        ways: of `iad.explain.WAYS`.
        good: a folder with the good pictures that the bundle was made of, to show them and to replace parts with.
        force: whether sheets that are there already are replaced.
        weights: as for `iad.bundles.predictor.Predictor`.

    Raises:
        IadError: before anything is computed, if an option or a place is wrong, a package is missing, or the method
            cannot be explained in one of these ways.
    """
    _require_tools()
    found = find_each(places)
    inputs = [bundle, *places, *weights_file(weights), *([good] if good else [])]
    require_folder(out, inputs=inputs, force=force)
    from iad.explain.explaining import Explainer, numbers
    from iad.explain.ways import require_known

    require_known(tuple(ways))
    predictor = load(bundle, device="cpu", weights=weights)
    predictor.warn = lambda _: None
    explainer = Explainer(predictor, ways, good, weights)
    for one, name in zip(found, overlay_names(found), strict=True):
        explained = explainer.explain(one.file)
        if isinstance(explained, Verdict):
            yield Written(explained.name, None, explained, {})
            continue
        warned = _warnings(explained, good)
        content = _sheet(explained, explainer, warned)
        with replacing(out / name) as part:
            part.write_bytes(content)
        yield Written(
            explained.verdict.name,
            out / name,
            explained.verdict,
            numbers(explained, predictor) | {"warnings": warned},
            warned,
        )


def _require_tools() -> None:
    if missing := next((name for name in TOOLS if find_spec(name) is None), None):
        raise IadError(f"iad explain: {missing} is missing; install the extra iad[explain]")


def _warnings(found: Any, good: Path | None) -> tuple[str, ...]:
    """What makes the explanations of a picture less than they seem."""
    if not found.replaced_by_worse:
        return ()
    other = "a blurred copy" if found.baseline.kind == "blurred" else f"the good picture {found.baseline.name}"
    remedy = "" if good else "; give --good FOLDER"
    said = f"parts are replaced with {other}, whose score {found.baseline_score:.4g} is hardly lower"
    return (f"{said}: occlusion, LIME and KernelSHAP cannot show what raised this one{remedy}",)


def _sheet(found: Any, explainer: Any, warned: Sequence[str]) -> bytes:
    """The sheet of an explained picture, PNG."""
    from iad.explain.sheet import Tile, compared, explanation_overlay, map_overlay, sheet

    bundle, verdict = explainer.predictor.bundle, found.verdict
    picture = _shown(verdict.path, bundle)
    tiles = [Tile(f"{picture.shape[1]} x {picture.shape[0]} px", picture)]
    if verdict.anomaly_map is not None and bundle.maps is not None:
        tiles.append(Tile(f"own map of {bundle.method}", map_overlay(picture, verdict.anomaly_map, bundle.maps.scale)))
    tiles += [Tile(TITLES[way], explanation_overlay(picture, values)) for way, values in found.maps.items()]

    def good(row: int) -> tuple[str, np.ndarray | None]:
        file = explainer.good.file_of(row)
        return bundle.pictures.ids[row], None if file is None else _shown(file, bundle)

    rows = [("why this score", tiles)]
    rows += [(f"{method}: unlike these", compared(picture, one, good)) for method, one in found.unlike.items()]
    limit = f"threshold {bundle.threshold.value:.4g}" if decides(bundle.threshold) else f"p {verdict.p_value:.4f}"
    heading = f"{verdict.name}: {verdict.said}, score {verdict.pred_score:.4g}, {limit}"
    return sheet(heading, rows, [*warned, *_caveats(explainer), MEANING, *_notes(found, bundle)])


def _caveats(explainer: Any) -> list[str]:
    kinds = explainer.predictor.fitted.kind, *(one.kind for one in explainer.predictor.fitted.members)
    return [CAVEATS[kind] for kind in kinds if kind in CAVEATS]


def _notes(found: Any, bundle: Bundle) -> list[str]:
    """What the picture was compared with, in words."""
    ids, notes, baseline = bundle.pictures.ids, [], found.baseline
    if {*PERTURBATIONS} & {*found.maps}:
        other = f"the good picture {baseline.name}" if baseline.kind == "good" else "a blurred copy of the picture"
        notes.append(f"parts are replaced with {other} (score {found.baseline_score:.4g})")
    for method, one in found.unlike.items():
        near = ", ".join(f"{ids[each.row]} ({each.distance:.3g} away)" for each in one.pictures)
        notes.append(f"{method}: nearest good pictures: {near}")
        for number, pair in enumerate(one.patches, start=1):
            turned = ", in a turned copy" if pair.turned else ""
            notes.append(
                f"{method}: patch {number} at {_place(pair.box)}: {pair.distance:.3g} from the patch at "
                f"{_place(pair.good_box)} of {ids[pair.row]}{turned}"
            )
    return notes


def _place(box: Sequence[float]) -> str:
    """The middle of a box in words.

    >>> _place((0.5, 0.0, 1.0, 0.5))
    '75 % down, 25 % across'
    """
    return f"{50 * (box[0] + box[2]):.0f} % down, {50 * (box[1] + box[3]):.0f} % across"


def _shown(path: Path, bundle: Bundle) -> np.ndarray:
    return decode_to_show(read_bytes(path), str(path), LONGEST, **bundle.preprocess.limits)
