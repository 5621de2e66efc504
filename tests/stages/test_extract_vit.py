"""`extract_vit` on a tiny prepared folder. The oracle is the bare network on one picture at a time."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file

from iad import paths
from iad.errors import IadError
from iad.io import open_array, read_json
from iad.stages.extract_vit import extract_vit
from tests.prepared import write_prepared

CONTRIBUTIONS, FEATURES, PATCHES, RECORD = (
    paths.EXTRACT_VIT / name for name in (paths.CONTRIBUTIONS, paths.FEATURES, paths.PATCHES, paths.BACKBONE_RECORD)
)
POOLED = {
    "cls": lambda tokens: tokens[:, 0],
    "patch_mean": lambda tokens: tokens[:, 1:].mean(1),
    "token_mean": lambda tokens: tokens.mean(1),
}


@pytest.fixture
def prepare(tiny_template, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda **options: write_prepared(tiny_template, tmp_path, **options)


def tokens(weights):
    model = timm.create_model("test_vit", pretrained=False, num_classes=0, dynamic_img_size=True).eval()
    model.load_state_dict(load_file(weights))
    pictures = torch.from_numpy(np.load(paths.IMAGES)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        return torch.cat([model.forward_features((picture[None] - 0.5) / 0.5) for picture in pictures])


@pytest.mark.parametrize("pooling", POOLED)
def test_each_row_holds_the_pooled_tokens_of_that_picture(pooling, prepare, tiny_weights):
    prepare(vit={"pooling": pooling})
    extract_vit()
    found = open_array(FEATURES)
    assert (found.dtype, found.shape) == (np.float32, (21, 64))
    expected = POOLED[pooling](tokens(tiny_weights["test_vit"])).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    record = read_json(RECORD)
    assert (record["name"], record["pooling"], record["dimensions"]) == ("test_vit", pooling, 64)


def test_it_writes_to_its_own_folder_alone(prepare, capsys):
    prepare()
    extract_vit()
    names = [RECORD.name, CONTRIBUTIONS.name, FEATURES.name, PATCHES.name]
    assert sorted(path.name for path in paths.EXTRACT_VIT.iterdir()) == names
    assert not paths.EXTRACT_RESNET.exists()
    assert capsys.readouterr().out == "extract_vit: 21 pictures -> 64 numbers each (test_vit, fp32)\n"


def test_two_runs_write_the_same_bytes(prepare):
    prepare()
    extract_vit()
    first = [path.read_bytes() for path in (FEATURES, PATCHES, CONTRIBUTIONS, RECORD)]
    extract_vit()
    assert [path.read_bytes() for path in (FEATURES, PATCHES, CONTRIBUTIONS, RECORD)] == first


def test_a_size_that_is_no_multiple_of_the_patch_is_refused_and_leaves_nothing(prepare):
    prepare(side=40)
    with pytest.raises(IadError, match=r"image_size = 40: test_vit wants a multiple of 16, such as 32 or 48"):
        extract_vit()
    assert not paths.EXTRACT_VIT.exists()


def test_a_class_token_that_the_model_lacks_is_refused_and_leaves_nothing(prepare, tiny_weights):
    prepare(vit={"model": "test_resnet", "weights": f"file:{tiny_weights['test_resnet']}"})
    with pytest.raises(IadError, match="pooling = cls: test_resnet has no class token; use patch_mean"):
        extract_vit()
    assert not paths.EXTRACT_VIT.exists()
