"""Fit a method to good pictures without the pipeline, for a notebook: `iad.fit`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import ValidationError

from iad.bundles.bundle import Bundle, CalibrationSet, Maps, Origin, PictureSet, Preprocess, Rule
from iad.bundles.fitted import Fitted
from iad.bundles.parts import Side
from iad.bundles.pictures import copies, described_given, split_new
from iad.bundles.predictor import Predictor
from iad.compute import resolve
from iad.config import first_problem
from iad.data.decode import FULL_16BIT
from iad.data.given import ONE, Picture, good_and_apart, read_pictures, region_given, sizes_of
from iad.data.image_size import MULTIPLE, ImageSize, size_in_shape
from iad.decision import Threshold
from iad.decision.thresholds import option_names, set_threshold
from iad.detectors import HYBRID, detector_class, detector_names, options_of
from iad.detectors.autoencoder import Training
from iad.detectors.base import Detector
from iad.detectors.calibrate import Calibration, calibrate
from iad.detectors.embeddings import Embeddings
from iad.errors import IadError, unknown
from iad.features import CnnBackbone, VitBackbone
from iad.options import Count, Section
from iad.report import Evaluate
from iad.report.overlay import red_scale
from iad.versions import installed
from iad.words import counted, named

if TYPE_CHECKING:
    from iad.compute import Runtime
    from iad.features.embedder import Embedder

METHODS = {
    "ae": ("autoencoder", ""), "resnet": ("knn", "resnet"), "vit": ("knn", "vit"), "patch_resnet": ("patch", "resnet"),
    "patch_vit": ("patch", "vit"), "hybrid": ("hybrid", ""), "padim_resnet": ("padim", "resnet"),
    "subspace_resnet": ("subspace", "resnet"),
}  # fmt: skip
"""Detector and backbone of a method by its name; any other is that of a detector, which looks at the transformer."""

BACKBONES = {"resnet": CnnBackbone, "vit": VitBackbone}
MEMBERS = ("patch_resnet", "patch_vit")  # of a hybrid that names none
MAX_MEGAPIXELS = 100.0  # of a picture: the default of `data.max_megapixels`
SectionT = TypeVar("SectionT", bound=Section)


def fit(
    good: str | Path | Iterable[Picture],
    method: str = "patch_vit",
    *,
    calibration: str | Path | Iterable[Picture] | None = None,
    roi: Any = None,
    options: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    backbone: Mapping[str, Any] | None = None,
    threshold: Mapping[str, Any] | None = None,
    image_size: int | tuple[int, int] = 224,
    batch_size: int = 32,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
) -> Predictor:
    """Fit a method to good pictures, set its threshold from good pictures alone, and return it ready to inspect others.

    Args:
        good: a folder, whose `train/good` or `good` is taken where it has one; or pictures, as `Predictor.predict`
            takes them. They are held in memory.
        method: "ae", "resnet", "vit", "patch_resnet", "patch_vit", "hybrid", or a detector on the transformer: "padim",
            "subspace" (on the CNN: "padim_resnet", "subspace_resnet") or a classical one.
        calibration: good pictures that set the threshold and are not fitted to; None: `calibration/good` of the
            folder, or else the pictures fitted to, each as if it were not there.
        roi: the region of interest: the path of a mask or of polygons, polygons, or a mask `(h, w)`; docs/roi.md. None:
            `roi.*` of the folder, where it has one.
        options: of the detector, as in its section of `params.yaml`; others keep their defaults.
        training: of an autoencoder, as in the section `ae`.
        backbone: options of its backbone, as in the sections `resnet` and `vit`; of a hybrid, a mapping from "resnet"
            and "vit" to such options.
        threshold: `strategy`, `alpha`, `tail_share` and `percentile`, as in `params.yaml`.
        image_size: short side in pixels to which pictures are resized, in the shape of most of them; or height and
            width.
        batch_size: pictures per forward pass.
        seed: of whatever is drawn.
        device: auto, cpu, cuda or mps.
        precision: auto, fp32 or bf16.

    Raises:
        IadError: if there is no such method or option, a picture cannot be read, is both fitted to and set apart, or
            they are too few.
    """
    _validated(_Sizes, {"image_size": image_size, "batch_size": batch_size}, "iad.fit")
    given, given_apart = (_kept(some) for some in good_and_apart(good, calibration))
    runtime = resolve(device=device, precision=precision)
    size = _prepared_size(given, image_size)
    folder = Path(good) if isinstance(good, str | Path) else None
    region = region_given(roi, folder, given, size, max_megapixels=MAX_MEGAPIXELS)
    preprocess = Preprocess(size, FULL_16BIT, MAX_MEGAPIXELS, region)
    rule = _rule(threshold or {})
    fitted = _unfitted(method, dict(options or {}), training, seed=seed, runtime=runtime)
    chosen = _backbones(fitted, backbone or {})
    pixels, pictures = _read(given, preprocess)
    apart_pixels, apart = _read([] if given_apart is None else given_apart, preprocess)
    _require_apart(pictures, apart)
    embedders = {reads: _embedder(reads, one, size, batch_size, runtime) for reads, one in chosen.items()}
    embedded, others = (
        fitted.inputs(_embed(embedders, some, region, augmented=augmented))
        for some, augmented in ((pixels, True), (apart_pixels, False))
    )
    with _said_for_memory():
        fitted.detector.fit(embedded, calibrated_apart=len(apart) > 0)
        found = calibrate(fitted.detector, embedded, others, seed=seed)
        chosen_threshold = set_threshold(found.prediction.pred_score, rule.strategy, rule.options, scheme=found.scheme)
        maps = _maps(found, preprocess)
    return Predictor(
        Bundle(
            packed=fitted.pack(), pictures=pictures, calibration=_calibration(found, pictures, apart),
            threshold=chosen_threshold, rule=rule, preprocess=preprocess,
            embedders={reads: one.record() | {"runtime": runtime.record()} for reads, one in embedders.items()},
            weights={}, maps=maps,
            origin=Origin(
                **installed(), revision=None, source="iad.fit", precision=runtime.precision,
                category=str(good) if isinstance(good, str | Path) else method,
            ),
        ),
        device=device,
    )  # fmt: skip


@contextmanager
def _said_for_memory() -> Iterator[None]:
    """Say what helps here where a refusal sends to the pipeline: what it finds not finite came from the network."""
    try:
        yield
    except IadError as refusal:
        said, to_pipeline, _ = str(refusal).partition("; run `dvc repro")
        if not to_pipeline:
            raise
        raise IadError(f'{said}; check the weights of the network, or give precision="fp32"') from None


class _Sizes(Section):
    image_size: Side | tuple[Side, Side]
    batch_size: Count


def _kept(given: Any) -> Any:
    """Pictures that are looked at more than once: an iterator would be used up."""
    return (
        given if given is None or isinstance(given, (*ONE, bytes)) or not isinstance(given, Iterable) else list(given)
    )


def _prepared_size(given: Any, image_size: int | tuple[int, int]) -> ImageSize:
    if not isinstance(image_size, int):
        return ImageSize.of(image_size)
    height, width = sizes_of(given, max_megapixels=MAX_MEGAPIXELS).T
    return size_in_shape(image_size, height, width, MULTIPLE) if len(height) else ImageSize.of(image_size)


def _read(given: Any, preprocess: Preprocess) -> tuple[np.ndarray, PictureSet]:
    """Pictures as they are embedded, uint8 `(N, H, W, 3)`, and their names and hashes."""
    size = preprocess.image_size
    found = list(read_pictures(given, size, **preprocess.reading))
    pixels = np.array([one.pixels for one in found], dtype=np.uint8).reshape(-1, *size, 3)
    return pixels, described_given(found, size)


def _calibration(found: Calibration, pictures: PictureSet, apart: PictureSet) -> CalibrationSet:
    rows = np.full(len(found.rows), -1) if apart else found.rows
    calibrating = (apart or pictures).take(found.rows)
    return CalibrationSet(calibrating, rows, found.prediction.pred_score, found.scheme, found.map_scheme)


def _require_apart(pictures: PictureSet, apart: PictureSet) -> None:
    """Refuse a picture that would set the threshold and be fitted to, and warn of copies: their scores promise nothing.

    Near copies are no refusal: parts may look that much alike.
    """
    same, near = copies(apart, pictures)
    if same.any():
        one = int(np.argmax(same))
        other = _original(apart.take(np.array([one])), pictures)
        raise IadError(
            f"calibration: {apart.ids[one]} is {other} of the pictures fitted to; leave it out here or there"
        )
    among = np.logical_or(*split_new(pictures, pictures.take(np.arange(0))))
    for ids, where in ((pictures.ids, among), (apart.ids, near)):
        if where.any():
            names = [name for name, found in zip(ids, where.tolist(), strict=True) if found]
            warnings.warn(
                f"{counted(len(names), 'good picture is a copy', 'good pictures are copies')} of others, or nearly so "
                f"({named(names)}): their scores come out too low, and so does the threshold; leave them out",
                stacklevel=3,
            )


def _original(one: PictureSet, pictures: PictureSet) -> str:
    keys = {*one.sha256, *one.pixels}
    pairs = zip(pictures.ids, pictures.sha256, pictures.pixels, strict=True)
    return next(name for name, *known in pairs if not keys.isdisjoint(known))


def _unfitted(
    method: str, options: dict[str, Any], training: Mapping[str, Any] | None = None, *, seed: int, runtime: Runtime
) -> Fitted:
    kind, reads = METHODS.get(method, (method, "vit"))
    if kind not in detector_names():
        raise unknown("method", method, {*METHODS, *detector_names()})
    default = {"members": MEMBERS} if kind == HYBRID else {}
    chosen = _validated(options_of(kind), default | options, f"options of {kind}")
    members: tuple[Fitted, ...] = ()
    given: dict[str, Any] = {}
    if kind == HYBRID:
        members = tuple(_unfitted(member, {}, seed=seed, runtime=runtime) for member in _members(chosen))
        given["members"] = {member.method: member.detector for member in members}
    if kind == "autoencoder":
        given["training"] = _validated(Training, training or {}, "training")
    elif training is not None:
        raise IadError(f"training: {method} has no network to train; leave it out")
    made = detector_class(kind)
    detector: Detector[Any] = made(chosen, seed=seed, runtime=runtime if made.uses_torch else None, **given)
    return Fitted(method, kind, reads, detector, members)


def _members(options: Any) -> tuple[str, ...]:
    members: tuple[str, ...] = options.members
    if HYBRID in members:
        raise IadError(f"options of {HYBRID}: a hybrid is no member of another; name its members")
    return members


def _backbones(fitted: Fitted, given: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Options of each backbone that the method looks at."""
    used = [reads for reads in fitted.sources() if reads]
    if not fitted.members and used:
        return {used[0]: given}
    if strange := [name for name in given if name not in used]:
        raise IadError(
            f"backbone: {fitted.method} looks at {' and '.join(used) or 'no backbone'}, and not at '{strange[0]}'; "
            f"{'give options of each by its name' if used else 'leave it out'}"
        )
    return {reads: given.get(reads, {}) for reads in used}


