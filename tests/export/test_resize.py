"""The resize inside the graph. The oracle is Pillow, to the byte."""

import numpy as np
import pytest
from PIL import Image

from iad.export.resize import largest_side, resize_model

onnxruntime = pytest.importorskip("onnxruntime")

SIZES = [
    (1, 1), (7, 5), (12, 40), (50, 31), (31, 50), (300, 300), (12, 500), (700, 16), (640, 641), (2000, 90), (9, 3000),
]  # fmt: skip


def onnx_session(model):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def openvino_session(model, folder):
    openvino = pytest.importorskip("openvino")
    (folder / "resize.onnx").write_bytes(model.SerializeToString())
    return openvino.Core().compile_model(folder / "resize.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def picture(height, width):
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_pillow(pixels, height, width):
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("target", [(12, 40), (56, 56), (40, 12)])
def test_every_size_gives_the_bytes_of_pillow(target, tmp_path):
    model = resize_model(*target)
    here, there = onnx_session(model), openvino_session(model, tmp_path)
    for size in SIZES:
        pixels = picture(*size)
        wanted = by_pillow(pixels, *target)
        for found in (here.run(None, {"pixels": pixels})[0], there({0: pixels})[0]):
            assert (found[0].transpose(1, 2, 0) == wanted).all(), size


def test_black_and_white_stay_what_they_are():
    session = onnx_session(resize_model(16, 16))
    for value in (0, 255):
        found = session.run(None, {"pixels": np.full((333, 77, 3), value, np.uint8)})[0]
        assert (found == value).all()


def test_rows_first_is_what_pillow_did_before_it_turned_tall_pictures():
    tall = picture(700, 16)
    narrow = by_pillow(tall, 700, 12)
    found = onnx_session(resize_model(12, 12, columns_first=False)).run(None, {"pixels": tall})[0]
    assert (found[0].transpose(1, 2, 0) == by_pillow(narrow, 12, 12)).all()


def test_the_largest_side_is_still_exact():
    side = largest_side(8)
    found = onnx_session(resize_model(8, 8)).run(None, {"pixels": (long := picture(3, side))})[0]
    assert (found[0].transpose(1, 2, 0) == by_pillow(long, 8, 8)).all()
