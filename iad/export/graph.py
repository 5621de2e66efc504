"""A bundle as one ONNX graph: from decoded pixels to score, p-value, verdict and anomaly map."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
import torch
from torch import nn

from iad.bundles.bundle import Bundle
from iad.bundles.fitted import Fitted
from iad.data.region import GREY
from iad.detectors.maps import enlargement
from iad.export.embedding import Network
from iad.export.heads.hybrid import method_of
from iad.export.parts import Part
from iad.export.resize import OPSET, resize_model

SCORE, P_VALUE, REJECTED, MAP = "score", "p_value", "rejected", "anomaly_map"
PIXELS, PLANES = "pixels", "planes"
NETWORKS = "networks"  # the attribute by whose name nodes of backbones are known


class Whole(Part):
    """A bundle on one prepared picture float32 `(1, 3, H, W)`, whole numbers from 0 to 255.

    Args:
        bundle: what is exported.
        weights: where those of the backbone come from; empty: from the bundle, or from where its record says.
        fitted: its method, where it has been unpacked already.

    Raises:
        IadError: if the method cannot be exported, or its weights cannot be had.
    """

    def __init__(self, bundle: Bundle, weights: str = "", fitted: Fitted | None = None) -> None:
        super().__init__()
        fitted, (height, width) = fitted or bundle.fitted(), prepared_size(bundle)
        self.method, self.maps = method_of(fitted), bundle.maps is not None
        sources = fitted.sources()
        self.stages = list(sources)
        self.networks = nn.ModuleList([
            Network(record, weights or bundle.weights.get(stage), _parts(sources[stage], record, maps=self.maps),
                    height, width)
            if (record := bundle.embedders.get(stage)) else nn.Identity()
            for stage in self.stages
        ])  # fmt: skip
        # the smallest and the largest float32 for which float64 says the same
        self.threshold = float(_rounded(np.array([bundle.threshold.value]), up=True)[0])
        scores = torch.from_numpy(_rounded(np.sort(bundle.calibration.scores), up=False))
        self.register_buffer("calibration", scores)
        self.size, self.sigma = (height, width), bundle.maps.sigma if bundle.maps else 0.0
        region = bundle.preprocess.region
        self.inside = None if region is None else torch.from_numpy(region)

    def forward(self, planes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Score float32 `(1,)`, p-value float32 `(1,)`, verdict bool `(1,)`, and where there is one, map `(H, W)`."""
        sources = {}
        if self.inside is not None:
            planes = torch.where(self.inside, planes, torch.tensor(float(GREY)))
        for stage, network in zip(self.stages, self.networks, strict=True):
            sources[stage] = network(planes) if isinstance(network, Network) else {"pixels": planes}
        score, coarse = self.method(sources)
        reaching = (self.calibration >= score).sum().float()
        found = score, ((1 + reaching) / (1 + len(self.calibration))).reshape(1), score >= self.threshold
        return (*found, self._full(coarse)) if self.maps and coarse is not None else found

    def _full(self, coarse: torch.Tensor) -> torch.Tensor:
        rows, columns = (
            torch.from_numpy(enlargement(cells, pixels, self.sigma * min(self.size)))
            for cells, pixels in zip(coarse.shape, self.size, strict=True)
        )
        full: torch.Tensor = rows @ coarse @ columns.T
        return full if self.inside is None else full * self.inside.float()


def build_graph(bundle: Bundle, weights: str = "") -> Any:
    """The graph of a bundle, in float32.

    Args:
        bundle: what is exported.
        weights: as for `Whole`.

    Returns:
        An `onnx.ModelProto` with the input `pixels`, uint8 `(height, width, 3)`, RGB, of any size, and the outputs
        `score`, `p_value`, `rejected` and, of methods with maps, `anomaly_map`, of the prepared picture's size.

    Raises:
        IadError: as `Whole` does.
    """
    from onnx import compose, helper

    height, width = prepared_size(bundle)
    whole = Whole(bundle, weights).eval()
    names = [SCORE, P_VALUE, REJECTED, MAP]
    blank = torch.zeros(1, 3, height, width)
    with quiet(), torch.inference_mode():
        program: Any = torch.onnx.export(
            whole, (blank,), dynamo=True, opset_version=OPSET, external_data=False, verbose=False,
            input_names=[PLANES], output_names=names[: len(whole(blank))],
        )  # fmt: skip
    made, first = program.model_proto, compose.add_prefix(resize_model(height, width), "resize/", rename_inputs=False)
    made.ir_version = first.ir_version
    joined = compose.merge_models(first, made, io_map=[(f"resize/{PLANES}", PLANES)])
    del joined.metadata_props[:]  # of the exporter; ours come when all is known
    del joined.opset_import[:]  # each of the two brought its own
    joined.opset_import.append(helper.make_opsetid("", OPSET))
    return joined


def prepared_size(bundle: Bundle) -> tuple[int, int]:
    """Height and width of its prepared pictures in pixels."""
    height, width = bundle.preprocess.image_size
    return height, width


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporters print to themselves: it is for those who write them."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        yield


def _parts(wanted: set[str], record: Any, *, maps: bool) -> list[str]:
    """The parts that its detectors look at, in the order in which an embedder has them."""
    contributions = maps and "pooled" in wanted and record["attribution"]
    return [part for part in ("pooled", "patches") if part in wanted] + ["contributions"] * contributions


def _rounded(values: np.ndarray, *, up: bool) -> np.ndarray:
    near = values.astype(np.float32)
    wrong = near < values if up else near > values
    return np.where(wrong, np.nextafter(near, np.float32(np.inf if up else -np.inf)), near)