def _embedder(reads: str, options: Mapping[str, Any], size: ImageSize, batch_size: int, runtime: Runtime) -> Embedder:
    from iad.features.embedder import Embedder

    chosen = _validated(BACKBONES[reads], options, f"backbone {reads}")
    return Embedder(chosen, size, batch_size=batch_size, runtime=runtime, section=reads)


def _embed(embedders: Mapping[str, Embedder], pixels: np.ndarray, region: Any, *, augmented: bool) -> dict[str, Any]:
    found = {reads: one.embed(pixels, augmented=augmented) for reads, one in embedders.items()}
    return {reads: Embeddings(**one, region=region) for reads, one in ({"": {"pixels": pixels}} | found).items()}


def _rule(threshold: Mapping[str, Any]) -> Rule:
    chosen = _validated(Threshold, threshold, "threshold")
    return Rule(chosen.strategy, {name: getattr(chosen, name) for name in option_names(chosen.strategy)})


def _maps(found: Calibration, preprocess: Preprocess) -> Maps | None:
    maps = found.prediction.anomaly_map
    if maps is None:
        return None
    sigma, rate = Evaluate().map_sigma, Evaluate().red_rate
    size, region = preprocess.image_size, preprocess.region
    return Maps(sigma, rate, **red_scale(maps, size, sigma, rate, found.map_scheme, region=region))


def _validated(model: type[SectionT], values: Mapping[str, Any], origin: str) -> SectionT:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise IadError(f"{origin}: {first_problem(error)}") from None
