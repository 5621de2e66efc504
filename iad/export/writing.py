"""A bundle exported: the graph, checked before it is written, and beside it the program that inspects with it."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from iad.bundles.bundle import Bundle, read_bundle, require_verdicts
from iad.bundles.outputs import require_folder, weights_file
from iad.bundles.predictor import Predictor
from iad.errors import IadError
from iad.export import FORMATS, PRECISIONS
from iad.export.card import BLANK, CARD, SEAL, SUFFIXES, seal
from iad.export.check import Checked, check, generate, read_all
from iad.export.graph import MAP, P_VALUE, PIXELS, REJECTED, SCORE, build_graph, prepared_size, quiet
from iad.export.resize import largest_side
from iad.export.runner import Graph
from iad.io import new_folder, replacing
from iad.versions import installed

PROGRAM = "inspect.pyz"
PACKAGES = ("iad", "iad.data", "iad.export")
LIGHT = (
    "iad.errors", "iad.words", "iad.progress", "iad.data.decode", "iad.data.formats", "iad.data.image_size",
    "iad.data.tree", "iad.export.card", "iad.export.inspect", "iad.export.runner",
)  # fmt: skip
"""Modules that the program takes along; none imports more than NumPy, Pillow and a runtime."""
TOOLS = ("onnx", "onnxruntime", "onnxscript", "openvino")
LARGEST = 2**31 - 2**20  # bytes of a file of ONNX


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        graph: the graph's (first) file.
        size: of its files together, in bytes.
        checked: how far it is from its bundle.
        sha256: of its seal.
    """

    graph: Path
    size: int
    checked: Checked
    sha256: str


def export_bundle(
    file: Path, *, format: str, precision: str = "fp32", out: Path | None = None, checked_on: Path | None = None,  # noqa: A002
    calibrated_on: Path | None = None, weights: str = "", force: bool = False,
) -> Exported:  # fmt: skip
    """Export a bundle into a folder; it appears when the graph has been found to say what the bundle says.

    Args:
        file: the bundle.
        format: of `iad.export.FORMATS`.
        precision: of `iad.export.PRECISIONS`.
        out: the folder; None: beside the bundle, by its name.
        checked_on: a folder of pictures to compare graph and bundle on; None: some are made from the bundle's small
            ones.
        calibrated_on: a folder of good pictures, from which int8 takes the ranges of values.
        weights: as in `iad.bundles.predictor.Predictor`.
        force: whether files in the folder that are there already are replaced.

    Raises:
        IadError: before anything is computed, if an option or a place is wrong; if the method cannot be exported, or
            its graph says something else.
    """
    _require(format, precision, calibrated_on)
    ending = "" if precision == "fp32" else f"-{precision}"
    folder = file.with_name(f"{file.stem}-{format}{ending}") if out is None else out
    given = [one for one in (file, checked_on, calibrated_on, *weights_file(weights)) if one is not None]
    require_folder(folder, inputs=given, force=force)
    bundle, digest = read_bundle(file)
    require_verdicts(bundle, str(file))
    predictor = Predictor(bundle, origin=str(file), device="cpu", weights=weights)
    predictor.warn = lambda _: None  # of pictures for the check
    limits = bundle.preprocess.limits
    shown = generate(predictor) if checked_on is None else read_all(checked_on, limits)
    model = _model(bundle, weights, str(file))
    if calibrated_on is not None:
        from iad.export.int8 import quantize

        model = quantize(model, read_all(calibrated_on, limits))
    card = card_of(bundle, digest, file, format, precision)
    name = file.stem + SUFFIXES[format]
    with tempfile.TemporaryDirectory() as trial:
        graph = Graph(_written(Path(trial), graph_files(model, card, name, format)) / name)
        found = check(graph, predictor, shown, generated=checked_on is None)
    found.require(precision, str(file))
    files = graph_files(model, card | {"check": found.record()}, name, format) | {PROGRAM: program()}
    with new_folder(folder) if not folder.exists() else nullcontext(folder) as part:
        _written(part, files)
    size = sum(len(content) for one, content in files.items() if one != PROGRAM)
    return Exported(folder / name, size, found, Graph(folder / name).sha256)


def program() -> bytes:
    """`inspect.pyz`: the modules of `LIGHT` in one file that Python runs; the same modules give the same bytes."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        main = "import sys\n\nfrom iad.export.inspect import main\n\nsys.exit(main())\n"
        texts = {f"{name.replace('.', '/')}/__init__.py": "" for name in PACKAGES}  # theirs import more
        texts |= dict(_source(name) for name in LIGHT)
        for name, text in (texts | {"__main__.py": main}).items():
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return b"#!/usr/bin/env python3\n" + content.getvalue()


def _source(module: str) -> tuple[str, str]:
    """Name of a module's file in the program, and its text."""
    file = Path(*module.split(".")).with_suffix(".py")
    return file.as_posix(), (Path(__file__).parents[2] / file).read_text(encoding="utf-8")


