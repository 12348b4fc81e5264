# `make run` and `make test` are all a fresh machine needs: Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ndisim-installed

.DEFAULT_GOAL := help
.PHONY: help setup run test test-all soak lint format lock rules clean

help:
	@echo 'make run     set up, then carry a real capture and bulk traffic through the quickstart stack for 5 s'
	@echo 'make test    set up, then run the tests in parallel, without the slow ones'
	@echo 'make test-all    all of them'
	@echo 'make soak    set up, then run 10 million packets through all examples and look for false alarms'
	@echo 'make lint    ruff, ruff format --check and mypy --strict, as CI runs them'
	@echo 'make format  let ruff rewrite what it can'
	@echo 'make lock    pin the newest versions that pyproject.toml allows into requirements.lock'
	@echo 'make rules   write down which test shows which rule of the contract'
	@echo 'make clean   remove build products and caches, not the environment'

setup: $(STAMP)

# The stamp lies inside the environment, so removing .venv is always enough to start over.
$(STAMP): pyproject.toml requirements.lock
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[test]'
	@touch $@

run: $(STAMP)
	$(BIN)/ndisim run examples/quickstart.ndisim.yml --for 5s

test: $(STAMP)
	$(BIN)/python -m pytest -n auto -m 'not slow'

test-all: $(STAMP)
	$(BIN)/python -m pytest -n auto

soak: $(STAMP)
	$(BIN)/python -m tests.soak

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict shm nodes orchestrator

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Version pins only: no registry address, no path of the machine that made it.
lock: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-tools
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --allow-unsafe --all-extras --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--output-file $(VENV)/requirements.new pyproject.toml
	grep -E '^[a-z0-9.-]+==[0-9a-z.]+$$' $(VENV)/requirements.new > requirements.lock

rules: $(STAMP)
	$(BIN)/python -m tests.rule_marks

clean:
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
