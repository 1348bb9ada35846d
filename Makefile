# The commands of this project. Every target makes the virtual environment by itself, and again when the
# requirement files or pyproject.toml change. `make PYTHON=python3.12 ...` chooses the interpreter.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$python && break; done)
UV_VERSION := 0.13.9
BIN := .venv/bin
READY := .venv/.ready
# A network may have a certificate authority of its own; the system knows it, uv's own list does not.
export UV_SYSTEM_CERTS := 1
# Containers often forbid Python to keep what it compiled; then every process of Airflow and of the tests compiles anew.
export PYTHONDONTWRITEBYTECODE :=
UV_PIP_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--custom-compile-command "make pins" pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup demo up down stack report test test-fast test-all lint bench chaos pins

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make the virtual environment

$(READY): requirements.txt requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 was not found; name one: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r requirements.txt -r requirements-dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: $(READY) ## posts go out on four stand-in platforms while you watch; about 4 minutes
	$(BIN)/python -m sandbox.demo

up: $(READY) ## the same, left running: Airflow's page, its login, the sandbox
	$(BIN)/python -m sandbox.demo up

down: $(READY) ## stop what `make up` started
	$(BIN)/python -m sandbox.demo down

stack: $(READY) ## docker-compose.yaml without Docker: Celery, two triggerers; two services are stopped; 5 minutes
	$(BIN)/python -m sandbox.compose

report: $(READY) ## one page on what was published and what came of it: of `make up`, else of the settings' ledger
	@$(BIN)/python -m sandbox.demo report

test: lint ## everything that must pass; the tests wait more than they work
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not whole"

test-fast: $(READY) ## on SQLite, without real Airflow processes and long scripts; about 3 minutes
	$(BIN)/python -m pytest -n 4 --dist worksteal -m "not slow and not whole and not postgres"

test-all: test chaos ## all there is, chaos included; about an hour and a half
	$(BIN)/python -m pytest -m whole
	set -e; for guard in fence intent window reconcile; do $(BIN)/python -m chaos --break $$guard; done

lint: $(READY) ## style, types, which part may import which, the files of deployment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/yamllint --strict docker-compose.yaml deploy
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yaml

bench: $(READY) ## lateness and cost of a thousand posts in one second; needs PostgreSQL
	$(BIN)/python -m benchmarks

chaos: $(READY) ## posts go out while all breaks; POSTS=500 SEED=7 MINUTES=10, BREAK=fence|intent|window|reconcile
	$(BIN)/python -m chaos $(if $(POSTS),--posts $(POSTS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(BREAK),--break $(BREAK))

pins: $(READY) ## compile requirements*.txt from pyproject.toml
	$(UV_PIP_COMPILE) --output-file requirements.txt
	$(UV_PIP_COMPILE) --extra dev --constraint requirements.txt --output-file requirements-dev.txt
