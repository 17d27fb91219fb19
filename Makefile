# Everything a newcomer types. Needs only Python 3.11+, git and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LINT   := $(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy
WORKERS ?= 6
BENCH ?= # options: make bench BENCH=--quick

# Hundreds of tests start Python, which would compile everything each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-smartos test test-slow lint bench faults systemd fuzz fuzz-unguided simulate pyz docs clean

demo: $(BIN)/carpool  ## two zones, a client, four ways to die
	@$(BIN)/carpool lab demo

demo-smartos: $(VENV)/.dev  ## the article on two stand-in hypervisors (root, openssh-server, nftables)
	@$(BIN)/carpool lab demo-smartos

# The tests are compiled, by a look at them all, while lint has one core: else each worker would.
test: $(VENV)/.dev  ## lint, types, and the tests this machine can run
	@$(BIN)/python -m pytest --collect-only -qq >/dev/null & $(LINT) && wait
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-slow: $(VENV)/.dev  ## the other tests: more whole deployments, and their demo
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m slow

lint: $(VENV)/.dev
	@$(LINT)

bench: $(BIN)/carpool  ## docs/performance.md beside ucarp and keepalived (root, both, nftables; 45 minutes)
	@$(BIN)/python -m bench $(BENCH)

faults: $(BIN)/carpool  ## docs/faults.md beside ucarp and keepalived (root, both, nftables, libfaketime; 20 minutes)
	@$(BIN)/python -m bench.faults --markdown docs/faults.md

systemd: $(BIN)/carpool  ## two Debians under systemd, in containers (root, debootstrap, systemd-container; 4 minutes)
	@$(BIN)/python -m tools.systemd $(RELEASE)

fuzz: $(VENV)/.fuzz  ## the receive path, guided by coverage: ten million inputs (hours)
	@$(BIN)/python -m tests.fuzz.guided --runs 10000000 receive

fuzz-unguided: $(VENV)/.dev  ## the receive path against five million mutated frames
	@$(BIN)/python tests/carp/fuzz.py --frames 5000000

simulate: $(VENV)/.dev  ## a million fault scenarios in virtual time; failures are made small and saved
	@$(BIN)/python -m carpool.sim --runs 1000000

docs: $(VENV)/.dev  ## pages, manual pages and completion that are made from the code
	@$(BIN)/python -m docs.generate

pyz:  ## carpool.pyz: the daemon as one file, for a zone that has only Python
	@$(PYTHON) tools/build_pyz.py

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'carpool needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	    { rm -rf $(VENV); echo 'no venv module: on Debian and Ubuntu, apt install python3-venv' >&2; exit 1; }

$(BIN)/carpool: pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(BIN)/carpool
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

$(VENV)/.fuzz: requirements-fuzz.txt | $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
	    -r requirements-fuzz.txt || { echo 'no atheris for this machine: it comes for CPython 3.11' \
	    'to 3.13 on Linux x86-64. make fuzz-unguided needs nothing' >&2; exit 1; }
	@touch $@

clean:
	rm -rf $(VENV) build/fuzz build/systemd .pytest_cache .mypy_cache .ruff_cache .hypothesis
