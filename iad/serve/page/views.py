"""What there is to see of a part: its picture, where it is odd, and the good parts that it is unlike."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image

from iad.bundles.predictor import Predictor
from iad.data.decode import decode_to_show
from iad.data.given import read_pictures
from iad.errors import IadError
from iad.explain.unlike import unlike
from iad.report.overlay import OVERLAY_ABOVE, OVERLAY_BELOW, MapScale, map_colours
from iad.serve.entries import Choice, Entry
from iad.serve.http.station import SentPicture, Station
from iad.serve.log import VerdictLog
from iad.serve.page.keepsake import Keepsake
from iad.serve.page.shelf import Shelf
from iad.serve.rejudging import pictures_of

LONGEST = 1024  # pixels of a picture's longer side, as it is shown
HELD = 32  # parts whose views are held


@dataclass(frozen=True)
class Good:
    """A good picture of a bundle.

    Attributes:
        name: its name when the bundle was made.
        sha256: hex, of its file.
        is_here: whether the file lies in a folder of `--pictures`.
    """

    name: str
    sha256: str
    is_here: bool


@dataclass(frozen=True)
class Insight:
    """What a bundle says of a part beside its verdict.

    Attributes:
        heat: a PNG with transparency, to be laid over the picture; empty of a method that cannot say where.
        nearest: good pictures, the most telling first.
        notes: in what the picture is unlike those of the bundle.
    """

    heat: bytes = b""
    nearest: tuple[Good, ...] = ()
    notes: tuple[str, ...] = ()


class Views:
    """Makes views of parts in the log. Its methods compute or wait for the disk, and several threads may call them.

    Args:
        log: where verdicts are.
        stations: bundles at work, by name.
        keepsake: pictures that were sent.
        shelf: folders in which pictures may lie.
    """

    def __init__(self, log: VerdictLog, stations: Mapping[str, Station], keepsake: Keepsake, shelf: Shelf) -> None:
        self._log, self._stations, self._keepsake, self._shelf = log, stations, keepsake, shelf
        self._computing = Lock()  # one map at a time: those who are judged come first
        self.picture = lru_cache(HELD)(self._picture)
        self._insight = lru_cache(HELD)(self._looked_into)

    def entry(self, number: int) -> Entry:
        """A verdict by its number.

        Raises:
            IadError: if there is none.
        """
        found = next(self._log.entries(Choice(after=number - 1)), None)
        if found is None or found.number != number:
            raise IadError(f"no verdict has the number {number}")
        return found

    def inspector(self, entry: Entry) -> Predictor | None:
        """The bundle that spoke, if it is still at work."""
        judges = [(one.inspector, one.sha256) for one in self._stations.values()]
        return next((inspector for inspector, sha256 in judges if sha256 == entry.bundle), None)

    def insight(self, number: int, is_wanted: Callable[[], bool] = lambda: True) -> Insight:
        """What the bundle that spoke says beside its verdict.

        Args:
            number: of the verdict.
            is_wanted: asked when it is this one's turn; nothing is computed for somebody who has turned away.

        Raises:
            IadError: if the picture is nowhere, or the bundle no longer at work.
        """
        with self._computing:
            return self._insight(number) if is_wanted() else Insight()

    def good(self, name: str, sha256: str) -> bytes:
        """A good picture as a JPEG.

        Raises:
            IadError: if it is not in the folders that the server was given.
        """
        found = self._shelf.original(name, sha256)
        if found is None:
            raise IadError(f"{name}: not in the folders of --pictures")
        return _shown(found.read(), name, self._any())

    def _picture(self, number: int) -> bytes:
        """The picture of a verdict as a JPEG; see `picture`."""
        entry = self.entry(number)
        return _shown(self._data(entry), entry.image_id, self.inspector(entry) or self._any())

    def _any(self) -> Predictor:
        return next(iter(self._stations.values())).inspector

    def _data(self, entry: Entry) -> bytes:
        """The bytes that were judged."""
        held = self._keepsake.find(entry.sha256)
        if held is not None:
            return held
        if entry.path:
            found = pictures_of([entry], [])
            if entry.number in found:
                return found[entry.number].read()
        raise IadError("the picture of this part is no longer here")

    def _looked_into(self, number: int) -> Insight:
        entry = self.entry(number)
        inspector = self.inspector(entry)
        if inspector is None:
            raise IadError("the bundle that judged this part is no longer at work")
        picture = SentPicture(Path(entry.image_id), entry.image_id, data=self._data(entry))
        return _insight(inspector, picture, self._shelf)


def _insight(inspector: Predictor, picture: SentPicture, shelf: Shelf) -> Insight:
    bundle, how = inspector.bundle, inspector.bundle.preprocess
    (given,) = read_pictures([picture], how.image_size, **how.reading)
    embeddings = inspector.embed(np.asarray(given.pixels)[None])
    maps = inspector.maps_of(embeddings)
    told = next(iter(unlike(inspector.fitted, embeddings).values()), None)  # of a hybrid, by its first such member
    rows = [one.row for one in told.pictures] if told else []
    heat = b"" if maps is None or bundle.maps is None else _png(heat_of(maps[0], bundle.maps.scale))
    known = [(bundle.pictures.ids[row], bundle.pictures.sha256[row]) for row in rows]
    nearest = tuple(Good(name, sha256, shelf.original(name, sha256) is not None) for name, sha256 in known)
    lines = inspector.likeness.lines([(picture.name, given.look)]) if given.look else {}
    return Insight(heat, nearest, tuple(lines.values()))


def heat_of(anomaly_map: np.ndarray, scale: MapScale) -> np.ndarray:
    """The colours of a map as `iad.report.overlay.overlay` lays them over a picture, with how far they cover it.

    Args:
        anomaly_map: float32 `(H, W)`, higher = more anomalous.
        scale: of the bundle.

    Returns:
        uint8 `(H, W, 4)`: red, green, blue, and opacity; what is usual is clear.

    >>> heat_of(np.array([[1.0, 3.0]]), MapScale(usual=1.0, red=3.0)).tolist()  # usual; just red
    [[[247, 249, 251, 0], [240, 86, 47, 166]]]
    """
    values = anomaly_map.astype(np.float64)
    level = np.clip(1 + (values - scale.red) / scale.span, 0, 1)
    covered = np.where(values >= scale.red, OVERLAY_ABOVE, OVERLAY_BELOW * level)
    return np.asarray(np.round(255 * np.dstack([map_colours(values, scale), covered])), dtype=np.uint8)


def _shown(data: bytes, name: str, inspector: Predictor) -> bytes:
    pixels = decode_to_show(data, name, LONGEST, **inspector.bundle.preprocess.limits)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
