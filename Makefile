# Spar. `make run` serves the app, `make test` checks everything; both set up
# what they need first. See README.md.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export NO_COLOR := 1
unexport FORCE_COLOR

BIN := .venv/bin
# For example: make pytest PYTEST_ARGS="-n0 -k tokens"
PYTEST_ARGS ?= -n auto --dist loadfile

.PHONY: help setup setup-dev run test check pytest bench format lock clean

help: ## say what there is to make
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: ## install what running Spar needs into .venv (does nothing when up to date)
	@scripts/setup.sh runtime

setup-dev: ## setup, and what checking and developing needs
	@scripts/setup.sh dev

run: setup ## serve the app on 127.0.0.1:8501
	@exec $(BIN)/spar app

test: check pytest ## every check and every test: what CI runs

check: setup-dev ## the checks that run no test: style, types, import rules
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-color-output --no-error-summary
	$(BIN)/lint-imports --no-cache --no-logo

pytest: setup-dev ## every test
	$(BIN)/python -m pytest --color=no -q $(PYTEST_ARGS)

bench: setup-dev ## run the benchmarks and print their tables
	@$(BIN)/python -m evals.bench

format: setup-dev ## rewrite the code in the house style
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format --quiet .

UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --custom-compile-command 'make lock'

lock: setup-dev ## pin the newest allowed versions (LOCK_ARGS="--upgrade-package NAME" for one)
	$(UV_COMPILE) $(LOCK_ARGS) requirements-bootstrap.in -o requirements-bootstrap.txt
	$(UV_COMPILE) $(LOCK_ARGS) pyproject.toml -o requirements.txt
	$(UV_COMPILE) $(LOCK_ARGS) pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt

clean: ## remove .venv and every cache
	rm -rf .venv .venv.lock build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
