"""Fit a method to good pictures without the pipeline, for a notebook: `iad.fit`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iad.bundles.bundle import Bundle, Maps, Origin, Preprocess, Rule
from iad.bundles.parts import Side
from iad.bundles.predictor import Predictor
from iad.compute import resolve
from iad.data.decode import FULL_16BIT
from iad.data.given import Picture
from iad.data.image_size import ImageSize
from iad.decision import Threshold
from iad.decision.ranks import decides, verdicts_or_p_values
from iad.decision.thresholds import option_names
from iad.detectors.calibrate import Calibration, calibrate
from iad.detectors.embeddings import Embeddings
from iad.errors import IadError
from iad.fitting.few import asks_for_turns, settled, turning
from iad.fitting.given import MAX_MEGAPIXELS, calibration_set, folders, kept, prepared_size, read, require_apart
from iad.fitting.method import METHODS, backbones, embed, make_embedder, unfitted, validated
from iad.options import Count, Section
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

    Of two good pictures or more that are too few for the false-alarm rate asked for, verdicts are left open: there are
    scores, maps and p-values, and a warning says so.

    Args:
        good: a folder, whose `train/good` or `good` is taken where it has one; or pictures, as `Predictor.predict`
            takes them. They are held in memory.
        method: "ae", "resnet", "vit", "patch_resnet", "patch_vit", "hybrid", or a detector on the transformer: "padim",
            "subspace" (on the CNN: "padim_resnet", "subspace_resnet") or a classical one.
        calibration: good pictures that set the threshold and are not fitted to; None: `calibration/good` of the
            folder, or else the pictures fitted to, each as if it were not there.
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
            they are too few to compare at all.
    """
    validated(_Sizes, {"image_size": image_size, "batch_size": batch_size}, "iad.fit")
    given, given_apart = (kept(some) for some in folders(good, calibration))
    runtime = resolve(device=device, precision=precision)
    size = prepared_size(given, image_size)
    preprocess = Preprocess(size, white_16bit=FULL_16BIT, max_megapixels=MAX_MEGAPIXELS)
    rule = _rule(threshold or {})
    fitted = unfitted(method, dict(options or {}), training, seed=seed, runtime=runtime)
    chosen = backbones(fitted, backbone or {})
    pixels, pictures = read(given, preprocess)
    apart_pixels, apart = read([] if given_apart is None else given_apart, preprocess)
    require_apart(pictures, apart)
    tried = {reads for reads, one in chosen.items() if asks_for_turns(fitted, one, reads, len(pictures))}
    embedders = {
        reads: make_embedder(reads, turning(one) if reads in tried else one, size, batch_size, runtime)
        for reads, one in chosen.items()
    }
    embedded, others = (embed(embedders, some, augmented=some is pixels) for some in (pixels, apart_pixels))
    with _said_for_memory():
        embedded |= {reads: settled(fitted, reads, embedded[reads]) for reads in tried}
        inputs = fitted.inputs(embedded)
        fitted.detector.fit(inputs, calibrated_apart=len(apart) > 0)
        found = calibrate(fitted.detector, inputs, fitted.inputs(others), seed=seed)
        verdict = verdicts_or_p_values(found.prediction.pred_score, rule.strategy, rule.options, scheme=found.scheme)
        maps = _maps(found, size)
    if not decides(verdict):
        warnings.warn(verdict.guarantee, stacklevel=2)
    return Predictor(
        Bundle(
            packed=fitted.pack(), pictures=pictures, calibration=calibration_set(found, pictures, apart),
            threshold=verdict, rule=rule, preprocess=preprocess,
            embedders={reads: _record(one, embedded[reads]) for reads, one in embedders.items()},
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


def _record(embedder: Embedder, good: Embeddings) -> dict[str, Any]:
    """What makes the backbone again, without turns where the bank holds none."""
    record = embedder.record()
    if good.augmented is None:
        record["patches"] |= {"rotations": 1}
    return record | {"runtime": embedder.runtime.record()}


class _Sizes(Section):
    image_size: Side | tuple[Side, Side]
    batch_size: Count


def _rule(threshold: Mapping[str, Any]) -> Rule:
    chosen = validated(Threshold, threshold, "threshold")
    return Rule(chosen.strategy, {name: getattr(chosen, name) for name in option_names(chosen.strategy)})


def _maps(found: Calibration, size: ImageSize) -> Maps | None:
    maps = found.prediction.anomaly_map
    if maps is None:
        return None
    sigma, rate = Evaluate().map_sigma, Evaluate().red_rate
    return Maps(sigma, rate, **red_scale(maps, size, sigma, rate, found.map_scheme))
