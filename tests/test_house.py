"""The house in order: who imports whom, one name per stage, artefact names in one place, short documented functions.

Each rule is a function that lists what breaks it. It is shown a small piece of code that does, then the package.
"""

import ast
import re
from pathlib import Path

import pytest
import typer

from iad import paths
from iad.cli import STAGES, app
from iad.decision.promises import SCHEMES
from tests.helpers import ROOT, load_pipeline

PACKAGE = ROOT / "iad"
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {file: ast.parse(source) for file, source in SOURCES.items()}
STAGE_ORDER = tuple(stage.__name__ for stage in STAGES)

ROOMS = (
    # what everybody needs
    "errors", "words", "options", "paths", "progress", "processes", "io", "compute", "versions",
    # where work on blocks of pictures is done
    "engine",
    # vectors to neighbours, pictures to vectors, both to scores
    "neighbors", "data", "datacheck", "features", "detectors",
    # scores to verdicts, verdicts to figures
    "decision", "metrics", "statistics", "report",
    # a fitted method as a file, and what it says of new pictures: before config, since a line has no params.yaml
    "bundles", "acceptance", "export", "kinds", "explain", "serve",
    # params.yaml: it puts together what the rooms above declare, so it stands below them
    "config", "fitting", "presets", "tune", "gate",
    # what runs
    "pipeline", "stages", "commands", "cli", "__main__",
)  # fmt: skip
"""A room uses what stands before it; `iad/__init__.py` names what others may use, and imports it when it is asked."""

ARRAYS = {"neighbors", "detectors", "decision", "metrics", "statistics"}  # arrays and plain values in and out
LIBRARY = ARRAYS | {"datacheck", "features"}  # these say nothing; they show bars

MAX_FUNCTION, MAX_FILE, MAX_STAGE, MAX_FOLDER = 40, 300, 20, 12
ROOMY = {  # folders of more files, and the one job that all of them share
    "iad/commands": "what the command line offers, a command a file",
    "iad": "rooms of one file, in the order of ROOMS",
    "iad/data": "the way of a picture from where it lies to a row of an array, a step a file",
}


def room_of(file):
    return Path(file).relative_to("iad").parts[0].removesuffix(".py")


def imports(tree):
    """Dotted names of everything a module imports, at its top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def calls(tree):
    """Name and node of every call: `f(...)` is "f", `a.f(...)` is "a.f" or ".f" where `a` is no plain name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                yield function.id, node
            elif isinstance(function, ast.Attribute):
                owner = function.value.id if isinstance(function.value, ast.Name) else ""
                yield f"{owner}.{function.attr}", node


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def docstrings(tree):
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, nodes) and ast.get_docstring(node)}


def wrong_imports(file, tree):
    room = room_of(file)
    allowed = {room, *(ROOMS[: ROOMS.index(room)] if room in ROOMS else ROOMS)} - (
        {"paths"} if room in ARRAYS else set()
    )
    names = [name.split(".") for name in imports(tree)]
    inner = {parts[1] for parts in names if parts[0] == "iad" and len(parts) > 1}
    relative = ["relative import" for parts in names if parts[0] == ""]
    front = {"typer", "click", "ruamel", "yaml", "dvc"} if room in LIBRARY | {"data"} else set()
    outer = {parts[0] for parts in names} & front
    return relative + [f"{room} imports {name}" for name in sorted(inner - allowed | outer)]


def side_effects(file, tree):
    room, found = room_of(file), [name for name, _ in calls(tree)]
    wrong = {"print"} & set(found) if room not in {"progress", "cli"} else set()
    if room in LIBRARY:
        wrong |= {"say"} & set(found)
    if room in ARRAYS:
        wrong |= {name for name in found if re.search(r"^open$|\.(open|(read|write)_(text|bytes))$", name)}
    return sorted(wrong)


SETTERS = re.compile(
    r"torch\.(cuda\.|mps\.|random\.)?"
    r"(manual_seed(_all)?|seed|set_\w+|use_deterministic_algorithms)$|np\.random\.(seed|set_state)$|random\.seed$"
)


def process_wide(tree):
    """Calls and assignments that change what the whole process computes, apart from those of a function `start`."""
    started = {id(node) for function in functions(tree) if function.name == "start" for node in ast.walk(function)}
    nodes = [node for node in ast.walk(tree) if id(node) not in started]
    called = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
    targets = [ast.unparse(target) for node in nodes if isinstance(node, ast.Assign) for target in node.targets]
    set_ = [target for target in targets if re.match(r"torch\.backends|os\.environ|warnings\.", target)]
    return [name for name in called if SETTERS.match(name)] + set_


