"""Graphs in 8-bit integers."""

import numpy as np
import pytest

from iad.bundles.bundle import read_bundle
from iad.export.graph import build_graph
from iad.export.int8 import layers, quantize


def test_layers_of_the_backbone_become_integers_and_no_other(bundle_at, here):
    bundle, _ = read_bundle(bundle_at("patch_vit"))
    model, rng = build_graph(bundle), np.random.default_rng(0)
    chosen = layers(model)
    made = quantize(model, [rng.integers(0, 256, (40, 50, 3), dtype=np.uint8) for _ in range(4)])
    integers = [one for one in made.graph.initializer if one.data_type in (2, 3)]  # uint8, int8
    assert chosen
    assert sum(len(one.dims) >= 2 for one in integers) == len(chosen)
    assert not any(name.startswith("resize/") for name in chosen)
    banks = [one.dims for one in model.graph.initializer if one.data_type == 10]  # float16
    assert [one.dims for one in made.graph.initializer if one.data_type == 10] == banks


@pytest.mark.parametrize("method", ["ae", "zscore"])
def test_a_method_without_layers_of_a_backbone_has_none_to_quantise(bundle_at, here, method):
    bundle, _ = read_bundle(bundle_at(method))
    assert bool(layers(build_graph(bundle))) == bool(bundle.embedders)
