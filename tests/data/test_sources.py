"""The registry of sources: every file of the folder, each with its options and the same first arguments."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from iad.data import sources
from iad.data.sources import load_pictures, source_names, source_options
from iad.errors import IadError

WOVEN = '''
from iad.data.manifest import Picture
from iad.options import Count, Section

class Options(Section):
    """How many."""

    count: Count = 3

def load(category, *, seed, count):
    """List pictures."""
    return [Picture(f"{category}/{row}.png", "test", 0, "good", bytes) for row in range(count + seed)]
'''


def test_an_unknown_source_is_refused_with_the_known_ones():
    with pytest.raises(IadError, match="unknown source 'foldr'; did you mean 'folder'"):
        load_pictures("foldr", "x", seed=0, options={}, root=Path())


@pytest.mark.parametrize("source", source_names())
def test_a_source_is_a_module_whose_load_takes_its_options(source):
    module = importlib.import_module(f"iad.data.sources.{source}")
    category, seed, *options = inspect.signature(module.load).parameters.values()
    assert (category.name, seed.name) == ("category", "seed")
    assert all(option.kind is option.KEYWORD_ONLY for option in [seed, *options])
    assert {option.name for option in options} - {"root"} == set(source_options()[source].model_fields)


def test_a_new_source_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "woven.py").write_text(WOVEN)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "iad.data.sources.woven", raising=False)
    assert "woven" in source_names()
    options = dict(source_options()["woven"]())
    assert options == {"count": 3}
    pictures = load_pictures("woven", "mat", seed=1, options=options, root=Path())
    assert [picture.image_id for picture in pictures] == [f"mat/{row}.png" for row in range(4)]


def test_options_are_known_without_what_only_loading_needs():
    code = "import sys; from iad.data.sources import source_options; source_options(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"numpy", "PIL", "pandas", "tarfile"} & set(loaded)
    assert {name for name in loaded if name.startswith("iad.")} == {
        "iad.data", "iad.data.sources", "iad.errors", "iad.options", *(f"iad.data.sources.{x}" for x in source_names()),
    }  # fmt: skip
