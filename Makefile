# `make score` and `make test` work on a bare machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MODEL ?= cornet_s
BENCHMARK ?= all

.PHONY: score test check tests results contact-sheet clean help
.DEFAULT_GOAL := help

help:
	@echo "make score    score $(MODEL) on $(BENCHMARK): creates $(VENV), installs, runs"
	@echo "make test     the same set-up, then checks and tests"
	@echo "make check    ruff, mypy --strict, import-linter"
	@echo "make results  measure again and write docs/results.md (about an hour, idle machine)"
	@echo "make clean    remove $(VENV) and build products"

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,zoo,timm,onnx]'
	touch $@

score: $(STAMP)
	$(BIN)/brainbench score --model $(MODEL) --benchmark $(BENCHMARK)

test: check tests

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tests: $(STAMP)
	$(BIN)/python -m pytest --durations=10

results: $(STAMP)
	$(BIN)/python perf/results.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
