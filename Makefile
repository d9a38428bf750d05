# Everything a person or CI does here, by name; `make help` lists it.
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# The newest Python that is fit; PYTHON=... names another. Debian keeps ensurepip in python3-venv.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sqlite3, ssl, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
UV_VERSION := 0.13.9
UV := $(VENV)-lock/bin/uv pip compile --quiet --generate-hashes --universal --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --custom-compile-command "make lock"

# A worker for each core; what tests/lanes.py says keeps those on one of them that need a machine.
PYTEST := $(BIN)/python -m pytest -p tests.lanes --numprocesses auto --maxprocesses 4 --dist loadgroup

# Where bytecode is not kept, each of the many processes of a test run compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

SECRETS := .tenantry/secrets

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run operator test check lint verify generate bench lock image secrets cluster-up cluster-down node-up node-down engine-up engine-down clean

help: ## List the targets
	@sed -n 's/^\([a-z%-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | sed 's/%/NAME/' \
	| awk -F '|' '{ printf "  make %-14s %s\n", $$1, $$2 }'

# A virtual environment whose Python went away, say by an upgrade, is made anew.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, on Debian with python3-venv;" \
		"make PYTHON=/path/to/python names one" >&2; exit 1; }
	@test ! -e $(VENV)/pyvenv.cfg || rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)

$(VENV)/runtime.stamp: requirements/runtime.txt requirements/build.txt pyproject.toml backend/tenantry/__init__.py \
		$(BIN)/python
	@echo "Installing what the server needs..."
	@$(PIP) install --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/runtime.stamp
	@echo "Installing what tests and tools need..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/dev.stamp ## Make the environment with everything in it; PYTHON=... chooses the interpreter

run: $(VENV)/runtime.stamp ## Start the API on SQLite under .tenantry/
	@exec $(BIN)/tenantry serve

operator: $(VENV)/runtime.stamp ## Start the operator on the cluster of KUBECONFIG; k8s/README.md says how
	@exec $(BIN)/tenantry-operator run

test: $(VENV)/dev.stamp ## Run all tests; ARGS='tests/web -k watch' runs some
	@$(PYTEST) $(ARGS)

check: lint ## Lint and run the unit tests, in under 90 s; needs no cluster and no database server
	@$(PYTEST) --quiet -p no:schemathesis --ignore tests/web/test_schemathesis.py \
		-m "not (cluster or node or image or browser or database or slow)" $(ARGS)

lint: $(VENV)/dev.stamp ## Check style, types and import contracts
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

generate: $(VENV)/dev.stamp ## Write every generated file again
	@$(BIN)/tenantry generate
	@$(BIN)/tenantry-operator generate
	@$(BIN)/python -m tests.chart.generate

verify: $(VENV)/dev.stamp ## Fail when a generated file is not what `make generate` writes
	@$(BIN)/tenantry generate --check
	@$(BIN)/tenantry-operator generate --check
	@$(BIN)/python -m tests.chart.generate --check

bench: $(VENV)/dev.stamp ## Measure everything against its target
	@$(BIN)/python -m tests.bench $(ARGS)

bench-%: $(VENV)/dev.stamp ## Measure one thing
	@$(BIN)/python -m tests.bench $*

lock: $(BIN)/python ## Resolve pyproject.toml into requirements/*.txt again; ARGS=--upgrade takes the newest
	@test -x $(VENV)-lock/bin/uv || $(BIN)/python -m venv $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip --quiet --disable-pip-version-check install uv==$(UV_VERSION)
	@$(UV) $(ARGS) pyproject.toml --extra operator -o requirements/runtime.txt
	@$(UV) $(ARGS) --group build -c requirements/runtime.txt -o requirements/build.txt
	@$(UV) $(ARGS) --group reload -c requirements/runtime.txt -o requirements/reload.txt
	@$(UV) $(ARGS) pyproject.toml --extra operator --extra fast --group dev \
		-c requirements/runtime.txt -c requirements/build.txt -o requirements/dev.txt

image: ## Build the container image tenantry:VERSION
	@version=$$(sed -n 's/__version__ = "\(.*\)"/\1/p' backend/tenantry/__init__.py); \
	DOCKER_BUILDKIT=1 docker build --tag tenantry:$$version --build-arg VERSION=$$version \
		--build-arg REVISION="$$(git rev-parse HEAD)" --build-arg CREATED="$$(git log -1 --format=%cI)" $(ARGS) .

# The folder keeps others out, not the files: the users of the containers read them.
secrets: ## Make the passwords, the keys and the certificate of docker-compose.yml; what is there stays
	@(umask 077; mkdir -p $(SECRETS))
	@for name in database-password database-root-password; do \
		test -s $(SECRETS)/$$name || openssl rand -hex 24 > $(SECRETS)/$$name || exit; done
	@test -s $(SECRETS)/encryption-key || openssl rand -base64 32 > $(SECRETS)/encryption-key
	@test -s $(SECRETS)/tls.crt || printf '%s\n' '[req]' prompt=no distinguished_name=name x509_extensions=leaf \
		'[name]' CN=localhost '[leaf]' subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 basicConstraints=critical,CA:FALSE \
		keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth subjectKeyIdentifier=hash \
		| openssl req -x509 -config /dev/stdin -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
			-keyout $(SECRETS)/tls.key -out $(SECRETS)/tls.crt 2>/dev/null \
		|| { echo "openssl cannot make a certificate" >&2; exit 1; }
	@chmod 0644 $(SECRETS)/*

cluster-up: $(BIN)/python ## Start a Kubernetes control plane to try things on; prints its kubeconfig
	@$(BIN)/python tests/cluster/controlplane.py up

cluster-down: $(BIN)/python ## Stop it
	@$(BIN)/python tests/cluster/controlplane.py down

node-up: $(BIN)/python ## Start a whole Kubernetes, whose pods run; needs root
	@$(BIN)/python tests/cluster/node.py up

node-down: $(BIN)/python ## Stop it
	@$(BIN)/python tests/cluster/node.py down

engine-up: $(BIN)/python ## Start a container engine, for docker and Compose; needs root
	@$(BIN)/python tests/image/standins.py up

engine-down: $(BIN)/python ## Stop it
	@$(BIN)/python tests/image/standins.py down

clean: ## Remove the environment, caches and build output; .tenantry/ stays
	@rm -rf $(dir $(wildcard $(VENV)/pyvenv.cfg $(VENV)-lock/pyvenv.cfg)) build dist \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
