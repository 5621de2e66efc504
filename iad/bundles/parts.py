"""What a bundle is made of: pictures, calibration, preparation, rule, colours, origin, backbones. Each is checked."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass

from iad.bundles.fitted import Packed
from iad.bundles.pictures import PictureSet
from iad.data.image_size import MOST, ImageSize
from iad.decision.promises import SCHEMES
from iad.decision.thresholds import option_names
from iad.errors import IadError, unknown
from iad.report.overlay import MapScale
from iad.report.results_notes import of_one_picture

EXACT = ConfigDict(arbitrary_types_allowed=True, extra="forbid")
Real = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=1, le=MOST)]


def _known_scheme(scheme: str) -> str:
    if scheme not in SCHEMES:
        raise ValueError(str(unknown("scheme of calibration", scheme, SCHEMES)))
    return scheme


_SIDES = TypeAdapter[Any](Side | tuple[Side, Side])


def _sides(given: Any) -> Any:
    if given == "auto":
        return given
    try:
        return _SIDES.validate_python(given)
    except ValidationError:
        raise ValueError(
            f"give the short side in pixels, or height and width, each from 1 to {MOST:,}; or auto"
        ) from None


Sides = Annotated[int | tuple[int, int] | Literal["auto"], PlainValidator(_sides)]
"""How large prepared pictures are to be: their short side, height and width, or as large as makes sense."""


def _size(given: Any) -> ImageSize:
    return ImageSize.of(_SIDES.validate_python(given))


Size = Annotated[ImageSize, BeforeValidator(_size)]
Scheme = Annotated[str, AfterValidator(_known_scheme)]


@dataclass(frozen=True, eq=False, config=EXACT)
class CalibrationSet:
    """Good pictures that set the threshold, and their scores out of sample.

    Attributes:
        pictures: K of them.
        rows: int64 `(K,)`, the number of each among the pictures fitted to, or -1 for one that was set apart.
        scores: float64 `(K,)`, higher = more anomalous.
        scheme: how the scores came to be out of sample.
        map_scheme: the same of the maps.
        kept: what the detector takes of these pictures, by the name of the part, for those of which it has kept too
            little itself; only in a bundle that is to be extended.
    """

    pictures: PictureSet
    rows: np.ndarray
    scores: np.ndarray
    scheme: Scheme
    map_scheme: Scheme
    kept: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no method could have left."""
        rows, scores, shape = self.rows, self.scores, (len(self.pictures),)
        if not self.pictures:
            raise IadError("no calibration picture")
        if rows.dtype != np.int64 or rows.shape != shape or rows.min() < -1 or (rows.min() < 0 <= rows.max()):
            raise IadError(f"numbers of calibration pictures that are no numbers of {shape[0]} pictures")
        if scores.dtype != np.float64 or scores.shape != shape or not np.isfinite(scores).all():
            raise IadError(f"calibration scores that are not {shape[0]} finite numbers")
        if bad := [name for name, array in self.kept.items() if array.shape[:1] != shape]:
            raise IadError(f"'{bad[0]}' kept of other calibration pictures than those that it names")

    def doubts(self, method: str, threshold: float) -> tuple[str, ...]:
        """A line where one of the pictures alone decides what is rejected, in the words of `iad results`.

        Args:
            method: its name.
            threshold: that these scores set.
        """
        return tuple(of_one_picture(method, threshold, np.array(self.pictures.ids), self.scores))

    def warn_of_doubts(self, method: str, threshold: float) -> None:
        """The same as a warning to whoever fits a method."""
        for line in self.doubts(method, threshold):
            warnings.warn(line, stacklevel=3)


