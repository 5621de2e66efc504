"""`extract NAME`: a backbone that is one entry of `backbones`, against the stages that are written out."""

import numpy as np
import pytest

from iad import paths
from iad.compute import Runtime
from iad.config import load_params
from iad.errors import IadError
from iad.features.embedder import Embedder
from iad.io import open_array, read_json
from iad.stages.extract import extract
from iad.stages.extract_vit import extract_vit
from tests.prepared import write_prepared

WIDE = paths.EXTRACT / "wide"


@pytest.fixture
def prepare(tiny_template, tiny_weights, tmp_path, monkeypatch):
    """Write a prepared folder with one further backbone, of these options beside its model and weights."""
    monkeypatch.chdir(tmp_path)

    def prepared(model="test_vit", side=32, **options):
        weights = {"model": model, "weights": f"file:{tiny_weights[model]}"}
        write_prepared(tiny_template, tmp_path, side=side, backbones={"wide": weights | options})

    return prepared


def test_an_entry_of_backbones_is_extracted_as_a_stage_of_that_model_would(prepare, capsys):
    prepare(pooling="cls", patches={"layers": [2, 4]})
    extract("wide")
    assert capsys.readouterr().out == "extract: wide: 21 pictures -> 64 numbers each (test_vit, fp32)\n"
    extract_vit()
    names = (paths.BACKBONE_RECORD, paths.CONTRIBUTIONS, paths.FEATURES, paths.PATCHES)
    assert sorted(path.name for path in WIDE.iterdir()) == sorted(names)
    for name in names[1:]:
        np.testing.assert_array_equal(open_array(WIDE / name), open_array(paths.EXTRACT_VIT / name))
    assert read_json(WIDE / paths.BACKBONE_RECORD) == read_json(paths.EXTRACT_VIT / paths.BACKBONE_RECORD)


def test_what_an_entry_leaves_out_has_a_default(prepare):
    prepare("test_resnet")
    assert load_params().backbones["wide"].pooling == "patch_mean"
    extract("wide")
    assert sorted(path.name for path in WIDE.iterdir()) == [paths.BACKBONE_RECORD, paths.CONTRIBUTIONS, paths.FEATURES]


def test_the_record_rebuilds_what_wrote_it(prepare):
    prepare("test_resnet", patches={"layers": [1], "rotations": 2})
    extract("wide")
    again = Embedder.from_record(read_json(WIDE / paths.BACKBONE_RECORD), device="cpu")
    assert again.runtime == Runtime("cpu", "fp32", again.runtime.threads)
    found = again.embed(open_array(paths.IMAGES))
    np.testing.assert_array_equal(found["pooled"], open_array(WIDE / paths.FEATURES))
    np.testing.assert_array_equal(found["patches"], open_array(WIDE / paths.PATCHES))


def test_a_name_that_is_not_there_is_refused(prepare):
    prepare()
    with pytest.raises(IadError, match=r"^unknown backbone 'wid'; did you mean 'wide'\? Known: wide$"):
        extract("wid")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"model": "test_resnet", "pooling": "cls"}, r"^pooling = cls: test_resnet has no class token; use patch_mean"),
        ({"model": "test_resnet", "patches": {"layers": [5]}}, r"^patches\.layers: no layer 5 in test_resnet; it has"),
        ({"patches": {"tile": 24}}, r"^backbones\.wide\.patches\.tile = 24: test_vit wants a multiple of 16"),
    ],
)
def test_what_the_backbone_does_not_have_is_refused_by_name_and_leaves_nothing(options, text, prepare):
    prepare(**options)
    with pytest.raises(IadError, match=text):
        extract("wide")
    assert not paths.EXTRACT.exists()
