"""Bundles as graphs for ONNX Runtime and OpenVINO, from decoded pixels to the verdict; docs/export.md says what for.

`card.py` and `runner.py` import neither PyTorch nor pydantic: they, and what they use, go along with every graph.
"""

from __future__ import annotations

FORMATS = ("onnx", "openvino")
PRECISIONS = ("fp32", "int8")
