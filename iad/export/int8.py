"""A graph's backbone in 8-bit integers: static quantisation by ONNX Runtime, ranges from good pictures.

Weights are quantised per output channel, activations per layer (Jacob et al. 2018, arXiv 1712.05877), as pairs of
QuantizeLinear and DequantizeLinear, which both runtimes fuse. Convolutions that see few values at once, depthwise ones
and the first, stay as they are: they lose most and win least. So do the search, the head and the resize.

Both factors are unsigned: where a processor has no instructions for products of 8 bits (AVX-512 VNNI), those of
unsigned and signed ones are summed in 16 bits, which overflow unless a bit is given up.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iad.export.graph import NETWORKS, PIXELS, quiet

QUANTIZED = ("Conv", "Gemm", "MatMul")
FEWEST = 8  # channels that a layer sees at once
SPACE = "namespace"  # in the metadata of a node, where it comes from in the network


def quantize(model: Any, pictures: Sequence[np.ndarray]) -> Any:
    """The graph with 8-bit layers in place of its backbone's.

    Args:
        model: an `onnx.ModelProto` of `build_graph`.
        pictures: good ones, uint8 `(H, W, 3)`, which show the range of each layer's values.
    """
    import onnx
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left: Iterator[np.ndarray] = iter(pictures)

        def get_next(self) -> dict[str, np.ndarray] | None:
            one = next(self.left, None)
            return None if one is None else {PIXELS: one}

    with tempfile.TemporaryDirectory() as folder, quiet():
        logging.getLogger().setLevel(logging.ERROR)
        before, after = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        before.write_bytes(model.SerializeToString())
        quantization.quantize_static(
            before, after, Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QUInt8,
            op_types_to_quantize=list(QUANTIZED), nodes_to_quantize=layers(model),
        )  # fmt: skip
        return onnx.load(str(after))


def layers(model: Any) -> list[str]:
    """Names of the nodes that multiply by weights of a backbone, and see enough values at once."""
    wide = {one.name for one in model.graph.initializer if len(one.dims) > 1 and one.dims[1] >= FEWEST}
    return [
        node.name for node in model.graph.node
        if node.op_type in QUANTIZED and NETWORKS in _space(node) and wide & set(node.input[1:2])
    ]  # fmt: skip


def _space(node: Any) -> str:
    return " ".join(entry.value for entry in node.metadata_props if SPACE in entry.key)
