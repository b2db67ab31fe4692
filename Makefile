# make run: the main job; make test: all checks and tests. Both set up what they need, with Python 3.11, pip and make only.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
LOCK := requirements.lock

.PHONY: run test test-slow exactness end-to-end lint reference docs lock clean

run: $(VENV)/.run
	$(BIN)/spinn-mam run pd14 --backend emulator --drive poisson --t-sim 10000 --warm-up 500 \
	  --board-config spin5-6 --layout combined --neurons-per-core 80 --time-scale-factor 20

test: lint
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/.all
	$(BIN)/python -m pytest -n 2 -m slow

# Random networks on the shipped ARM binaries and on the emulator's specification; prints how many agree.
NETWORKS ?= 2000
exactness: $(VENV)/.all
	$(BIN)/python tests/conformance/binary_exactness.py --networks $(NETWORKS) --seed 10000

# Whole networks through sPyNNaker on the ARM binaries and on the emulator; prints the spikes and sums that were compared.
end-to-end: $(VENV)/.all
	PYTHONPATH=. $(BIN)/python tests/conformance/end_to_end.py

lint: $(VENV)/.all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Runs that are there are not repeated; more seeds or a longer time extend the reference.
SEEDS ?= 1-7
T_SIM ?= 2500
reference: $(VENV)/.all
	$(BIN)/spinn-mam reference pd14 --seeds $(SEEDS) --t-sim $(T_SIM) \
	  --write spinn_mam/nest_reference/data/pd14-poisson.json

docs: $(VENV)/.all
	$(BIN)/sphinx-build -q -W -b html docs docs/_build

# One lock for both environments: every version that the other targets install.
lock:
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install -q '.[all]'
	$(VENV)-lock/bin/pip freeze --exclude spinn-mam > $(LOCK)
	rm -rf $(VENV)-lock

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: setup.py $(LOCK) | $(VENV)/bin/python
	$(BIN)/pip install -q -c $(LOCK) -e .
	touch $@

$(VENV)/.all: setup.py $(LOCK) | $(VENV)/bin/python
	$(BIN)/pip install -q -c $(LOCK) -e '.[all]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
