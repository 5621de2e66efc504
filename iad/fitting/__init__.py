"""Fit a method to good pictures without the pipeline, for a notebook: `iad.fit`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iad.bundles.bundle import Bundle, Maps, Origin, Preprocess, Rule
from iad.bundles.parts import Sides
from iad.bundles.predictor import Predictor
from iad.compute import resolve
from iad.data.decode import FULL_16BIT
from iad.data.given import Picture, good_and_apart, region_given
from iad.decision import Threshold
from iad.decision.ranks import decides, verdicts_or_p_values
from iad.decision.thresholds import option_names
from iad.detectors.calibrate import Calibration, calibrate
from iad.detectors.embeddings import Embeddings
from iad.errors import IadError
from iad.fitting.few import asks_for_turns, settled, turning
from iad.fitting.given import MAX_MEGAPIXELS, calibration_set, kept, prepared_size, read, require_apart
from iad.fitting.method import METHODS, backbones, embed, make_embedder, unfitted, validated
from iad.options import Count, Section, require_mappings
from iad.report import Evaluate
from iad.report.overlay import red_scale
from iad.versions import installed

if TYPE_CHECKING:
    from iad.features.embedder import Embedder

__all__ = ["METHODS", "fit"]


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
    image_size: Sides = "auto",
    batch_size: int = 32,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
) -> Predictor:
    """Fit a method to good pictures, set its threshold from good pictures alone, and return it ready to inspect others.

    Of two good pictures or more that are too few for the false-alarm rate asked for, verdicts are left open: there are
    scores, maps and p-values, and a warning says so.

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
            width; "auto": 224, 336 or 448, as `preprocess.image_size` of `params.yaml` chooses.
        batch_size: pictures per forward pass.
        seed: of whatever is drawn.
        device: auto, cpu, cuda or mps.
        precision: auto, fp32 or bf16.

    Raises:
        IadError: if there is no such method or option, a picture cannot be read, is both fitted to and set apart, or
            they are too few to compare at all.
    """
    validated(_Numbers, {"image_size": image_size, "batch_size": batch_size, "seed": seed}, "iad.fit")
    require_mappings(options=options, training=training, backbone=backbone, threshold=threshold)
    given, given_apart = (kept(some) for some in good_and_apart(good, calibration))
    runtime = resolve(device=device, precision=precision)
    size = prepared_size(given, image_size)
    folder = Path(good) if isinstance(good, str | Path) else None
    region = region_given(roi, folder, given, size, max_megapixels=MAX_MEGAPIXELS)
    preprocess = Preprocess(size, FULL_16BIT, MAX_MEGAPIXELS, region)
    rule = _rule(threshold or {})
    fitted = unfitted(method, dict(options or {}), training, seed=seed, runtime=runtime)
    chosen = backbones(fitted, backbone or {})
    pixels, pictures = read(given, preprocess)
    apart_pixels, apart = read([] if given_apart is None else given_apart, preprocess)
    require_apart(pictures, apart)
    tried = {reads for reads, one in chosen.items() if asks_for_turns(fitted, one, reads, len(pictures), region)}
    looked = {reads: turning(one) if reads in tried else one for reads, one in chosen.items()}
    embedders = {reads: make_embedder(reads, one, size, batch_size, runtime) for reads, one in looked.items()}
    embedded, others = (embed(embedders, some, region, augmented=some is pixels) for some in (pixels, apart_pixels))
    with _said_for_memory():
        embedded |= {reads: settled(fitted, reads, embedded[reads]) for reads in tried}
        inputs = fitted.inputs(embedded)
        fitted.detector.fit(inputs, calibrated_apart=len(apart) > 0)
        found = calibrate(fitted.detector, inputs, fitted.inputs(others), seed=seed)
        verdict = verdicts_or_p_values(found.prediction.pred_score, rule.strategy, rule.options, scheme=found.scheme)
        maps = _maps(found, preprocess)
    calibrating = calibration_set(found, pictures, apart)
    if decides(verdict):
        calibrating.warn_of_doubts(method, verdict.value)
    else:
        warnings.warn(verdict.guarantee, stacklevel=2)
    records = {reads: _record(one, embedded[reads]) for reads, one in embedders.items()}
    origin = _origin(method if folder is None else str(folder), runtime.precision)
    bundle = Bundle(
        packed=fitted.pack(), pictures=pictures, calibration=calibrating, threshold=verdict, rule=rule,
        preprocess=preprocess, embedders=records, weights={}, maps=maps, origin=origin,
    )  # fmt: skip
    return Predictor(bundle, device=device)


def _origin(category: str, precision: str) -> Origin:
    return Origin(**installed(), revision=None, source="iad.fit", precision=precision, category=category)


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


def _record(embedder: Embedder, good: Embeddings) -> dict[str, Any]:
    """What makes the backbone again, without turns where the bank holds none."""
    record = embedder.record()
    if good.augmented is None:
        record["patches"] |= {"rotations": 1}
    return record | {"runtime": embedder.runtime.record()}


class _Numbers(Section):
    image_size: Sides
    batch_size: Count
    seed: int


def _rule(threshold: Mapping[str, Any]) -> Rule:
    chosen = validated(Threshold, threshold, "threshold")
    return Rule(chosen.strategy, {name: getattr(chosen, name) for name in option_names(chosen.strategy)})


def _maps(found: Calibration, preprocess: Preprocess) -> Maps | None:
    maps = found.prediction.anomaly_map
    if maps is None:
        return None
    sigma, rate = Evaluate().map_sigma, Evaluate().red_rate
    size, region = preprocess.image_size, preprocess.region
    return Maps(sigma, rate, **red_scale(maps, size, sigma, rate, found.map_scheme, region=region))
