"""The whole of `params.yaml`, section by section."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from iad.params.base import Count, Name, Section
from iad.params.costs import Costs
from iad.params.data import Data, Preprocess
from iad.params.decision import Threshold
from iad.params.detectors import Classical, Hybrid, Method, Patch, Reconstruction
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
    hybrids: dict[MethodName, Hybrid]

    @field_validator("hybrids")
    @classmethod
    def _members_are_methods(cls, hybrids: dict[str, Hybrid], info: ValidationInfo) -> dict[str, Hybrid]:
        methods = info.data.get("methods")  # None where they are refused themselves
        for name, hybrid in hybrids.items():
            if absent := [member for member in hybrid.members if methods is not None and member not in methods]:
                raise PydanticCustomError(
                    "unknown_member",
                    "hybrids.{name}: its member '{member}' is not among methods; switch the hybrid off too, "
                    "-S '~hybrids.{name}' -S '~methods.{name}', or give it others, -S 'hybrids.{name}.members=[...]'",
                    {"name": name, "member": absent[0]},
                )
        return hybrids
