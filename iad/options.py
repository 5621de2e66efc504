"""What a section of `params.yaml` is made of: models that refuse unknown keys and values out of range.

A detector, a source and a backbone each declare their own section, beside the code that reads it; `iad.config` puts all
of them together. A field holds the default, the range and, as its description, what the option means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from iad.errors import IadError


def _share_or_count(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError("should be a share below 1 or a whole number")
    return int(value) if value in (0, int(value)) else value


Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
ShareOrCount = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_share_or_count)]
ShareCountOrNone = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_share_or_count)]  # 0: none


class Section(BaseModel):
    """A part of `params.yaml`: immutable, and every key must be known."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class DetectorOptions(Section):
    """Options of a detector.

    `section` is where they stand in `params.yaml`, by default under the detector's name; `by_place` says whether the
    detector knows each place of a picture for itself, so that every picture needs the grid of those fitted to.
    """

    section: ClassVar[str] = ""
    by_place: ClassVar[bool] = False


class SourceOptions(Section):
    """Options of a source of pictures; `categories` tells a reader of `params.yaml` which ones it has."""

    categories: ClassVar[str] = ""


class ArchiveOptions(SourceOptions):
    """Where a published data set comes from: its official address, or an archive or folder on disk."""

    path: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="null: download; or the archive or unpacked folder on disk"
    )


def require_mappings(**given: Any) -> None:
    """Refuse options of a call that are not given by name; None stands for none.

    >>> require_mappings(options={"k": 3}, training=None)
    >>> require_mappings(backbone="resnet50")
    Traceback (most recent call last):
    iad.errors.IadError: backbone = 'resnet50': give a mapping from names of options to their values
    """
    for name, options in given.items():
        if options is not None and not isinstance(options, Mapping):
            raise IadError(f"{name} = {options!r}: give a mapping from names of options to their values")


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Every value of nested settings that is no mapping, by its key with dots.

    >>> flat({"a": {"b": 1, "c": 2}, "d": 3})
    {'a.b': 1, 'a.c': 2, 'd': 3}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found
