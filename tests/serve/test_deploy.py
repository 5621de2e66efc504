"""The container file and the systemd unit: they call `iad serve` as it is, with few rights."""

import configparser
import json
import re
import shlex

import typer

from iad.cli import app
from tests.helpers import ROOT

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
IGNORED = (ROOT / "deploy/Dockerfile.dockerignore").read_text(encoding="utf-8").split()


def instructions(name):
    lines = re.sub(r"\\\n\s*", "", DOCKERFILE).splitlines()
    return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


def unknown_options(words):
    """Options of a call of `iad serve` that it does not have."""
    command = typer.main.get_command(app).commands["serve"]
    known = {option for one in command.params for option in one.opts}
    return [word for word in words if word.startswith("--") and word not in known]


def unit():
    found = configparser.ConfigParser(interpolation=None, strict=False)
    found.optionxform = str
    found.read_string((ROOT / "deploy/iad-serve.service").read_text(encoding="utf-8"))
    return found["Service"]


def test_an_option_that_serve_does_not_have_is_found():
    assert unknown_options(["iad", "serve", "--hots", "here"]) == ["--hots"]


def test_the_container_calls_iad_serve():
    (entry,) = instructions("ENTRYPOINT")
    assert json.loads(entry)[:2] == ["iad", "serve"]
    assert unknown_options(json.loads(entry)) == []


def test_the_container_is_made_of_plain_names_and_ends_unprivileged():
    assert {base.split()[0] for base in instructions("FROM")} == {"python:3.11-slim"}
    assert instructions("USER") == ["10001:10001"]
    assert DOCKERFILE.index("\nUSER ") > DOCKERFILE.rindex("\nRUN ")
    assert not re.search(r"https?://(?!127\.0\.0\.1)", DOCKERFILE)


def test_what_the_container_copies_is_there_and_not_ignored():
    copied = {source for line in instructions("COPY") if not line.startswith("--from") for source in line.split()[:-1]}
    assert {f"!{source.removeprefix('./')}" for source in copied} <= {*IGNORED}
    assert all((ROOT / source).exists() for source in copied)


def test_the_unit_calls_iad_serve_with_few_rights():
    service = unit()
    words = shlex.split(service["ExecStart"])
    assert [words[0].rpartition("/")[2], words[1]] == ["iad", "serve"]
    assert unknown_options(words) == []
    assert service["DynamicUser"] == service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert words[words.index("--log") + 1].startswith(f"/var/lib/{service['StateDirectory']}/")
