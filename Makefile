# `make` explains itself. Everything runs in .venv, which `make setup` fills from requirements.lock.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
WORKERS ?= 3
unexport PYTHONDONTWRITEBYTECODE  # images set it; every call of ours would compile all of its modules anew

.DEFAULT_GOAL := help
.PHONY: help setup demo test check unit contract chaos faults soak bench bench-rules bench-sinks bench-alerts bench-replay score format lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## a virtual environment with everything; leaves .venv/bin/tocsin

FITS := import ensurepip, ssl, sys, venv; sys.exit(sys.version_info < (3, 11))

$(STAMP): requirements.lock pyproject.toml
	@if $(BIN)/python -c '$(FITS)' 2>/dev/null; then exit 0; fi; \
	for name in python3.11 python3.12 python3.13 python3.14 python3; do \
	  if $$name -c '$(FITS)' 2>/dev/null; then \
	    echo "setting up $(VENV) with $$($$name --version)"; \
	    exec $$name -m venv --clear $(VENV); fi; done; \
	found=$$(python3 --version 2>&1 || echo "no python3"); \
	echo "Tocsin needs Python 3.11 or newer, with its venv and ssl modules; here is: $$found" >&2; \
	echo "Install it (Debian: apt-get install python3.11 python3.11-venv), or put one on the PATH." >&2; \
	exit 2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: setup  ## see it work: real Kafka, attacks, alerts, in a minute; KEEP=1 stays up
	$(BIN)/tocsin demo $(if $(KEEP),--keep)

test: check  ## everything: checks, then all tests, on real servers
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

unit: setup  ## the tests that need no server, in seconds
	$(BIN)/pytest -q tests/unit tests/golden

check: setup  ## style, types, layers, schema compatibility
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m schemas.compatibility

contract: setup  ## every connector at a real server: the table connector x property, of a run just now
	$(BIN)/python -m tests.contract -n $(WORKERS)

chaos: setup  ## the fault tests in full: kills, twins, rebalances, against the replay as oracle
	$(BIN)/python -m tests.chaos

faults: setup  ## what the sinks survive: ten thousand notifications each, in a dozen faults; prints the table
	$(BIN)/python -m tests.faults

soak: setup  ## the fault tests again and longer; SIZE=5 times as many events
	$(BIN)/python -m tests.chaos --size $(or $(SIZE),5)

bench: setup  ## throughput and latency, beside others; leaves build/bench/*.json
	$(BIN)/python -m tests.bench

bench-rules: setup  ## what the number of rules, a further match, each kind and a key cost
	$(BIN)/python -m tests.bench rules kinds

bench-alerts: setup  ## a hundred thousand active alerts: memory, findings, status changes, restore
	$(BIN)/python -m tests.bench alerts

bench-sinks: setup  ## what the sinks take: rows, notifications, nine beside a dead one; leaves build/bench/sinks.json
	$(BIN)/python -m tests.bench.sinks

bench-replay: setup  ## backtests with all shipped rules, from topics and files, beside a live worker and a plain read
	$(BIN)/python -m tests.bench replay --events $(or $(EVENTS),100000)

score: setup  ## precision, recall, time to detect of each shipped rule; writes streams/docs/quality.md
	$(BIN)/tocsin score --write
	$(BIN)/tocsin rules catalogue --write

format: setup  ## format the code, mend what ruff can mend
	$(BIN)/ruff check --fix --exit-zero --quiet
	$(BIN)/ruff format

lock:  ## resolve pyproject.toml into requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --output-file requirements.lock

clean:  ## stop local servers, remove the environment and all that was built
	-@if [ -x $(BIN)/tocsin ]; then $(BIN)/tocsin local down --clean; fi
	rm -rf $(VENV) build dist *.egg-info .tocsin .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
