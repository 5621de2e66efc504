"""What the documents and the set-up say is true: paths, commands and parameters exist, pins match the needs."""

import io
import re
import subprocess
import sys
import tarfile
import tomllib

import pytest
import typer
from packaging.requirements import Requirement

from iad.cli import app
from tests.helpers import ROOT, leaf_keys, read_yaml

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def fenced(text):
    """The content of every fenced block."""
    return re.findall(r"^```[^\n]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def layout(text):
    """The first token of each line of the fenced block below the heading Layout."""
    section = re.split(r"^#+ Layout[^\n]*\n", text, flags=re.MULTILINE)[1]
    return [line.split()[0] for line in fenced(section)[0].splitlines() if line.strip()]


def called(text, pattern):
    """What the pattern finds at the start of a line of a fenced block, or at the start of inline code."""
    lines = [line.removeprefix("$ ") for block in fenced(text) for line in block.splitlines()]
    return {match[1] for code in lines + re.findall(r"`([^`\n]+)`", text) if (match := re.match(pattern, code))}


def test_a_readme_is_read_as_it_should_be():
    text = "# T\n```sh\n$ make repro\niad gate x\n```\nthen `make test`, `dvc`.\n"
    text += "## Layout\n\n```\niad/   code\ndvc.yaml\n```\n"
    assert layout(text) == ["iad/", "dvc.yaml"]
    assert called(text, r"make ([a-z]+)") == {"repro", "test"}
    assert called(text, r"iad ([a-z_]+)") == {"gate"}


def test_every_path_of_the_readmes_layout_exists():
    assert [path for path in layout(README) if not (ROOT / path).exists()] == []


def test_every_picture_and_page_that_the_readme_links_exists():
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", README) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readmes_table_is_that_of_the_committed_results(tmp_path):
    # of the last commit, not of the working tree: another machine's run may differ in the last digits
    archive = subprocess.run(
        ["git", "archive", "HEAD", "metrics", "plots/report.json"], cwd=ROOT, stdout=subprocess.PIPE
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path, filter="data")
    command = [sys.executable, "-m", "iad", "results", "--markdown"]
    table = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    first, *others = table.strip().split("\n\n")
    assert first in README, "run `iad results --markdown` and put its first table into README.md"
    decisions = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    missing = [block for block in others if block.startswith("|") and block not in README + decisions]
    assert missing == [], "put the other tables of `iad results --markdown` into docs/decisions.md"


def test_the_readmes_make_targets_exist_and_help_shows_all():
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, flags=re.MULTILINE)[1].split()
    assert {"repro", "test"} <= called(README, r"make ([a-z]+)") <= set(phony)
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert re.findall(r"^  make ([a-z]+) +\S", shown, flags=re.MULTILINE) == phony


def test_the_readmes_commands_exist():
    known = set(typer.main.get_command(app).list_commands(None))
    assert called(README, r"(?:python -m )?iad ([a-z_]+)") <= known


def test_the_readmes_parameters_exist():
    changed = set(re.findall(r"(?:-S|--set-param) '?([a-z_.0-9]+)=", README))
    assert changed <= leaf_keys(read_yaml(ROOT / "params.yaml"))


def pins(text):
    """Version of each package in a lock file; a package may have one per Python version."""
    found = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", text, flags=re.MULTILINE):
        found.setdefault(name, []).append(version)
    return found


def needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = sum(project["optional-dependencies"].values(), project["dependencies"])
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("need", needs(), ids=lambda need: need.name)
def test_every_need_is_pinned_within_its_bounds(need):
    versions = pins(LOCK)[re.sub(r"[._]", "-", need.name).lower()]
    assert [version for version in versions if version not in need.specifier] == []


def test_the_lock_holds_hashes_and_no_address():
    entries = re.split(r"^(?=[a-z0-9-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert not re.search(r"://|^-", LOCK, flags=re.MULTILINE)
