"""A graph of `iad export`, ready to inspect pictures with ONNX Runtime or OpenVINO, without PyTorch.

It needs NumPy, Pillow and the runtime; `inspect.pyz`, beside each graph, is this module with what it uses of `iad`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from iad.data.decode import decode
from iad.errors import IadError
from iad.export.card import CARD, REMEDY, SUFFIXES, unsealed

Run: TypeAlias = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""From pixels uint8 `(H, W, 3)` to the graph's outputs by name."""


class Finding(NamedTuple):
    """What a graph says of one picture.

    Attributes:
        score: higher = more anomalous.
        p_value: conformal, as of a `Verdict`.
        rejected: whether the score is at or above the threshold.
        anomaly_map: float32 `(height, width)` at the size of the prepared picture; None of a method without maps.
    """

    score: float
    p_value: float
    rejected: bool
    anomaly_map: np.ndarray | None


class Graph:
    """A graph in memory; it is checked to be as it was written. Several threads may share one.

    Args:
        path: `.onnx`, or `.xml` with its `.bin` beside it.
        threads: of the processor; 0: as the runtime likes.

    Raises:
        IadError: if the file is missing, no graph of `iad`, cut short or altered, or its runtime is not installed.

    Attributes:
        card: what the graph says of itself; docs/export.md lists it.
        sha256: of its seal.
    """

    def __init__(self, path: str | Path, *, threads: int = 0) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in OPENERS:
            raise IadError(f"{path}: what kind of graph is '{self.path.suffix}'? Name one that ends in .onnx or .xml")
        files = [_content(self.path)]
        if self.path.suffix.lower() == SUFFIXES["openvino"]:
            files.append(_content(self.path.with_suffix(".bin")))
        self.sha256 = unsealed(self.path, *files)
        try:
            self._run, text = OPENERS[self.path.suffix.lower()](files, threads)
        except ImportError as error:
            raise IadError(f"{path}: {error.name} is not installed; install it (pip install {error.name})") from None
        except Exception as error:  # noqa: BLE001  # runtimes raise types of their own
            reason = " ".join(str(error).split())[:200]
            raise IadError(f"{path}: this runtime cannot open it ({reason}); update the runtime, or {REMEDY}") from None
        self.card: dict[str, Any] = json.loads(text)

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.card["method"])

    @property
    def threshold(self) -> float:
        """Pictures with a score at or above it are rejected."""
        return float(self.card["threshold"])

    def inspect(self, pixels: np.ndarray) -> Finding:
        """Inspect one picture, uint8 `(H, W, 3)`, RGB, of any size; the graph resizes it as `iad` does.

        Raises:
            IadError: if the picture is of another type or shape, or too large to be resized exactly.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise IadError(f"a picture of {pixels.dtype} and the shape {pixels.shape}; give uint8 (height, width, 3)")
        if max(pixels.shape[:2]) > (most := int(self.card["input"]["largest_side"])):
            raise IadError(
                f"a picture of {pixels.shape[1]} x {pixels.shape[0]} px; the graph takes up to {most} a side"
            )
        found = self._run(np.ascontiguousarray(pixels))
        score = float(found["score"][0])
        if np.isnan(score):  # which would pass every threshold
            raise IadError(f"{self.path}: gives a score that is no number; {REMEDY}")
        return Finding(score, float(found["p_value"][0]), bool(found["rejected"][0]), found.get("anomaly_map"))

    def decode(self, data: bytes, name: str) -> np.ndarray:
        """A file's bytes as the graph wants them, prepared by the same function as in `iad predict`.

        Raises:
            IadError: as `iad.data.decode.decode` does.
        """
        given = self.card["input"]
        limits = {"max_megapixels": float(given["max_megapixels"]), "white_16bit": int(given["white_16bit"])}
        return decode(data, name, (int(given["height"]), int(given["width"])), **limits)  # type: ignore[arg-type]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IadError(f"{path}: cannot be read ({error.strerror}); name a graph, or {REMEDY}") from None


def _onnx(files: list[bytes], threads: int) -> tuple[Run, str]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = onnxruntime.InferenceSession(files[0], options, providers=["CPUExecutionProvider"])
    given, names = session.get_inputs()[0].name, [one.name for one in session.get_outputs()]

    def run(pixels: np.ndarray) -> Mapping[str, np.ndarray]:
        return dict(zip(names, session.run(names, {given: pixels}), strict=True))

    return run, session.get_modelmeta().custom_metadata_map[CARD]


def _openvino(files: list[bytes], threads: int) -> tuple[Run, str]:
    import openvino

    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    core = openvino.Core()
    model = core.read_model(files[0], files[1])
    compiled = core.compile_model(model, "CPU", settings)
    names = [one.any_name for one in compiled.outputs]

    def run(pixels: np.ndarray) -> Mapping[str, np.ndarray]:
        found = compiled.create_infer_request().infer({0: pixels})
        return {name: np.array(found[number]) for number, name in enumerate(names)}

    return run, str(model.get_rt_info(CARD).value)


OPENERS: dict[str, Callable[[list[bytes], int], tuple[Run, str]]] = {".onnx": _onnx, ".xml": _openvino}
