# Everything from an empty machine with Python 3.10 to 3.13:
#   make run    the simulated cell, its page on http://127.0.0.1:8080   (make run ARGS="--parts 50" passes flags on)
#   make test   the checks and the tests
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore

PYTHON ?= python3
ARGS ?=
VENV := .venv
TRAIN := .venv-train
TORCH := torch==2.13.0
PAGE_BUILD := tests/unit/hmi/test_page_build.py
# What an installation depends on; a change of any of these installs again.
RECIPE := pyproject.toml requirements.lock $(wildcard hatch_build.py)

.DEFAULT_GOAL := help
.PHONY: help run install test fuzz sweep eval-faults eval-faults-nightly eval-faults-day check test-train test-install docs lock bundle resolve clean

help:
	@echo 'make run         install into $(VENV) and start the simulated cell (ARGS="--parts 50" passes flags on)'
	@echo 'make test        install the tools, check the sources, run the tests'
	@echo 'make sweep       lose the power at every write, kill the controller again and again; long'
	@echo 'make eval-faults inject every fault in every phase of a pick, 20 seeds; some minutes (-nightly: 100, -day: 24 h of random ones)'
	@echo 'make fuzz        a million inputs for every parser (ARGS="--runs 10000 frames" for less); long'
	@echo 'make check       ruff, mypy, the import contracts, the committed page'
	@echo 'make test-train  install the training extra into $(TRAIN), run a smoke training'
	@echo 'make test-install make a bundle, install it with the network off, kill upgrades at every step'
	@echo 'make docs        the documentation as a site, in build/site: open index.html'
	@echo 'make lock        resolve the versions in requirements*.lock anew'
	@echo 'make bundle      every wheel of an offline installation in dist/ (TARGETS="py3.12-aarch64" or all, EXTRAS="dds")'
	@echo 'make resolve     whether every locked version has a wheel for every Python and machine'
	@echo 'make clean       remove what the above made'

run: install
	@exec $(VENV)/bin/cell run $(ARGS)

install: $(VENV)/.installed

# $(call venv,FOLDER): a virtual environment, or one line on why there can be none.
define venv
$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
  { echo "cellwright needs Python 3.10 to 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.11"; exit 1; }; \
$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
  { echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }; \
$(PYTHON) -m venv $(1)
endef

$(VENV)/bin/python:
	@echo "making $(VENV) with $(PYTHON)"
	@$(call venv,$(VENV))

$(VENV)/.installed: $(VENV)/bin/python $(RECIPE)
	@echo "installing cellwright into $(VENV) (about 60 MB to download, a minute or two)"
	@$(VENV)/bin/python -m pip install --quiet -c requirements.lock -e .
	@touch $@

$(VENV)/.tools: $(VENV)/.installed
	@echo "installing the test tools into $(VENV)"
	@$(VENV)/bin/python -m pip install --quiet -c requirements.lock -e '.[dev]'
	@touch $@

test: $(VENV)/.tools
	@.ci/browser
	@.ci/dds
	@.ci/peers
	@$(MAKE) check
	@echo "running the tests"
	@$(VENV)/bin/python -m pytest -m "not train and not sweep and not install"

# Parsers of frames, captures, params, launch files and scenarios; tests/fuzz/targets.py names them.
fuzz: $(VENV)/.tools
	@$(VENV)/bin/python -m pip install --quiet -c requirements.lock -e '.[fuzz]' || echo "no atheris for this Python: going on without"
	@$(VENV)/bin/python tests/fuzz/run.py $(ARGS)

# Every loss of power and many deaths of the controller over 200 parts: an hour or so on two cores.
sweep: $(VENV)/.tools
	@echo "running the long sweeps"
	@$(VENV)/bin/python -m pytest -s -m sweep tests/restart tests/sim/test_policy_trials.py

