"""Sections `data` and `preprocess`: where pictures come from, and how they become arrays."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from iad.params.base import Count, Name, Section, Share


class Elpv(Section):
    """The ELPV split: what share of the good cells trains, and what becomes of the doubtful ones."""

    train_share: Share
    doubtful: Literal["drop", "normal", "anomalous"]


class Mvtec(Section):
    """Where MVTec AD comes from: the official address, or an archive or folder on disk."""

    path: Annotated[str, Field(min_length=1)] | None


class Folder(Section):
    """How a plain `good/` + `bad/` folder is split; a folder in MVTec layout brings its own split."""

    train_share: Share


class Synthetic(Section):
    """How many carpets are woven, and how large."""

    train: Count
    good: Annotated[int, Field(ge=0)]
    defective: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=32, le=4096)]


class Data(Section):
    """The pictures: which source, which category, and each source's own options."""

    source: Name
    category: Name
    allow_shared: bool
    max_megapixels: Annotated[float, Field(gt=0)]
    elpv: Elpv
    mvtec: Mvtec
    folder: Folder
    synthetic: Synthetic


class Preprocess(Section):
    """How pictures become arrays."""

    image_size: Annotated[int, Field(ge=32, le=2048)]
    white_16bit: Annotated[int, Field(ge=255, le=65535)]
