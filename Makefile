# Everything runs in .venv, which make keeps equal to requirements.lock and pyproject.toml.
# Written for GNU make 3.81 and later, so that the make of macOS will do.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ACTIVATED := PATH="$(CURDIR)/$(BIN):$$PATH"

# The first Python that is new enough; another one with: make repro PYTHON=/path/to/python3
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$name && break; done)
NO_PYTHON = make: found no Python 3.11 or newer; install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3
NO_VENV = make: $(PYTHON) cannot make environments; install uv, or your system's package python3-venv

# The uv on PATH, if it answers; where there is none, pip installs the one that requirements.lock names
ifeq ($(shell uv --version 2>/dev/null),)
  UV := $(BIN)/uv
  MAKE_VENV = { "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(NO_VENV)" >&2; exit 1; }; } \
	&& "$(PYTHON)" -m venv $(VENV) && sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt \
	&& $(BIN)/python -m pip install --quiet --require-hashes --requirement $(VENV)/uv.txt
else
  UV := uv
  MAKE_VENV = uv venv --quiet --python "$(PYTHON)" $(VENV)
endif
PROCESSES ?= auto
QUIET := $(shell test -t 2 || echo --quiet)

.DEFAULT_GOAL := help
.PHONY: help repro test lint lock

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1 \2/p' Makefile | while read -r name what; do \
	printf '  make %-6s %s\n' "$$name" "$$what"; done

repro: $(READY) ## Set up, run the whole pipeline and show the table of results
	@$(ACTIVATED) dvc repro
	@$(ACTIVATED) iad results

test: $(READY) ## Set up and run the tests, in as many processes as there are cores (PROCESSES=0: in this one)
	@$(ACTIVATED) pytest -n $(PROCESSES) --dist loadfile

lint: $(READY) ## Set up and check style and types; nothing is changed
	@$(ACTIVATED) ruff check
	@$(ACTIVATED) ruff format --check
	@$(ACTIVATED) mypy

lock: $(READY) ## Pin the packages anew after a change in pyproject.toml (newest ones: UPGRADE=--upgrade)
	@$(ACTIVATED) uv pip compile pyproject.toml --extra dev --extra pipeline --extra faiss --extra ray --extra s3 --extra serve --extra mqtt --extra opcua --extra camera --extra export --extra explain \
	--universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	--output-file requirements.lock --quiet $(UPGRADE)

# The stamp goes first and comes back last: an environment without it is half made, and is made anew.
$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null || { echo "$(NO_PYTHON)" >&2; exit 1; }
	@echo "Setting up $(CURDIR)/$(VENV): about 215 packages, PyTorch among them."
	@echo "On Linux 3 GB to download and 7 GB on disk (PyTorch brings CUDA along), on macOS 0.5 GB and 1.5 GB."
	@echo "It takes from half a minute to ten, as the network allows, and happens once."
	@test -e $@ || rm -rf $(VENV)
	@rm -f $@
	@test -d $(VENV) || $(MAKE_VENV)
	@$(UV) pip sync $(QUIET) --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
