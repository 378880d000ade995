# `make` alone lists the targets. Everything runs in .venv, which is made from requirements.lock when that changes.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PARAMS ?= params/quick.yaml
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help env run test lint lab notebooks bench mutants clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

env: .venv/.ready  ## Make .venv with the exact versions of requirements.lock

.venv/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No python3 found: install Python 3.11 to 3.13, or run make PYTHON=/path/to/python."; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "$(PYTHON) is not Python 3.11 to 3.13: install one, or run make PYTHON=/path/to/python."; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/tools/.ready: .venv/.ready tests/tools.lock
	"$(PYTHON)" -m venv .venv/tools
	.venv/tools/bin/python -m pip install --disable-pip-version-check -r tests/tools.lock
	@touch $@

run: env  ## The lab: data, training, evaluation, page (PARAMS=params/quick.yaml)
	$(BIN)/trajnb run $(PARAMS)

test: lint .venv/tools/.ready  ## Lint, unit tests, the smoke lab through the runner, committed notebooks against their outputs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
	TQDM_DISABLE=1 $(BIN)/python -m pytest --nbval-lax --nbval-current-env notebooks

lint: env  ## ruff over the package, the tests and the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lab: env  ## JupyterLab with the tour open, on this machine only, with a token
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00_tour.ipynb

notebooks: env  ## Execute the committed notebooks in place with their smoke defaults
	$(BIN)/python -m trajnb.runs.refresh

bench: env  ## Speed of the parts, as ratios to a fixed matrix product
	@for file in benchmarks/world.py benchmarks/training_speed.py; do echo "$$file"; $(BIN)/python "$$file" || exit 1; done

mutants: .venv/mutants/.ready  ## Which small changes of the core no test notices (MUTANTS="1 *losses.py": of one file)
	PYTHONPATH=.venv/mutants $(BIN)/python benchmarks/mutants.py $(MUTANTS)

.venv/mutants/.ready: .venv/.ready tests/mutants.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --upgrade --target .venv/mutants -r tests/mutants.lock
	@touch $@

clean:  ## Remove caches and the smoke and tour runs; other runs and .venv stay
	rm -rf outputs/smoke outputs/tour mutants .pytest_cache .ruff_cache build *.egg-info
	find trajnb tests benchmarks notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