# The table goes to build/faults.json. The day goes on where it was left off, in build/faults-day.jsonl.
eval-faults: $(VENV)/.installed
	@mkdir -p build
	@$(VENV)/bin/cell eval faults --seeds 0:20 --json build/faults.json $(ARGS)

eval-faults-nightly: $(VENV)/.installed
	@mkdir -p build
	@$(VENV)/bin/cell eval faults --seeds 0:100 --json build/faults-nightly.json $(ARGS)

eval-faults-day: $(VENV)/.installed
	@mkdir -p build
	@$(VENV)/bin/cell eval faults --hours 24 --journal build/faults-day.jsonl --json build/faults-day.json $(ARGS)

check: $(VENV)/.tools
	@echo "ruff"; $(VENV)/bin/ruff check --quiet . && $(VENV)/bin/ruff format --quiet --check .
	@echo "mypy"; $(VENV)/bin/mypy --no-error-summary
	@echo "import contracts"; $(VENV)/bin/lint-imports --no-cache > $(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }
	@echo "the committed page"; $(VENV)/bin/python -m pytest -q --no-header -p no:randomly $(PAGE_BUILD)

$(TRAIN)/.installed: pyproject.toml requirements-train.lock $(wildcard hatch_build.py)
	@test -x $(TRAIN)/bin/python || { echo "making $(TRAIN) with $(PYTHON)"; $(call venv,$(TRAIN)); }
	@echo "installing $(TORCH) into $(TRAIN)"
	@$(TRAIN)/bin/python -m pip install --quiet $(TORCH)
	@echo "installing the training extra into $(TRAIN)"
	@$(TRAIN)/bin/python -m pip install --quiet -c requirements-train.lock -e '.[train]' pytest pytest-randomly hypothesis
	@touch $@

test-train: $(TRAIN)/.installed
	@echo "running the tests of training"
	@$(TRAIN)/bin/python -m pytest -m train tests/train

$(VENV)/.docs: $(VENV)/.installed
	@echo "installing what builds the site into $(VENV)"
	@$(VENV)/bin/python -m pip install --quiet -c requirements.lock -e '.[docs]'
	@touch $@

# The variable silences an advertisement. With --quiet nothing would count as a warning, and so nothing fail.
docs: $(VENV)/.docs
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict
	@echo "the site is in build/site: open build/site/index.html"

test-install: $(VENV)/.tools .venv-lock/bin/uv
	@echo "running the tests of installing"
	@$(VENV)/bin/python -m pytest -m install tests/packaging

# What asks for wheels of other machines: uv resolves, pip fetches.
.venv-lock/bin/uv:
	@test -x .venv-lock/bin/python || { $(call venv,.venv-lock); }
	@.venv-lock/bin/python -m pip install --quiet uv

bundle: .venv-lock/bin/uv
	@.venv-lock/bin/python .ci/wheels.py bundle $(TARGETS) $(if $(EXTRAS),--extras $(EXTRAS))

resolve: .venv-lock/bin/uv
	@.venv-lock/bin/python .ci/wheels.py resolve $(TARGETS)

# Versions only, with markers from Python 3.10 up; torch and what comes with a build of it are chosen by TORCH above.
lock: .venv-lock/bin/uv
	@resolve() { .venv-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-header --no-annotate "$$@"; }; \
	  header() { echo "# Versions that are tested together; \"make lock\" writes this file."; }; \
	  { header; resolve pyproject.toml --extra openvino --extra sim --extra bench --extra dev --extra docs; } > .venv-lock/plain; \
	  { header; resolve pyproject.toml --extra train --extra dev -c .venv-lock/plain -c <(echo $(TORCH)) \
	    | grep -Ev '^(torch|torchvision|triton|cuda-|nvidia-)'; } > .venv-lock/train; \
	  mv .venv-lock/plain requirements.lock; mv .venv-lock/train requirements-train.lock

clean:
	rm -rf $(VENV) $(TRAIN) .venv-lock build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find cell perception policies sim tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