def _require(format: str, precision: str, calibrated_on: Path | None) -> None:  # noqa: A002
    for what, value, known in (("--format", format, FORMATS), ("--precision", precision, PRECISIONS)):
        if value not in known:
            raise IadError(f"{what} = {value}: use one of {', '.join(known)}")
    if (precision == "int8") != (calibrated_on is not None):
        raise IadError(
            "--precision int8 takes the ranges of values from good pictures: name a folder with --calibrate"
            if precision == "int8" else "--calibrate is for --precision int8; leave it out"
        )  # fmt: skip
    needed = [name for name in TOOLS if name != "openvino" or format == name]
    if missing := next((name for name in needed if find_spec(name) is None), None):
        raise IadError(f"iad export: {missing} is missing; install the extra iad[export]")


def _model(bundle: Bundle, weights: str, origin: str) -> Any:
    try:
        model = build_graph(bundle, weights)
    except IadError as refusal:
        raise IadError(f"{origin}: {refusal}") from None
    if (size := model.ByteSize()) > LARGEST:
        raise IadError(
            f"{origin}: a graph of {size / 2**30:.1f} GiB, and a file of ONNX holds 2; fit the method with a smaller "
            "patch.max_bank_gib"
        )
    return model


def card_of(bundle: Bundle, digest: str, file: Path, format: str, precision: str) -> dict[str, Any]:  # noqa: A002
    """What a graph says of itself, but for how it was checked; docs/export.md lists it.

    Args:
        bundle: what it was made of.
        digest: SHA-256 of the bundle.
        file: of the bundle.
        format: of `iad.export.FORMATS`.
        precision: of `iad.export.PRECISIONS`.
    """
    (height, width), threshold, maps = prepared_size(bundle), bundle.threshold, bundle.maps
    return {
        "format": 1, "method": bundle.method, "runtime": format, "precision": precision,
        "threshold": threshold.value, "strategy": threshold.strategy, "promise": threshold.guarantee,
        "warnings": list(threshold.warnings), "scheme": bundle.calibration.scheme,
        "calibration_pictures": threshold.n_calibration,
        "input": {
            "name": PIXELS, "type": "uint8", "shape": ["height", "width", 3], "channels": "RGB", "height": height,
            "width": width, "largest_side": min(largest_side(height), largest_side(width)), **bundle.preprocess.limits,
        },
        "outputs": {
            SCORE: "float32 (1,), higher = more anomalous", P_VALUE: "float32 (1,), conformal",
            REJECTED: "bool (1,), score >= threshold",
            **({MAP: f"float32 ({height}, {width}), higher = more anomalous"} if maps else {}),
        },
        "maps": None if maps is None else {"usual": maps.usual, "red": maps.red, "promise": maps.promise},
        "bundle": {"name": file.name, "sha256": digest}, "origin": asdict(bundle.origin),
        "exported_by": installed() | {name: version(name) for name in TOOLS if name != "openvino" or format == name},
    }  # fmt: skip


def graph_files(model: Any, card: Mapping[str, Any], name: str, format: str) -> dict[str, bytes]:  # noqa: A002
    """The graph's files by name, with card and seal; the first of OpenVINO's two comes last.

    Args:
        model: an `onnx.ModelProto`.
        card: what it says of itself.
        name: of the file.
        format: of `iad.export.FORMATS`.
    """
    text = json.dumps(card, ensure_ascii=True, allow_nan=False)
    if format == "onnx":
        from onnx import helper

        helper.set_model_props(model, {CARD: text, SEAL: BLANK})
        return {name: seal(model.SerializeToString(deterministic=True))}
    return _openvino_files(model, text, name)


def _openvino_files(model: Any, text: str, name: str) -> dict[str, bytes]:
    import openvino

    del model.metadata_props[:]  # which it would take over beside ours
    with tempfile.TemporaryDirectory() as folder, quiet():
        given, made = Path(folder, "given.onnx"), Path(folder, name)
        given.write_bytes(model.SerializeToString())
        converted = openvino.convert_model(given)
        converted.set_rt_info(text, CARD)
        converted.set_rt_info(BLANK, SEAL)
        openvino.save_model(converted, made, compress_to_fp16=False)
        first, second = made.read_bytes(), made.with_suffix(".bin").read_bytes()
    return {f"{Path(name).stem}.bin": second, name: seal(first, second)}


def _written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        with replacing(folder / name) as part:
            part.write_bytes(content)
    return folder
