"""`train_ae` on a tiny prepared folder. The oracle is the library, called here with the pictures that may train."""

import csv

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from iad import paths
from iad.compute import Runtime
from iad.data.manifest import fingerprint, read_manifest
from iad.detectors.autoencoder.network import build_autoencoder, to_pixels
from iad.errors import IadError
from iad.io import read_json, read_table
from iad.stages.train_ae import train_ae
from tests.prepared import write_prepared

FP32 = Runtime("cpu", "fp32", 1)


@pytest.fixture
def prepare(tiny_template, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda **options: write_prepared(tiny_template, tmp_path, **options)


def held_out(share):
    table = read_table(paths.AE_HELD_OUT)
    return set(table["image_id"][table["share"] == share])


def rows_with(ids):
    return np.flatnonzero(np.isin(read_manifest(paths.MANIFEST)["image_id"], list(ids)))


def ids_of(split):
    manifest = read_manifest(paths.MANIFEST)
    return set(manifest["image_id"][manifest["split"] == split])


def trained():
    model = build_autoencoder(4, 4, image_size=32)
    model.load_state_dict(load_file(paths.AE_MODEL))
    return model


def files():
    return {path.name: path.read_bytes() for path in paths.TRAIN_AE.iterdir()}


def test_it_writes_the_model_the_history_the_held_out_ids_and_the_record(prepare, capsys):
    prepare()
    train_ae()
    assert set(files()) == {
        path.name for path in (paths.AE_MODEL, paths.AE_HISTORY, paths.AE_HELD_OUT, paths.AE_RECORD)
    }
    record = read_json(paths.AE_RECORD)
    assert list(record) == [
        "name", "width", "latent_channels", "image_size", "best_epoch", "history", "runtime", "pictures",
    ]  # fmt: skip
    assert record["pictures"] == fingerprint(read_manifest(paths.MANIFEST))
    assert (record["width"], record["latent_channels"], record["image_size"]) == (4, 4, 32)
    assert record["runtime"] == FP32.record()
    assert {tensor.dtype for tensor in load_file(paths.AE_MODEL).values()} == {torch.float32}
    assert capsys.readouterr().out.startswith("train_ae: 2 epochs on 9 pictures, best early-stopping loss ")


def test_the_history_is_the_same_in_the_table_and_in_the_record(prepare):
    prepare()
    train_ae()
    with paths.AE_HISTORY.open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    history = read_json(paths.AE_RECORD)["history"]
    assert rows == history
    assert [row["epoch"] for row in rows] == [1, 2]


def test_the_model_is_that_of_the_best_epoch(prepare):
    prepare(ae={"epochs": 4, "patience": 10, "learning_rate": 0.05})
    train_ae()
    record = read_json(paths.AE_RECORD)
    losses = {entry["epoch"]: entry["validation_loss"] for entry in record["history"]}
    images = np.load(paths.IMAGES)[rows_with(held_out("early_stopping"))]
    pixels = to_pixels(images, FP32)
    with torch.no_grad():
        loss = float(((trained()(pixels) - pixels) ** 2).mean())
    assert losses[record["best_epoch"]] == min(losses.values()) == pytest.approx(loss, rel=1e-4)


def test_held_out_pictures_are_training_pictures_in_two_disjoint_shares(prepare):
    prepare()
    train_ae()
    assert (len(held_out("early_stopping")), len(held_out("calibration"))) == (1, 2)
    assert not held_out("early_stopping") & held_out("calibration")
    assert held_out("early_stopping") | held_out("calibration") < ids_of("train")


def test_pictures_set_apart_for_calibration_spare_the_training_pictures(prepare, capsys):
    prepare(calibration=3)
    train_ae()
    assert held_out("calibration") == set()
    assert len(held_out("early_stopping")) == 1
    assert "on 11 pictures" in capsys.readouterr().out


@pytest.mark.parametrize("calibration", [0, 3])
def test_no_picture_but_those_that_train_or_stop_reaches_the_model(calibration, prepare):
    prepare(calibration=calibration)
    train_ae()
    first = files()
    learning = ids_of("train") - held_out("calibration")
    images = np.load(paths.IMAGES)
    others = np.setdiff1d(np.arange(len(images)), rows_with(learning))
    images[others] = 255
    np.save(paths.IMAGES, images)
    train_ae()
    assert files() == first
    images[rows_with(learning - held_out("early_stopping"))[0]] = 255
    np.save(paths.IMAGES, images)
    train_ae()
    assert files()[paths.AE_MODEL.name] != first[paths.AE_MODEL.name]


def test_two_runs_write_the_same_bytes_and_another_seed_does_not(prepare):
    prepare()
    train_ae()
    first = files()
    train_ae()
    assert files() == first
    prepare(seed=1)
    train_ae()
    assert files()[paths.AE_MODEL.name] != first[paths.AE_MODEL.name]


def test_no_epochs_write_the_untrained_network(prepare):
    prepare(ae={"epochs": 0})
    train_ae()
    start = build_autoencoder(4, 4, image_size=32, seed=0).state_dict()
    assert all(torch.equal(tensor, start[name]) for name, tensor in load_file(paths.AE_MODEL).items())
    record = read_json(paths.AE_RECORD)
    assert (record["best_epoch"], record["history"]) == (None, [])


def test_too_few_good_pictures_are_refused_and_leave_nothing(prepare):
    prepare(ae={"held_out": {"early_stopping": 0.5, "calibration": 0.5}})
    with pytest.raises(IadError, match=r"ae\.held_out: 6 \+ 6 of 12 good pictures"):
        train_ae()
    assert not paths.TRAIN_AE.exists()


def test_a_picture_size_that_cannot_be_halved_four_times_is_trained_on_too(prepare):
    prepare(side=40)
    train_ae()
    assert read_json(paths.AE_RECORD)["image_size"] == 40


def test_missing_pictures_are_refused_with_what_to_do(prepare):
    prepare()
    paths.IMAGES.unlink()
    with pytest.raises(IadError, match=r"images\.npy: missing; run `dvc repro`"):
        train_ae()
