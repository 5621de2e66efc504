"""The registry of sources: one line per module, each with the same first arguments."""

import importlib
import inspect

import pytest

from iad.data.sources import SOURCES, load_pictures
from iad.errors import IadError


def test_an_unknown_source_is_refused_with_the_known_ones():
    with pytest.raises(IadError, match="unknown source 'foldr'; did you mean 'folder'"):
        load_pictures("foldr", "x", seed=0, options={})


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_source_is_a_module_with_a_function_load(source):
    module = importlib.import_module(SOURCES[source])
    assert module.__name__.endswith(f".{source}")
    category, seed, *options = inspect.signature(module.load).parameters.values()
    assert (category.name, seed.name) == ("category", "seed")
    assert all(option.kind is option.KEYWORD_ONLY for option in [seed, *options])
