"""What the workflows of GitHub Actions call exists, and they may do no more than they need."""

import re
import shutil
import subprocess

import pytest
import typer

from iad.cli import app
from tests.helpers import ROOT, read_yaml

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS = {path.stem: read_yaml(path) for path in FILES}
TARGETS = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)


def steps(name):
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"]]


def scripts(name):
    return [step["run"] for step in steps(name) if "run" in step]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_commands_and_make_targets_of_a_workflow_exist(name):
    text = "\n".join(scripts(name))
    commands, targets = re.findall(r"(?:^|[\s/])iad ([a-z_]+)", text), re.findall(r"\bmake ([a-z]+)", text)
    assert set(commands) <= set(typer.main.get_command(app).list_commands(None))
    assert set(targets) <= set(TARGETS)
    assert commands or targets


@pytest.mark.parametrize("name", WORKFLOWS)
def test_scripts_are_shell_and_take_no_text_from_outside(name):
    for script in scripts(name):
        assert subprocess.run([shutil.which("bash"), "-n"], input=script, text=True).returncode == 0
        assert "${{" not in script, "pass it through env: a branch's name could hold a command"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_reads_only_and_uses_actions_of_github_alone(name):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    assert [step["uses"] for step in steps(name) if not step.get("uses", "actions/").startswith("actions/")] == []


def test_the_gate_sees_the_whole_history_and_its_failure_is_not_hidden():
    checkout = next(step for step in steps("gate") if step.get("uses", "").startswith("actions/checkout"))
    assert checkout["with"]["fetch-depth"] == 0
    assert WORKFLOWS["gate"]["defaults"]["run"]["shell"] == "bash"  # that is: bash -eo pipefail
    runs = [step for step in steps("gate") if "iad gate" in step.get("run", "")]
    assert len(runs) == 1
    assert not {"if", "continue-on-error"} & set(runs[0])


def test_the_pipeline_runs_before_the_gate():
    text = "\n".join(scripts("gate"))
    assert text.index("make repro") < text.index("iad gate")


def test_outputs_that_a_step_uses_are_those_of_an_earlier_step():
    seen = set()
    for step in steps("gate"):
        assert set(re.findall(r"steps\.(\w+)\.outputs", str(step))) <= seen
        seen.add(step.get("id"))