@dataclass(frozen=True, eq=False, config=EXACT)
class Preprocess:
    """How pictures are prepared, as in `params.yaml` (sections `preprocess` and `data`), and which pixels count.

    Attributes:
        image_size: height and width in pixels.
        white_16bit: the value of a 16-bit picture that becomes white.
        max_megapixels: the largest accepted picture.
        region: the region of interest, bool `(H, W)`, True where a pixel counts; None: all do.

    Raises:
        IadError: if the region is none of these pictures, or keeps nothing.
    """

    image_size: Size
    white_16bit: Annotated[int, Field(ge=255, le=65535)]
    max_megapixels: Positive
    region: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Refuse a region that no picture has."""
        if (region := self.region) is None:
            return
        if region.dtype != np.bool_ or region.shape != tuple(self.image_size) or not region.any():
            raise IadError(
                f"a region of interest of {region.dtype} and the shape {region.shape}, or that keeps nothing"
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Preprocess):
            return NotImplemented
        return (self.plain, self.region_sha256) == (other.plain, other.region_sha256)

    def __hash__(self) -> int:
        return hash((self.image_size, self.region_sha256))

    @property
    def limits(self) -> dict[str, Any]:
        """What `iad.data.decode.decode` is told beside the size."""
        return {"white_16bit": self.white_16bit, "max_megapixels": self.max_megapixels}

    @property
    def reading(self) -> dict[str, Any]:
        """What `iad.data.given.read_pictures` is told beside the size."""
        return {**self.limits, "region": self.region}

    @property
    def plain(self) -> dict[str, Any]:
        """All but the region, for a file."""
        return {"image_size": self.image_size.plain, **self.limits}

    @property
    def region_sha256(self) -> str | None:
        """Hex SHA-256 of the region, to compare it; None without one."""
        return None if self.region is None else hashlib.sha256(np.ascontiguousarray(self.region).data).hexdigest()


@dataclass(frozen=True, config=EXACT)
class Rule:
    """How the threshold was set: a key of `iad.decision.thresholds.STRATEGIES`, and a value for each of its options."""

    strategy: str
    options: dict[str, Real]

    def __post_init__(self) -> None:
        """Refuse another strategy, or other options."""
        if set(self.options) != (names := set(option_names(self.strategy))):
            raise IadError(f"threshold.strategy {self.strategy} takes {sorted(names)}, not {sorted(self.options)}")


@dataclass(frozen=True, config=EXACT)
class Maps:
    """What the colours of anomaly maps mean, and what they promise.

    Attributes:
        sigma: of the Gaussian that smooths maps, as a share of the picture's short side.
        rate: share of good pictures that may show any red, as it was asked for.
        usual: value that is usual on good pictures, where blue begins.
        red: pixels with `value >= red` are red.
        promise: what that promises, in words.
        promised_rate: as in `iad.decision.pixel_thresholds.PixelThreshold`; so are the following.
        guaranteed: whether the promise is proven.
        scheme: how maps of the calibration pictures were made.
        pictures: how many they are.
        warning: why it promises less than was asked for.
    """

    sigma: Annotated[float, Field(ge=0, le=1)]
    rate: Annotated[float, Field(gt=0, lt=1)]
    usual: Real
    red: Real
    promise: str
    promised_rate: Real | None
    guaranteed: bool
    scheme: Scheme
    pictures: int
    warning: str | None

    @property
    def scale(self) -> MapScale:
        """The colours."""
        return MapScale(self.usual, self.red)


@dataclass(frozen=True, config=EXACT)
class Origin:
    """Where a bundle comes from.

    Attributes:
        iad: version of this package.
        versions: of the libraries that compute, by name.
        revision: commit of the project, with `+` behind it where files differed; None outside of Git.
        source: of the pictures, as in `params.yaml`.
        category: of the pictures.
        precision: in which a network computes that is no backbone; None where there is none.
    """

    iad: str | None
    versions: dict[str, str]
    revision: str | None
    source: str
    category: str
    precision: Annotated[str, Field(pattern="^(auto|fp32|bf16)$")] | None


@dataclass(frozen=True, config=EXACT)
class _Record:
    """A backbone, as `iad.features.embedder.Embedder.record` gives it."""

    name: str
    weights: str
    weights_sha256: str
    image_size: Size
    mean: tuple[Real, Real, Real]
    std: tuple[Positive, Positive, Positive]
    depth: Count | None
    quantize: str
    pooling: str
    attribution: bool
    dimensions: Count
    patches: dict[str, Any]
    stride: Count | None
    precision: Literal["fp32", "bf16"]
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    runtime: dict[str, Any]


_RECORD = TypeAdapter(_Record)


def _known_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    _RECORD.validate_python(dict(record))
    return record


def _known_values(values: dict[str, Any]) -> dict[str, Any]:
    Packed.model_validate(values)
    return values


PackedValues = Annotated[dict[str, Any], AfterValidator(_known_values)]
"""The values of a fitted method, as `iad.bundles.fitted.Fitted.pack` gives them."""

BackboneRecord = Annotated[Mapping[str, Any], AfterValidator(_known_record)]
"""What `iad.features.embedder.Embedder.record` gives, as it is."""
