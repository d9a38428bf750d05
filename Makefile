# Everything a person or CI does here, by name. `make help` lists it.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
# The newest Python that is fit; PYTHON=... chooses another.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
UV := $(VENV)-lock/bin/uv pip compile --quiet --generate-hashes --universal --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help setup run test check verify generate bench lock cluster-up cluster-down clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/runtime.stamp: requirements/runtime.txt requirements/build.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what the server needs..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements/runtime.txt -r requirements/build.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/runtime.stamp
	@echo "Installing what tests and tools need..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/dev.stamp ## Make the environment with everything in it

run: $(VENV)/runtime.stamp ## Start the API on SQLite under .tenantry/
	@exec $(BIN)/tenantry serve

test: $(VENV)/dev.stamp ## Run all tests; ARGS='tests/web -k watch' runs some
	@$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/dev.stamp ## Lint, types, import contracts and unit tests, in under 90 s
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest --quiet -m "not cluster and not database and not slow" $(ARGS)

generate: $(VENV)/dev.stamp ## Write every generated file again
	@$(BIN)/tenantry generate

verify: $(VENV)/dev.stamp ## Fail when a generated file is not what `make generate` writes
	@$(BIN)/tenantry generate --check

bench: $(VENV)/dev.stamp ## Measure against the targets; bench-NAME measures one
	@$(BIN)/python -m tests.bench $(ARGS)

bench-%: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.bench $*

lock: ## Resolve pyproject.toml into requirements/*.txt again
	@test -x $(VENV)-lock/bin/uv || { $(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv; }
	@$(UV) pyproject.toml --extra operator -o requirements/runtime.txt
	@$(UV) --group build -o requirements/build.txt
	@$(UV) pyproject.toml --extra operator --extra fast --group dev --group build -c requirements/runtime.txt \
		-o requirements/dev.txt

cluster-up: ## Start a real Kubernetes control plane to try things on
	@$(PYTHON) tests/cluster/controlplane.py up

cluster-down: ## Stop it
	@$(PYTHON) tests/cluster/controlplane.py down

clean: ## Remove the environment, caches and build output
	@rm -rf $(VENV) $(VENV)-lock build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
