# `make score` and `make test` work on a bare machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MODEL ?= cornet_s
BENCHMARK ?= all

.PHONY: score test test-slow check goldens results clean help
.DEFAULT_GOAL := help

help:
	@echo "make score    score $(MODEL) on $(BENCHMARK): creates $(VENV), installs, runs"
	@echo "make test     the same set-up, then checks and all tests that are not slow"
	@echo "make test-slow  the slow tests"
	@echo "make check    ruff, mypy --strict, import-linter"
	@echo "make goldens  renew the stored figures that tests/golden compares with"
	@echo "make results  measure again and write docs/results.md (about an hour, idle machine)"
	@echo "make clean    remove $(VENV) and build products"

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,zoo,timm,torchvision,transformers,onnx,matlab,nwb]'
	touch $@

score: $(STAMP)
	$(BIN)/brainbench score --model $(MODEL) --benchmark $(BENCHMARK)

# One BLAS and torch thread for each worker: two workers with two threads each would wait for each other.
PYTEST = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
	$(BIN)/python -m pytest -n auto --dist worksteal --durations=15

test: check
	$(PYTEST) -m "not slow"

test-slow: $(STAMP)
	$(PYTEST) -m slow

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

goldens: $(STAMP)
	$(BIN)/python tests/golden/renew.py

results: $(STAMP)
	$(BIN)/python perf/results.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
