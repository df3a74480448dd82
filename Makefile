SHELL := /bin/bash
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup python daemons demo test lint unit coverage wire fuzz format bench clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 16

setup: python daemons ## make .venv, and install the daemons that tests and demo start

python:
	@scripts/setup-python.sh

daemons:
	@scripts/setup-daemons.sh

demo: setup ## check and render the campus, then boot a client against it
	@scripts/as-root.sh scripts/demo.sh

test: setup lint unit wire ## all checks and all tests but the slow ones

lint: python ## style, types and import direction
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

unit: python coverage ## tests that need no privileges
	$(BIN)/pytest -n auto -m "not measured" tests/unit tests/golden

coverage: python ## the tests by example of boot, analysis and render, and the branches they take
	$(BIN)/pytest -n auto -m measured --cov --cov-report= tests/unit tests/golden
	$(BIN)/python scripts/branch-coverage.py

# What a daemon says to a packet does not depend on when, nor what files a roll-out leaves behind: those tests
# mostly wait, several at a time.
# All others run one after the other: daemons and firmware that share the processor disturb each other's timing.
wire: setup ## tests in network namespaces and on real firmware, as root
	scripts/as-root.sh $(BIN)/pytest -n 3 -m untimed tests/wire
	scripts/as-root.sh $(BIN)/pytest -m "not untimed" tests/wire tests/lab

FUZZ_SECONDS ?= 3600
fuzz: python ## feed every reader changed inputs, an hour each (FUZZ_SECONDS)
	$(BIN)/python scripts/fuzz.py --seconds $(FUZZ_SECONDS)

format: python ## put the code into its one shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup ## run every benchmark, at most three minutes each, and print one table (BENCH="tftp http")
	@scripts/as-root.sh $(BIN)/python scripts/bench.py $(BENCH)

clean: ## remove what the targets above made
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -prune -exec rm -rf {} +