def spelled_artefacts(tree):
    """Literals, docstrings aside, that hold the name of an artefact or a path below an artefact folder."""
    constants = [value for name, value in vars(paths).items() if name.isupper()]
    by_hand = {paths.PARAMS, paths.PIPELINE}  # people write these, and refusals name them
    files = {Path(value).name for value in constants if Path(value).suffix and value not in by_hand}
    folders = {value.parts[0] for value in constants if isinstance(value, Path) and not value.suffix}
    a_file = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, files))})(?![\w-])")
    a_folder = re.compile(rf"(?<![\w./-])({'|'.join(folders)})/")
    skipped = docstrings(tree)
    literals = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped
    ]
    of_path = [call.args[0] for name, call in calls(tree) if name == "Path" and call.args]
    bare = [arg.value for arg in of_path if isinstance(arg, ast.Constant) and arg.value in folders]
    return [text for text in literals if a_file.search(text) or a_folder.search(text)] + bare


def named_schemes(tree):
    """Literals that name how scores were made out of sample; "split" is also a column of the manifest."""
    skipped, schemes = docstrings(tree), SCHEMES.keys() - {"split", "held_out"}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in skipped]
    return [node.value for node in nodes if isinstance(node.value, str) and node.value in schemes]


def code_lines(source, tree):
    """Lines that hold neither words alone nor nothing."""
    words = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and id(node.value) in docstrings(tree)]
    said = {line for node in words for line in range(node.lineno, node.end_lineno + 1)}
    lines = enumerate(source.splitlines(), start=1)
    return sum(1 for number, line in lines if number not in said and line.strip() and not line.strip().startswith("#"))


def long_functions(tree, longest=MAX_FUNCTION):
    found = []
    for function in functions(tree):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
        found += [f"{function.name}: {lines} lines"] if lines > longest else []
    return found


