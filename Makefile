# Every command sets up what it needs. Only relative paths: the folder's own path may hold anything, spaces too.

PYTHON ?= python3
PY := .venv/bin/python
UV := $(PY) -m uv
COMPILE := $(UV) pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url
TESTS ?= tests
ONLY ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test torture lint bench assets translations docs requirements speech clean browser

help: ## What can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

run: .venv/.runs ## Set up what is missing and start the whole portal (PORT=8000 DATA_DIR=var DEMO=1)
	@exec $(PY) -m ops.run

test: .venv/.tests ## Everything: lint, types, contracts, tests on real servers, journeys in a browser (TESTS=tests/rules)
	@$(MAKE) --no-print-directory lint assets browser
	@exec $(PY) -m pytest -n 4 $(TESTS)

torture: .venv/.tests ## Every crash point in every way, 100 000 damaged films, a storm (TORTURE_SEED=1 STORM_SECONDS=180); most of an hour
	@exec env TORTURE=1 HOSTILE_MUTANTS=100000 HOSTILE_JAILED=1000 \
	  $(PY) -m pytest -n 2 --timeout 3600 tests/faults tests/hostile tests/jobs/test_chunking.py tests/jobs/test_faults.py

lint: .venv/.tests ## Style, types, import contracts, templates
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(PY) -m djlint --quiet --lint templates

bench: .venv/.tests assets ## The benchmarks, as ratios measured side by side (ONLY=transcode)
	@exec $(PY) -m bench $(ONLY)

assets: .venv/.runs ## What browsers need, into static/dist; Node and npm come from a wheel
	@$(PY) -m ops.assets

translations: .venv/.runs ## Bring the catalogues up to date with the sentences in code and templates
	@$(PY) -m ops.translations

docs: .venv/.runs ## The pages that are made from the code: settings, lifecycle
	@$(PY) -m ops.docs

requirements: .venv/.uv ## Compile the hashed requirement files anew from pyproject.toml
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) pyproject.toml --extra speech -o requirements-speech.txt
	$(COMPILE) pyproject.toml --extra dev -o requirements-dev.txt

speech: .venv/.speech ## Install what writes captions; SPEECH_MODEL then names the model

clean: ## Remove what was built or installed; the data under DATA_DIR stays
	rm -rf .venv node_modules static/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

browser: .venv/.tests
	@$(PY) -m ops.browser

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed; none is here called $(PYTHON)." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V). Name another: make run PYTHON=python3.12" >&2; exit 1; }
	@echo "» making .venv"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "The venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }

# The fast installer, when it can be had; pip otherwise.
.venv/.uv: | .venv/bin/python
	@$(PY) -m pip install --quiet --disable-pip-version-check uv || echo "» uv cannot be had, going on with pip"
	@touch $@

.venv/.runs: requirements.txt | .venv/.uv
	@echo "» installing what the portal needs (requirements.txt)"
	@if $(UV) --version >/dev/null 2>&1; \
	  then $(UV) pip install --quiet --python $(PY) --require-hashes -r requirements.txt; \
	  else $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt; fi
	@touch $@

.venv/.speech: requirements-speech.txt | .venv/.runs
	@echo "» installing what writes captions (requirements-speech.txt)"
	@if $(UV) --version >/dev/null 2>&1; \
	  then $(UV) pip install --quiet --python $(PY) --require-hashes -r requirements-speech.txt; \
	  else $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-speech.txt; fi
	@touch $@

.venv/.tests: requirements-dev.txt | .venv/.runs
	@echo "» installing what the tests need (requirements-dev.txt)"
	@if $(UV) --version >/dev/null 2>&1; \
	  then $(UV) pip install --quiet --python $(PY) --require-hashes -r requirements-dev.txt; \
	  else $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt; fi
	@touch $@
