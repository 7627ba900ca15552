# Two commands are enough: `make quickstart` trains a tiny model on this machine,
# `make test` runs the tests. Both create .venv on first use.

PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt

# Telemetry of the libraries underneath stays off.
export HF_HUB_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help venv quickstart test test-fast lint generate bench bench-gpu clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: .venv/.train ## create .venv with all that training needs

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "$(PYTHON) was not found. Name another one: make PYTHON=python3.12 venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "recipe_runner needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	         "Name another one: make PYTHON=python3.12 venv" >&2; exit 1; }
	@echo "Creating .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "venv failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

.venv/.train: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the training libraries into .venv (a few minutes, once)"
	@$(PIP_INSTALL) -e '.[train]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt .venv/.train
	@echo "Installing the development tools into .venv"
	@$(PIP_INSTALL) -e '.[train,dev]'
	@touch $@

quickstart: .venv/.train ## train a tiny model on this machine, without a network or a GPU
	@$(BIN)/recipe-run train recipes/quickstart.yaml --overwrite

# One thread per worker, so that the workers do not compete for cores.
test: .venv/.dev ## run the tests, the fast ones first
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4

test-fast: .venv/.dev ## run the tests that need no training library, in a minute
	@$(BIN)/python -m pytest -q -n auto --maxprocesses 4 -m "not runs" --ignore tests/runs

lint: .venv/.dev ## check style, types, layers and generated files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m recipe_runner.devtools.generate --check

generate: .venv/.dev ## rewrite the files that are derived from the code
	@$(BIN)/python -m recipe_runner.devtools.generate

bench: .venv/.dev ## compare recipe-run with a plain TRL script, in ten minutes on two cores
	@$(BIN)/python -m benchmarks

bench-gpu: .venv/.dev ## the same on one GPU, with models of 0.6 to 8 billion parameters
	@$(BIN)/python -m benchmarks gpu

clean: ## remove .venv and caches; runs/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find recipe_runner tests -name __pycache__ -type d -prune -exec rm -rf {} +
