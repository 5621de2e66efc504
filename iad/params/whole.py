"""The whole of `params.yaml`, section by section."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from iad.params.base import Count, Name, Section
from iad.params.costs import Costs
from iad.params.data import Data, Preprocess
from iad.params.decision import Threshold
from iad.params.detectors import Classical, Method, Patch, Reconstruction
from iad.params.evaluation import Evaluate
from iad.params.gate import Gate
from iad.params.models import Autoencoder, CnnBackbone, VitBackbone

MethodName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Compute(Section):
    """Where and how numbers are computed; `auto` is resolved at run time and recorded with the result."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "fp32", "bf16"]
    threads: Annotated[int, Field(ge=0)]
    batch_size: Count


class MethodSpec(Section):
    """A method: the stage whose output it reads, and the section of `params.yaml` that tunes it."""

    reads: Name
    params: Name


class Params(Section):
    """The whole of `params.yaml`."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    compute: Compute
    data: Data
    preprocess: Preprocess
    ae: Autoencoder
    reconstruction: Reconstruction
    resnet: CnnBackbone
    vit: VitBackbone
    method: Method
    patch: Patch
    classical: Classical
    threshold: Threshold
    costs: Costs
    evaluate: Evaluate
    gate: Gate
    methods: Annotated[dict[MethodName, MethodSpec], Field(min_length=1)]
