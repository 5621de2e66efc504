"""What each stage and `iad predict` load: a package that takes seconds to import is left where it is not needed."""

import re
import subprocess
import sys

import pytest

from tests.conftest import environment
from tests.helpers import ROOT

SLOW = {"torch", "torch._dynamo", "torchvision", "timm", "sklearn", "scipy.stats", "matplotlib", "onnx"}
LOADED = re.compile(r"^import time:.*\| +([\w.]+)$", re.MULTILINE)


def loaded(folder, *words):
    """Slow packages that a command of `iad` imports from its start to its end, as Python itself lists them."""
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "iad", *words], cwd=folder, capture_output=True, text=True,
        env=environment() | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert found.returncode in (0, 3), found.stderr[-2000:]  # 3: a picture is rejected
    return SLOW & set(LOADED.findall(found.stderr))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("preprocess", set()),
        ("score resnet", set()),
        ("score vit", set()),
        ("score patch_vit", {"torch"}),
        ("score ae", {"torch"}),
        ("align hybrid", set()),
        ("score hybrid", set()),
        ("threshold vit", set()),
        ("evaluate", {"matplotlib"}),
    ],
)
def test_a_stage_loads_the_slow_packages_that_it_computes_with_and_no_other(reproduced_copy, command, expected):
    assert loaded(reproduced_copy, *command.split()) == expected


def test_a_method_without_backbone_is_inspected_without_timm(reproduced_copy):
    loaded(reproduced_copy, "bundle", "ae")
    picture = ROOT / "plots/overview.png"
    assert loaded(reproduced_copy, "predict", "bundles/ae.iad", str(picture)) == {"torch"}