def undocumented(tree):
    """Public functions and methods that lack a docstring or an annotation."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    inside = [node for place in (tree, *classes) for node in place.body if isinstance(node, ast.FunctionDef)]
    public = [function for function in inside if not function.name.startswith("_")]
    return [function.name for function in public if not ast.get_docstring(function) or not _annotated(function)]


def _annotated(function):
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    named = [arg for arg in arguments if arg and arg.arg not in ("self", "cls")]
    return function.returns is not None and all(arg.annotation for arg in named)


def unsafe(tree):
    """Pickle in any dress, evaluated strings, and checks that `python -O` removes."""
    found = {name for name in imports(tree) if name.split(".")[0] in {"pickle", "cPickle", "dill", "joblib", "marshal"}}
    found |= {"assert" for node in ast.walk(tree) if isinstance(node, ast.Assert)}
    for name, call in calls(tree):
        given = {word.arg: getattr(word.value, "value", None) for word in call.keywords}
        refused = (
            name in {"eval", "exec"}
            or (name == "torch.load" and given.get("weights_only") is not True)
            or (name == "np.load" and given.get("allow_pickle") is not False)
            or name == "torch.save"
        )
        found |= {name} if refused else set()
    return sorted(found)


def offenders(rule):
    """What breaks a rule of one argument, the tree, by file."""
    return {file: found for file, tree in TREES.items() if (found := rule(tree))}


def broken(code):
    return ast.parse(code)


def test_imports_point_only_up_the_list_of_rooms():
    assert {file: wrong for file, tree in TREES.items() if (wrong := wrong_imports(file, tree))} == {}


def test_every_room_has_its_place_and_every_place_a_room():
    assert {room_of(file) for file in SOURCES} - {"__init__"} == set(ROOMS)


def test_the_documentation_tells_the_rooms_in_their_order():
    page = (ROOT / "docs/house.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]+) \|", re.split(r"^## ", page, flags=re.MULTILINE)[1], flags=re.MULTILINE)
    told = re.findall(r"(\w+)(?:\.py|/(?!\w))", " ".join(cells))
    assert tuple(told) == tuple(room for room in ROOMS if room != "__main__")


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("iad/features/x.py", "from iad.detectors.knn.search import f"),
        ("iad/bundles/predictor.py", "from iad import config"),
        ("iad/metrics/x.py", "def f():\n    import iad.paths"),
        ("iad/io.py", "from iad.config import load_params"),
        ("iad/stages/x.py", "from iad.commands.gate import gate"),
        ("iad/statistics/x.py", "import typer"),
        ("iad/report/figures/x.py", "from . import style"),
        ("iad/report/figures/x.py", "from .style import png"),
    ],
)
def test_an_import_down_the_list_is_seen(file, code):
    assert len(wrong_imports(file, broken(code))) == 1


def test_the_library_prints_nothing_and_leaves_files_to_others():
    assert {file: wrong for file, tree in TREES.items() if (wrong := side_effects(file, tree))} == {}


def test_prints_and_files_in_the_library_are_seen():
    code = broken("print(1)\nsay('x')\nopen('f')\npath.write_text('x')\nPath(p).read_bytes()")
    assert side_effects("iad/detectors/x.py", code) == [".read_bytes", "open", "path.write_text", "print", "say"]
    assert side_effects("iad/features/x.py", code) == ["print", "say"]
    assert side_effects("iad/stages/x.py", code) == ["print"]


def test_only_a_stage_sets_what_the_whole_process_computes_with():
    assert offenders(process_wide) == {}


def test_what_sets_the_whole_process_is_seen():
    code = (
        "torch.set_num_threads(2)\ntorch.manual_seed(0)\ntorch.cuda.manual_seed_all(0)\nnp.random.seed(0)\n"
        "torch.backends.cudnn.benchmark = False\ntorch.set_float32_matmul_precision('high')\n"
    )
    assert len(process_wide(broken(code))) == 6
    inside = "def start():\n" + "".join(f"    {line}\n" for line in code.splitlines())
    assert process_wide(broken(inside + "torch.Generator().manual_seed(0)\ntorch.get_num_threads()")) == []


def test_schemes_are_named_where_they_are_chosen_and_where_they_are_told():
    assert set(offenders(named_schemes)) <= {"iad/detectors/calibrate.py", "iad/decision/promises.py"}


def test_a_scheme_that_is_named_is_seen():
    assert named_schemes(broken('"""jackknife"""\nx = "leave_one_out"\ny = "split"')) == ["leave_one_out"]


def test_artefact_names_are_spelled_in_paths_alone():
    hub = {"iad/features/weights.py"}  # the hub calls its files as a stage calls one of its own
    assert set(offenders(spelled_artefacts)) - hub == {"iad/paths.py"}


def test_spelled_artefact_names_are_seen():
    code = 'a = f"{folder}/images.npy"\nb = open("stages/score")\nc = Path("plots")\nd = "plots"\ne = "old_images.npy"'
    assert spelled_artefacts(broken(code)) == ["/images.npy", "stages/score", "plots"]


def test_functions_and_files_stay_short():
    assert offenders(long_functions) == {}
    assert {file: lines for file, text in SOURCES.items() if (lines := len(text.splitlines())) > MAX_FILE} == {}


def test_stages_are_short_and_folders_hold_one_job():
    stages = {file: code_lines(SOURCES[file], tree) for file, tree in TREES.items() if room_of(file) == "stages"}
    assert {file: lines for file, lines in stages.items() if lines > MAX_STAGE} == {}
    folders = [Path(file).parent.as_posix() for file in SOURCES if not file.endswith("__init__.py")]
    assert {folder for folder in folders if folders.count(folder) > MAX_FOLDER} <= set(ROOMY)


def test_lines_of_code_are_counted():
    source = '"""Words\nand more."""\n\n# why\ndef f():\n    """Doc."""\n    return 1\n'
    assert code_lines(source, broken(source)) == 2


def test_a_long_function_is_seen():
    body = "\n".join(["    x = 1"] * 3)
    assert long_functions(broken(f'def f():\n    """Doc."""\n{body}'), longest=2) == ["f: 3 lines"]
    assert long_functions(broken(f'def f():\n    """Doc."""\n{body}'), longest=3) == []


def test_public_functions_are_documented_and_annotated():
    assert offenders(undocumented) == {}


def test_a_bare_function_is_seen():
    code = (
        'def f(x: int) -> int:\n    return x\nclass A:\n    def g(self, x) -> int:\n        """Doc."""\ndef _h(): ...'
    )
    assert undocumented(broken(code)) == ["f", "g"]


def test_nothing_is_unpickled_evaluated_or_asserted():
    assert offenders(unsafe) == {}


def test_unsafe_code_is_seen():
    code = "import pickle\nassert x\neval('1')\ntorch.load(p)\nnp.load(p, allow_pickle=True)\ntorch.save(m, p)"
    assert unsafe(broken(code)) == ["assert", "eval", "np.load", "pickle", "torch.load", "torch.save"]
    assert unsafe(broken("torch.load(p, weights_only=True)\nnp.load(p, allow_pickle=False)")) == []


@pytest.fixture(scope="module")
def pipeline():
    return load_pipeline()


def modules_of(room):
    return {path.stem for path in (PACKAGE / room).glob("*.py") if not path.stem.startswith("_")}


FURTHER = {"extract"}  # a group of stages with no item in the params.yaml of the repository


def test_a_stage_has_one_name_everywhere(pipeline):
    names = modules_of("stages")
    assert {stage.group for stage in pipeline.values()} | FURTHER == names
    assert set(STAGE_ORDER) == names
    assert {path.stem.removeprefix("test_") for path in (ROOT / "tests/stages").glob("test_*.py")} == names


@pytest.mark.parametrize("room", ["stages", "commands"])
def test_a_command_is_the_function_named_like_its_module(room):
    for name in modules_of(room):
        tree = ast.parse((PACKAGE / room / f"{name}.py").read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_command_line_offers_the_stages_in_their_order_then_the_commands():
    offered = typer.main.get_command(app).list_commands(None)
    assert offered == [*STAGE_ORDER, *sorted(modules_of("commands"))]


def test_dvc_calls_each_stage_by_its_command(pipeline):
    for stage in pipeline.values():
        item = [stage.name.partition("@")[2]] if "@" in stage.name else []
        assert stage.command == ("python", "-m", "iad", stage.group, *item)


def test_a_stage_writes_to_the_folder_of_its_name(pipeline):
    for stage in pipeline.values():
        folder = (paths.STAGES / stage.name.replace("@", "/")).as_posix()
        report = {paths.METRICS.as_posix(), paths.PLOTS.as_posix()}
        assert stage.outs == (report if stage.group == "evaluate" else {folder})
