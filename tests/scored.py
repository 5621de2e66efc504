"""A folder as `score` leaves it: parameters, pictures and the scores of three made-up methods."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from iad import paths
from iad.data.manifest import read_manifest, write_manifest
from iad.io import read_table, write_json, write_table
from tests.conftest import set_params
from tests.helpers import ROOT

METHODS = ("ae", "resnet", "vit")
SIDE, CELL = 24, 4


def write_scored(folder: Path, *, good: int = 12, defective: int = 18, train: int = 40, methods=METHODS) -> None:
    """Write `train` good training pictures, a test set, and scores on which later methods are the better ones."""
    generator = np.random.default_rng(0)
    labels = np.array([0] * train + [0] * good + [1] * defective)
    kinds = np.array(["hole", "cut"] * len(labels), dtype=object)[: len(labels)]
    ids = np.array([f"pictures/{row:03d}.png" for row in range(len(labels))], dtype=object)
    split = np.array(["train"] * train + ["test"] * (good + defective), dtype=object)
    defects = np.where(labels == 1, kinds, "good").astype(object)
    manifest = {"image_id": ids, "split": split, "label": labels, "defect": defects}
    sizes = {name: np.full(len(labels), SIDE) for name in ("width", "height")}
    empty = {"mask": np.full(len(labels), None), "sha256": np.full(len(labels), "0" * 64, dtype=object)}
    write_manifest(folder / paths.MANIFEST, manifest | sizes | empty)
    write_json(folder / paths.DATA_REPORT, {"findings": []})
    np.save(folder / paths.IMAGES, generator.integers(0, 255, (len(labels), SIDE, SIDE, 3), dtype=np.uint8))
    set_params(ROOT / paths.PARAMS, folder / paths.PARAMS, {"evaluate": {"bootstrap": 100, "strip": 4}})
    list_methods(folder / paths.PARAMS, methods)
    for row, method in enumerate(methods):
        scores = generator.normal(10, 1, len(labels)) + labels * (1.5 + row)
        write_scores(folder, method, manifest, scores)


def list_methods(params: Path, methods) -> None:
    """Leave these methods alone in the parameters."""
    yaml = YAML(typ="rt")
    values = yaml.load(params.read_text())
    values["methods"] = {method: values["methods"][method] for method in methods}
    values["hybrids"] = {}
    with params.open("w") as file:
        yaml.dump(values, file)


def write_maps(folder: Path, method: str, *, raised: float = 3.0, map_scheme: str | None = "leave_one_out") -> None:
    """Write coarse anomaly maps, higher by `raised` where a defect is, and a mask of every defective picture.

    How the maps were made stands beside the calibration scores; None leaves it out.
    """
    manifest = read_manifest(folder / paths.MANIFEST)
    cells = SIDE // CELL
    generator = np.random.default_rng(1)
    labels = np.asarray(manifest["label"])
    maps = generator.normal(0, 1, (len(labels), cells, cells)).astype(np.float32)
    masks = np.zeros((len(maps), SIDE, SIDE), dtype=np.uint8)
    for row in np.flatnonzero(labels):
        top, left = generator.integers(0, cells - 1, 2)
        maps[row, top : top + 2, left : left + 2] += raised
        masks[row, CELL * top : CELL * (top + 2), CELL * left : CELL * (left + 2)] = 1
    test = np.asarray(manifest["split"]) == "test"
    np.save(folder / paths.SCORE / method / paths.CALIBRATION_MAPS, maps[~test])
    np.save(folder / paths.SCORE / method / paths.TEST_MAPS, maps[test])
    np.save(folder / paths.MASKS, masks)
    names = [f"masks/{row:03d}.png" if label else None for row, label in enumerate(labels)]
    write_manifest(folder / paths.MANIFEST, manifest.assign(mask=np.array(names, dtype=object)))
    if map_scheme:
        file = folder / paths.SCORE / method / paths.CALIBRATION_SCORES
        write_table(file, read_table(file).assign(map_scheme=map_scheme))


def write_scores(folder: Path, method: str, manifest: dict[str, np.ndarray], scores: np.ndarray) -> None:
    """Write the three files of `score`: the training pictures calibrate, the others are tested."""
    place, test = folder / paths.SCORE / method, manifest["split"] == "test"
    good = {"image_id": manifest["image_id"][~test], "score": scores[~test]}
    write_table(place / paths.CALIBRATION_SCORES, good | {"scheme": ["leave_one_out"] * len(good["score"])})
    tested = {name: manifest[name][test] for name in ("image_id", "label", "defect")}
    write_table(place / paths.TEST_SCORES, tested | {"score": scores[test]})
    history = [{"epoch": epoch, "train_loss": 1 / epoch, "validation_loss": 1.1 / epoch} for epoch in (1, 2, 3)]
    model = {"name": f"net of {method}"} | ({"history": history} if method == "ae" else {})
    runtime = {"device": "cpu", "precision": "bf16", "threads": 2}
    write_json(place / paths.PROVENANCE, {"method": method, "reads": "x", "model": model, "runtime": runtime})
