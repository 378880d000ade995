# `make` alone lists the targets. Everything runs in .venv, which is made from requirements.lock when that changes.
# Programs are run as modules: the scripts in .venv/bin hold the folder's path, and a copy of them runs the original.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PARAMS ?= params/quick.yaml
BIN := .venv/bin
# The environment serves this folder alone: in a copy, or after the folder or its Python was moved, it is made anew.
READY := $(shell test "`cat .venv/.ready 2>/dev/null`" = "`pwd -P`" && $(BIN)/python -Ic 'import trajnb' 2>/dev/null && echo yes)
# A person's settings for other interpreters are none for this one: PYTHONOPTIMIZE for instance would empty every test.
unexport $(filter PYTHON%,$(.VARIABLES))
export PIP_USER := 0

.DEFAULT_GOAL := help
# A misspelled variable would start another run than the one meant.
KNOWN := PYTHON PARAMS ARGS REMOTE RUN NOTEBOOKS MUTANTS
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
$(foreach name,$(filter-out $(KNOWN),$(GIVEN)),$(error $(name) is no variable of this Makefile: write one of $(KNOWN)))
.PHONY: anew help env run test rehearsal lint lab notebooks site results pull verify bench mutants clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

env: .venv/.ready  ## Make .venv with the exact versions of requirements.lock

.venv/.ready: requirements.lock pyproject.toml $(if $(READY),,anew)
	@case "`pwd -P`" in *[:{}\$$]*) echo "The path of this folder holds one of : { } $$, with which Python makes no environment: rename it."; exit 1;; esac
	@test -n "$(PYTHON)" || { echo "No python3 found: install Python 3.11 to 3.13, or run make PYTHON=/path/to/python."; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "$(PYTHON) is not Python 3.11 to 3.13: install one, or run make PYTHON=/path/to/python."; exit 1; }
	@$(if $(READY),,rm -rf .venv)
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@pwd -P > $@

# For the page to draw on; without npm, or without a network, a run has all other pages.
.venv/web/.ready: .venv/.ready $(wildcard trajnb/template/package*.json)
	@mkdir -p .venv/web && cp trajnb/template/package*.json .venv/web 2>&1 && \
	  npm ci --prefix .venv/web --ignore-scripts --no-audit --no-fund --fetch-retries=0 --silent && touch $@ || \
	  echo "npm is missing or could not install onnxruntime-web: runs go without play.html, the page to draw on."

.venv/%/.ready: .venv/.ready tests/%.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --upgrade --target .venv/$* -r tests/$*.lock
	@touch $@

RUN ?= $(or $(shell sed -n 's/^run_name: *\([A-Za-z0-9._-]*\).*/\1/p' $(PARAMS) 2>/dev/null),smoke)
NOTEBOOKS ?= $(wildcard notebooks/*.ipynb)
# Nothing of the machine, of times and of settings is left in a committed notebook.
CLEAN := --ExecutePreprocessor.kernel_manager_class=trajnb.kernel.ThisPython --ClearMetadataPreprocessor.enabled=True \
  --ClearMetadataPreprocessor.preserve_cell_metadata_mask="{('tags',)}" \
  --ClearMetadataPreprocessor.preserve_nb_metadata_mask="{('kernelspec',), ('language_info', 'name')}"
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
# Snakemake insists on a name, which a container's user may lack.
export LOGNAME ?= $(or $(USER),user)
# Snakemake insists on a cache: in this folder where a person has no home, or may not write there.
HOMELESS = $(shell mkdir -p "$${XDG_CACHE_HOME:-$${HOME:-/dev/null}/.cache}/snakemake" 2>/dev/null || echo 'env XDG_CACHE_HOME="$$(pwd -P)/.snakemake/cache"')
SNAKEMAKE = $(HOMELESS) $(BIN)/python -m snakemake --profile profiles/local

run: env .venv/web/.ready  ## The lab: data, training, evaluation, pages (PARAMS=params/quick.yaml ARGS="--config epochs=2" REMOTE=s3:bucket/lab)
	@$(BIN)/python -m trajnb.config $(PARAMS)
	exec $(if $(REMOTE),profiles/remote.sh push "$(REMOTE)" "$(RUN)") $(SNAKEMAKE) $(ARGS) --configfile $(PARAMS)

test: lint .venv/parity/.ready .venv/explain/.ready .venv/web/.ready  ## Lint, unit tests, the smoke lab through the runner, committed notebooks against their outputs
	$(PYTEST)
	rm -rf outputs/.nbval  # weights of other code would be refused
	TRAJNB_OUTPUTS=outputs/.nbval $(SNAKEMAKE) trained --configfile params/smoke.yaml --config threads=1
	TRAJNB_OUTPUTS=outputs/.nbval TRAJNB_STEP=nbval TQDM_DISABLE=1 $(PYTEST) --nbval-lax --nbval-current-env $(NOTEBOOKS)

rehearsal: env  ## What befalls machines: killed jobs and nodes of a Slurm (docs/cluster.md), a rented machine taken back, power cuts, a bad line
	$(BIN)/python -m pytest -m rehearsal -rs tests

lint: env  ## ruff over the package, the tests and the notebooks
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

lab: env  ## JupyterLab with the tour open, on this machine only, with a token
	$(BIN)/python -m jupyterlab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00_tour.ipynb $(if $(filter 0,$(shell id -u)),--allow-root)

notebooks: env  ## Execute the committed notebooks in place with their smoke defaults
	rm -rf outputs/smoke outputs/tour  # a run of other code or parameters must not stand in
	$(SNAKEMAKE) --configfile params/smoke.yaml --config threads=1
	TQDM_DISABLE=1 $(BIN)/python -m nbconvert --to notebook --inplace --execute $(CLEAN) $(NOTEBOOKS)

site: env  ## Write the pages of a run anew and zip them (RUN=quick)
	$(BIN)/python -m trajnb.pages $(RUN) --zip

results: env  ## Write RESULTS.md from the runs in outputs/
	$(BIN)/python benchmarks/results.py

pull: env  ## Fetch a run from a remote and check it (REMOTE=s3:bucket/lab RUN=quick)
	@test -n "$(REMOTE)" || { echo "REMOTE is missing: write make pull REMOTE=s3:bucket/lab RUN=$(RUN)."; exit 2; }
	@profiles/remote.sh pull "$(REMOTE)" "$(RUN)"

verify:  ## Compare every file of a run with its SHA256SUMS (RUN=quick)
	@test -f outputs/$(RUN)/SHA256SUMS || { echo "outputs/$(RUN) has no SHA256SUMS: RUN is not the name of a run that has ended."; exit 2; }
	@cd outputs/$(RUN) && sha256sum --quiet -c SHA256SUMS && echo "$(RUN): every file is as it was left"

bench: env  ## Speed of the parts, as ratios to a fixed matrix product
	@for file in benchmarks/world.py benchmarks/training_speed.py; do echo "$$file"; $(BIN)/python "$$file" || exit 1; done

mutants: .venv/mutants/.ready  ## Which small changes of the core no test notices (MUTANTS="1 *losses.py": of one file)
	PYTHONPATH=.venv/mutants $(BIN)/python benchmarks/mutants.py $(MUTANTS)

clean:  ## Remove caches and the smoke and tour runs; other runs and .venv stay
	rm -rf outputs/smoke outputs/tour mutants .pytest_cache .ruff_cache build *.egg-info
	find trajnb tests benchmarks notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
