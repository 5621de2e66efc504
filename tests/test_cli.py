"""The command line: what it lists, how it refuses, and that nothing heavy is imported for its help."""

import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from iad.cli import STAGES, app, main
from tests.helpers import ROOT, load_pipeline

STAGE_ORDER = tuple(stage.__name__ for stage in STAGES)
HEAVY = ("torch", "timm", "sklearn", "pandas", "matplotlib", "numpy", "pyarrow", "dvc", "pydantic", "tqdm")


@pytest.fixture
def refusal(monkeypatch, capsys):
    """The one line on standard error with which a command refuses."""

    def refuse(*arguments, code, cwd=ROOT):
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["iad", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == code, said.err
        assert said.err.count("\n") == 1, said.err
        assert said.out == ""
        return said.err.strip()

    return refuse


def test_help_lists_every_stage_in_the_order_of_the_dag_and_then_the_commands():
    names = get_command(app).list_commands(None)
    assert tuple(names[: len(STAGE_ORDER)]) == STAGE_ORDER
    assert {stage.group for stage in load_pipeline().values()} | {"extract"} == set(STAGE_ORDER)  # of none by default
    assert names[len(STAGE_ORDER) :] == sorted(names[len(STAGE_ORDER) :])
    shown = CliRunner().invoke(app, ["--help"]).output
    assert all(name in shown for name in names)


def test_the_package_and_the_installed_command_are_the_same():
    shown = subprocess.run([sys.executable, "-m", "iad", "scor"], cwd=ROOT, capture_output=True, text=True)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr.startswith("iad: No such command 'scor'. Did you mean 'score'?")


def test_help_imports_no_heavy_package():
    code = "import sys; sys.argv = ['iad', '--help']\nfrom iad.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += f"print('LOADED', sorted(set(sys.modules) & set({HEAVY!r})))"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("name", STAGE_ORDER)
def test_every_stage_documents_itself(name):
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert "Usage" in shown.output


def test_wrong_usage_is_one_line_and_exit_code_2(refusal):
    # Unknown command, with a suggestion
    assert "No such command 'scor'. Did you mean 'score'?" in refusal("scor", code=2)
    # Missing argument
    assert "Missing argument" in refusal("score", code=2)
    # Unknown option
    assert "No such option: --fast" in refusal("evaluate", "--fast", code=2)


def test_bad_input_is_one_line_and_exit_code_1(refusal, tmp_path):
    # Outside of a project
    assert "params.yaml: missing here" in refusal("download", code=1, cwd=tmp_path)
    # Unknown method, with those there are
    assert "unknown method 'vti'; did you mean 'vit'?" in refusal("score", "vti", code=1)
    # A misspelt parameter
    text = (ROOT / "params.yaml").read_text().replace("learning_rate:", "learnin_rate:")
    (tmp_path / "params.yaml").write_text(text)
    line = refusal("train_ae", code=1, cwd=tmp_path)
    assert "unknown parameter 'ae.learnin_rate'; did you mean 'learning_rate'?" in line
    # An input that an earlier stage has not written
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    assert "manifest.parquet: missing; run `dvc repro`" in refusal("train_ae", code=1, cwd=tmp_path)


def test_a_full_disk_is_one_line(monkeypatch, capsys):
    from iad import cli

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cli, "app", full)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "the disk is full" in capsys.readouterr().err


def test_an_option_is_proposed_only_where_it_resembles_the_one_that_was_written(refusal):
    assert "--quiet. See `iad predict --help`" in refusal("predict", "a.iad", "new", "--quiet", code=2)
    assert "(Possible options: --maps)" in refusal("predict", "a.iad", "new", "--map", "x", code=2)
