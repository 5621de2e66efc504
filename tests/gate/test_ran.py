"""Whether results are of the parameters that are here now. Oracle: what was changed after the lock was written."""

import shutil

import pytest
from ruamel.yaml import YAML

from iad import paths
from iad.config import load_params
from iad.errors import IadError
from iad.gate.ran import require_fresh
from tests.conftest import set_params
from tests.helpers import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Parameters, and what DVC would have written down of stages that ran with them."""
    shutil.copy(ROOT / paths.PARAMS, tmp_path)
    monkeypatch.chdir(tmp_path)
    k, alpha = load_params().method.k, load_params().threshold.alpha
    ran = {
        "score@vit": {"params": {"params.yaml": {"method": {"k": k}}}},
        "threshold@vit": {"params": {"params.yaml": {"threshold": {"alpha": alpha}}}},
        "score@lof": {"params": {"params.yaml": {"classical": {"lof": {"k": 99}}}}},  # ran once, and is switched off
    }
    YAML().dump({"schema": "2.0", "stages": ran}, paths.LOCK)


def test_results_of_the_parameters_that_are_here_are_fresh(project):
    require_fresh(load_params())


def test_a_lock_with_the_marks_of_a_merge_is_refused_in_a_line(project):
    paths.LOCK.write_text("<<<<<<< HEAD\nstages: {}\n=======\n")
    with pytest.raises(IadError, match=r"^dvc\.lock: not valid YAML \(line \d+: .*\); mend it") as caught:
        require_fresh(load_params())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("section", "key", "value", "stage"), [
    ("method", "k", 77, "score@vit"), ("threshold", "alpha", 0.3, "threshold@vit"),
])  # fmt: skip
def test_a_parameter_that_changed_since_is_named(project, section, key, value, stage):
    set_params(paths.PARAMS, paths.PARAMS, {section: {key: value}})
    with pytest.raises(IadError, match=rf"{section}\.{key} is {value}, but the results of {stage} are of .*dvc repro"):
        require_fresh(load_params())
