# Logitscope's commands. `make run` and `make test` do all set-up themselves on a machine with Python 3.11+ and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
HOST   ?= 127.0.0.1
PORT   ?= 8501
# An index with PyTorch builds for your device; empty: the one pip is set up with. CPU-only builds are the smallest.
TORCH_INDEX ?=
# JavaScript and CSS, where there is a wheel of what checks them (requirements-dev.txt).
scripts = if [ -x $(BIN)/biome ]; then $(BIN)/biome check --error-on-warnings $(1) assets tests/assets; else echo "biome: none for this machine"; fi
# Some images forbid Python to keep what it has compiled; every process would then compile torch again, for seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check model format bench clean help

help:           ## list the commands
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

run: model  ## install what is missing, fetch the embedded model, serve on http://127.0.0.1:8501
	@exec $(BIN)/python -m streamlit run app.py --server.address $(HOST) --server.port $(PORT)

test: $(VENV)/.installed-dev  ## install what the tests need and run them all (ARGS="-k heatmap" for some)
	@$(MAKE) --no-print-directory model
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 $(ARGS)

check: $(VENV)/.installed-dev  ## lint, format and type checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(call scripts)

model: $(VENV)/.installed  ## fetch the embedded model, where it is not here yet
	@$(BIN)/python -m engine fetch smollm2-135m > /dev/null

format: $(VENV)/.installed-dev  ## format the code and fix what lint can fix
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	@$(call scripts,--write)

bench: $(VENV)/.installed-dev  ## run every benchmark and write benchmarks/results/ (ARGS=--quick to see that they work)
	@$(MAKE) --no-print-directory model
	@failed=; for script in $$(grep -l __main__ benchmarks/*.py); do \
	  name=$$(basename $$script .py); echo "== $$name"; \
	  $(BIN)/python -m benchmarks.$$name $(ARGS) || failed="$$failed $$name"; \
	done; test -z "$$failed" || { echo "failed, or missed a bound:$$failed"; exit 1; }

clean:          ## remove the virtual environment and caches of tools (models stay in the cache directory)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Logitscope needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another with: make run PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# The marker is made last, so that an installation cut short is done again. Nothing is compiled ahead: of what is
# installed, little is ever imported, and Python compiles that when it is; the installation takes half the time.
$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	$(if $(TORCH_INDEX),$(BIN)/pip install --quiet --no-compile --index-url $(TORCH_INDEX) $(shell grep '^torch==' requirements.txt))
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -r requirements-dev.txt
	@touch $(VENV)/.installed $@
