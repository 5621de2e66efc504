"""Style figures of packages, side by side: sizes, arguments, words and examples.

    python benchmarks/style.py iad                      # this one
    git worktree add /tmp/before 2acc1dd; python benchmarks/style.py /tmp/before/iad iad

The size of a function is that of its body in lines, without the docstring; `self` and `cls` are no arguments. Public is
what no leading underscore hides, in modules and in classes. Examples are those that doctest runs.
"""

from __future__ import annotations

import argparse
import ast
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from measuring import command

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = command(__doc__, __file__)
    parser.add_argument("packages", nargs="*", type=Path, default=[Path("iad")], help="folders (default: iad)")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row per figure and a column per package."""
    packages = options().parse_args(arguments).packages
    found = [figures(package) for package in packages]
    print("| |", " | ".join(map(str, packages)), "|")
    print("|:--|" + "--:|" * len(packages))
    for name in dict.fromkeys(name for column in found for name in column):
        print("|", name, "|", " | ".join(column.get(name, "-") for column in found), "|")


def figures(package: Path) -> dict[str, str]:
    """Each figure of a package, as text, by its name."""
    sources = {file: file.read_text(encoding="utf-8") for file in sorted(package.rglob("*.py"))}
    trees = {file: ast.parse(text) for file, text in sources.items()}
    functions = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, FunctionNode)]
    public = [node for tree in trees.values() for node in public_functions(tree)]
    files = Counter(file.parent for file in sources if file.name != "__init__.py")
    return {
        "files": str(len(sources)),
        "of them more than a docstring": str(sum(len(tree.body) > 1 for tree in trees.values())),
        "lines": f"{sum(len(text.splitlines()) for text in sources.values()):,}",
        "longest file": str(max(len(text.splitlines()) for text in sources.values())),
        "files per folder, median / p90 / most": spread(list(files.values())),
        "functions": f"{len(functions):,}",
        "function size, median / p90 / most": spread([size(node) for node in functions]),
        "arguments per function, median / p90 / most": spread([arguments(node) for node in functions]),
        "functions of more than five arguments": share([arguments(node) > 5 for node in functions]),
        "public functions": f"{len(public):,}",
        "documented": share([ast.get_docstring(node) is not None for node in public]),
        "annotated": share([annotated(node) for node in public]),
        "with an executed example": share([">>>" in (ast.get_docstring(node) or "") for node in public]),
    }


def public_functions(tree: ast.Module) -> Iterator[FunctionNode]:
    """Functions and methods that no leading underscore hides."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    bodies = [tree.body, *(one.body for one in classes)]
    for body in bodies:
        yield from (node for node in body if isinstance(node, FunctionNode) and not node.name.startswith("_"))


def size(function: FunctionNode) -> int:
    """Lines of the body, without the docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def arguments(function: FunctionNode) -> int:
    """How many arguments a caller may give."""
    return len(_arguments(function))


def annotated(function: FunctionNode) -> bool:
    """Whether every argument and what is returned has a type."""
    return function.returns is not None and all(one.annotation for one in _arguments(function))


def _arguments(function: FunctionNode) -> list[ast.arg]:
    given = function.args
    found = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [one for one in found if one and one.arg not in ("self", "cls")]


def spread(values: Sequence[int]) -> str:
    """Median, the value that nine of ten do not exceed, and the largest."""
    ordered = sorted(values)
    return f"{median(ordered):g} / {ordered[math.ceil(0.9 * len(ordered)) - 1]} / {ordered[-1]}"


def share(values: Sequence[bool]) -> str:
    """How many are true, in percent."""
    return f"{100 * sum(values) / len(values):.0f} %"


if __name__ == "__main__":
    main()
