"""Cameras of GigE Vision and USB3 Vision (GenICam) through Aravis, which Linux distributions have.

It comes as packages of the system (Debian: gir1.2-aravis-0.8 and python3-gi), not from an index.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

from iad.errors import IadError
from iad.serve.cameras.frames import NoFrameError

BUFFERS = 4
ANSWER_SECONDS = 3.0
GREY_8, GREY_16, COLOUR_8 = ("Mono8",), ("Mono10", "Mono12", "Mono14", "Mono16"), ("RGB8", "RGB8Packed", "BGR8")
BAYER = {"BayerRG8": 0, "BayerGR8": 1, "BayerGB8": 2, "BayerBG8": 3}
BITS = {"Mono10": 6, "Mono12": 4, "Mono14": 2}  # to move up, so that white is white


def aravis() -> Any:
    """Aravis' own module.

    Raises:
        IadError: if it is not installed, or not where this Python looks.
    """
    try:
        gi = import_module("gi")
        gi.require_version("Aravis", "0.8")
        return import_module("gi.repository.Aravis")
    except (ImportError, ValueError):
        what = "install gir1.2-aravis-0.8 and python3-gi, and make the environment with --system-site-packages"
        raise IadError(f"--camera aravis: Aravis is not there for this Python; {what}") from None


class AravisCamera:
    """A camera by its name or its address; it exposes when it is asked, where it has a software trigger.

    Args:
        name: as `arv-tool-0.8` lists it, or an address of the network; empty: the first one that is found.

    Raises:
        NoFrameError: if it cannot be opened.
        IadError: as `aravis`; or if its pixels are of a kind that is not read.
    """

    def __init__(self, name: str) -> None:
        self._aravis, self.problem = aravis(), ""
        self._error = import_module("gi.repository.GLib").Error
        try:
            self._camera = self._aravis.Camera.new(name or None)
            self._format = self._camera.get_pixel_format_as_string()
            self._require_format()
            self._begin()
        except self._error as error:
            raise NoFrameError(f"cannot be opened ({_words(error)})") from None

    def take(self) -> np.ndarray:
        """As `iad.serve.cameras.frames.Camera`; a frame that arrives damaged is asked for once more."""
        try:
            return self._taken()
        except NoFrameError:
            if self.problem:
                raise
            return self._taken()

    def _taken(self) -> np.ndarray:
        try:
            self._drop_old()
            if self._triggered:
                self._camera.software_trigger()
        except self._error as error:
            raise self._lost(f"is lost ({_words(error)})") from None
        buffer = self._stream.timeout_pop_buffer(int(1e6 * ANSWER_SECONDS))
        if buffer is None:
            raise self._lost(f"gave no frame within {ANSWER_SECONDS:g} seconds")
        try:
            if buffer.get_status() != self._aravis.BufferStatus.SUCCESS:
                raise NoFrameError(f"gave a damaged frame ({buffer.get_status().value_nick})")
            shape = buffer.get_image_height(), buffer.get_image_width()
            return pixels_of(buffer.get_data(), shape, self._format)
        finally:
            self._stream.push_buffer(buffer)

    def close(self) -> None:
        """As `iad.serve.cameras.frames.Camera`."""
        with suppress(self._error):  # where it is gone already
            self._camera.stop_acquisition()
            self._camera.clear_triggers()  # for the next program
        self._camera.get_device().disconnect(self._noted)
        del self._camera, self._stream  # the last hold on it, so that it may be opened again

    def _begin(self) -> None:
        self._triggered = self._camera.is_software_trigger_supported()
        if self._triggered:
            self._camera.set_trigger("Software")
        self._camera.set_acquisition_mode(self._aravis.AcquisitionMode.CONTINUOUS)
        self._stream = self._network_stream() if self._camera.is_gv_device() else self._camera.create_stream(None, None)
        for _ in range(BUFFERS):
            self._stream.push_buffer(self._aravis.Buffer.new_allocate(self._camera.get_payload()))
        self._noted = self._camera.get_device().connect("control-lost", self._note_lost)
        self._camera.start_acquisition()

    def _network_stream(self) -> Any:
        """Frames as plain UDP, with room for a whole one; raw packets need rights, and some networks give none."""
        self._camera.gv_set_stream_options(self._aravis.GvStreamOption.PACKET_SOCKET_DISABLED)
        stream = self._camera.create_stream(None, None)
        stream.set_property("socket-buffer", self._aravis.GvStreamSocketBuffer.AUTO)
        return stream

    def _drop_old(self) -> None:
        """Give back what was exposed before; of a camera without a trigger also the frame that is on its way."""
        while (buffer := self._stream.try_pop_buffer()) is not None:
            self._stream.push_buffer(buffer)

    def _require_format(self) -> None:
        known = (*GREY_8, *GREY_16, *COLOUR_8, *BAYER)
        if self._format not in known:
            what = f"its pixels are {self._format}; set PixelFormat to one of {', '.join(known)}"
            raise IadError(f"--camera aravis: {what} (arv-tool-0.8 control PixelFormat=Mono8)")

    def _note_lost(self, *_: Any) -> None:
        self.problem = self.problem or "is lost (it does not answer any more)"

    def _lost(self, why: str) -> NoFrameError:
        self.problem = self.problem or why
        return NoFrameError(self.problem)


def pixels_of(data: bytes, shape: tuple[int, int], kind: str) -> np.ndarray:
    """The picture in a buffer: uint8 or uint16 `(H, W)`, or uint8 `(H, W, 3)`, RGB.

    Args:
        data: the buffer; bytes beyond the picture are passed over.
        shape: height and width.
        kind: the format as GenICam calls it (PFNC).

    >>> pixels_of(bytes([1, 2, 3, 4, 5, 6]), (1, 2), "BGR8")[0, 0].tolist()
    [3, 2, 1]
    >>> pixels_of(bytes([255, 15]), (1, 1), "Mono12").tolist()
    [[65520]]
    """
    count = shape[0] * shape[1]
    if kind in GREY_16:
        return np.frombuffer(data, "<u2", count).reshape(shape) << np.uint16(BITS.get(kind, 0))
    if kind in COLOUR_8:
        colour = np.frombuffer(data, np.uint8, 3 * count).reshape(*shape, 3)
        return np.ascontiguousarray(colour[..., ::-1] if kind.startswith("BGR") else colour)
    grey = np.frombuffer(data, np.uint8, count).reshape(shape).copy()
    return grey if kind in GREY_8 else _colours(grey, BAYER[kind])


def _colours(mosaic: np.ndarray, first: int) -> np.ndarray:
    """A Bayer mosaic in colour, each block of 2 x 2 pixels one colour: no colour is made up between blocks."""
    height, width = (side // 2 * 2 for side in mosaic.shape)
    parts = [mosaic[row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)]  # RG, GB from the first on
    order = {0: (0, 1, 2, 3), 1: (1, 0, 3, 2), 2: (2, 0, 3, 1), 3: (3, 1, 2, 0)}[first]
    red, green, other, blue = (parts[number] for number in order)
    mean = ((green.astype(np.uint16) + other) // 2).astype(np.uint8)
    return np.stack([red, mean, blue], axis=2).repeat(2, axis=0).repeat(2, axis=1)


def _words(error: Any) -> str:
    return " ".join(str(getattr(error, "message", error)).split())
