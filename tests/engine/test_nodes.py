"""A node that would compute something else is refused by its name."""

import hashlib
from importlib.metadata import version

import pytest

import iad
from iad.engine.nodes import difference, other_processors, require_same, teller
from iad.errors import IadError
from tests.helpers import ROOT

HERE = {"Python": "3.12.1", "iad": "0.1.0", "torch": "2.6.0", "code": "abc", "processor": "one"}


def test_a_machine_tells_its_versions_and_its_code():
    told = teller()()
    assert told["torch"] == version("torch")
    digest = hashlib.sha256()
    for file in sorted((ROOT / "iad").rglob("*.py")):
        digest.update(f"{file.relative_to(ROOT / 'iad').as_posix()}\0".encode() + file.read_bytes())
    assert iad.__file__ != str(ROOT / "iad/__init__.py") or told["code"] == digest.hexdigest()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"torch": "2.5.1"}, "torch 2.5.1, and here it is 2.6.0"),
        ({"Python": "3.11.9"}, "Python 3.11.9, and here it is 3.12.1"),
        ({"iad": ""}, "no iad, and here it is 0.1.0"),
        ({"code": "abd"}, "other code under the same version of iad, 0.1.0"),
        ({"processor": "two"}, ""),
    ],
)
def test_what_differs_is_told(change, words):
    assert difference(HERE, HERE | change) == words


def test_the_first_node_that_differs_is_named_and_the_others_are_counted():
    nodes = {"a": HERE, "b": HERE | {"torch": "2.5.1"}, "c": HERE | {"iad": ""}}
    with pytest.raises(IadError, match=r"node b has torch 2\.5\.1.*install the same on every node \(and 1 more\)$"):
        require_same(HERE, nodes)


def test_nodes_that_are_equipped_alike_pass():
    require_same(HERE, {"a": HERE, "b": HERE | {"processor": "two"}})
    assert other_processors(HERE, {"a": HERE}) == ""
    assert other_processors(HERE, {"a": HERE, "b": HERE | {"processor": "two"}}).startswith("node b has another")
