"""Benchmarks take too long to run here; what can be seen without is whether they still fit the code that they call."""

import ast
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path

import pytest

from iad.errors import IadError
from tests.helpers import ROOT

FOLDER = ROOT / "benchmarks"
SHARED = "measuring"  # what they have in common; no script
CASES = "hostile_cases"  # what one of them sends; no script
MAPS = "few_maps"  # what one of them compares; no script
FILES = {path.stem: path for path in sorted(FOLDER.glob("*.py"))}
SCRIPTS = {name: path for name, path in FILES.items() if name not in (SHARED, CASES, MAPS)}


@pytest.fixture
def load(monkeypatch):
    """Import a benchmark as Python runs it, its folder first on the path, and leave no trace of it."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.delitem(sys.modules, SHARED, raising=False)

    def load(path: Path):
        spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look themselves up
        spec.loader.exec_module(module)
        return module

    yield load
    sys.modules.pop(SHARED, None)


def calls_that_do_not_fit(tree: ast.Module, module) -> list[str]:
    """Calls of functions and classes of this project, by a name that the file imports, with arguments they lack."""
    wrong = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        called = getattr(module, node.func.id, None)
        if not getattr(called, "__module__", "").startswith(("iad.", SHARED)) or called is IadError:
            continue
        spread = any(isinstance(one, ast.Starred) for one in node.args) or any(one.arg is None for one in node.keywords)
        signature = inspect.signature(called)
        bind = signature.bind_partial if spread else signature.bind
        try:
            bind(*(one for one in node.args if not isinstance(one, ast.Starred)),
                 **{one.arg: one for one in node.keywords if one.arg})  # fmt: skip
        except TypeError as error:
            wrong.append(f"line {node.lineno}: {node.func.id}: {error}")
    return wrong


def names_that_are_missing(tree: ast.Module) -> list[str]:
    """What the file imports from this project, anywhere in it, and attributes of modules that are not there."""
    wrong, modules = [], {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("iad", SHARED):
            source = importlib.import_module(node.module)
            for one in node.names:
                if not hasattr(source, one.name):
                    try:
                        importlib.import_module(f"{node.module}.{one.name}")
                    except ModuleNotFoundError:
                        wrong.append(f"line {node.lineno}: no {one.name} in {node.module}")
                        continue
                if inspect.ismodule(found := getattr(source, one.name)):
                    modules[one.asname or one.name] = found
    return wrong + [
        f"line {node.lineno}: no {node.attr} in {modules[node.value.id].__name__}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
        and not hasattr(modules[node.value.id], node.attr)
    ]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_name_of_the_project_exists_and_takes_what_it_is_given(name, load):
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    module = load(FILES[name])
    assert names_that_are_missing(tree) == []
    assert calls_that_do_not_fit(tree, module) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_says_what_it_measures_and_how_to_run_it(name, load, capsys):
    with pytest.raises(SystemExit) as end:
        load(SCRIPTS[name]).main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    first = ast.get_docstring(ast.parse(SCRIPTS[name].read_text(encoding="utf-8"))).splitlines()[0]
    assert end.value.code == 0
    assert first in printed
    assert f"python benchmarks/{name}.py" in printed


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_unknown_option_is_refused(name, load, capsys):
    with pytest.raises(SystemExit) as end:
        load(SCRIPTS[name]).main(["--no-such-option"])
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_the_checks_find_what_is_wrong():
    source = """
        from iad import paths
        from iad.io import open_arrays
        from iad.words import counted, percent

        def late():
            from iad.metrics.image import confusion

            return paths.STAGE / paths.STAGES, counted(1, noun="part"), percent(0.5), percent(*(), share=0.5)
    """
    tree = ast.parse(inspect.cleandoc(source))
    words = importlib.import_module("iad.words")
    missing = names_that_are_missing(tree)
    assert [line.partition(": ")[2] for line in missing] == [
        "no open_arrays in iad.io", "no confusion in iad.metrics.image", "no STAGE in iad.paths",
    ]  # fmt: skip
    assert [line.split(": ")[1] for line in calls_that_do_not_fit(tree, words)] == ["counted"]
