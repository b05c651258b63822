# Everything works in .venv of this checkout and needs python3 (3.11 or newer), make, and an index of packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The CPU build of torch where there is no GPU: name an index that serves it, e.g. PyTorch's own for CPU.
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
DATA ?= ../shared/data
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: setup check test demo bench docs clean

setup: $(VENV)/.ready

# torch goes first and alone: resolved together with the rest, pip may take a build with gigabytes of CUDA.
$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

check: setup
	$(BIN)/ruff format --check src tests benchmarks examples reproduce
	$(BIN)/ruff check src tests benchmarks examples reproduce
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup
	$(BIN)/python -m pytest -n 2 -q

demo: setup
	rm -rf demo
	$(BIN)/tacit data simulate --size small --out demo/data
	$(BIN)/tacit data split demo/data/interactions.parquet --out demo/split
	$(BIN)/tacit fit demo/split/train.parquet --valid demo/split/valid.parquet --out demo/run
	$(BIN)/tacit evaluate demo/run --test demo/split/test.parquet
	$(BIN)/tacit recommend demo/run --user 0 -k 5

bench: setup
	TACIT_DATA=$(DATA) $(BIN)/python -m benchmarks

# The tables that documents quote, printed anew.
docs: setup
	$(BIN)/python -m benchmarks.simulator_statistics
	$(BIN)/python -m tacit.cli.options > docs/options.md

clean:
	rm -rf $(VENV) demo build dist
