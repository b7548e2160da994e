# What a newcomer needs: `make demo` and `make test`. Everything happens in .venv.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test slow chaos gpu-check wandb-server check audit format install clean help

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(INSTALLED)  ## create .venv with the versions that CI runs

$(INSTALLED): pyproject.toml .ci/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "vgglab needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint .ci/constraints.txt --editable '.[dev]'
	touch $(INSTALLED)

demo: install  ## run the study sweeps=quickstart and say where its report is
	$(BIN)/python run.py -m sweeps=quickstart

test: install  ## the tests that a newcomer runs
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not slurm and not chaos and not wandb_server"

slow: install  ## the tests that CI runs as well
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "slow and not slurm and not wandb_server"

chaos: install  ## fifty SIGKILLs over a small study; nine minutes
	$(BIN)/python -m pytest -m chaos -s

OUT ?= gpu-check
gpu-check: install  ## tests, timings and equalities on one NVIDIA GPU; OUT=folder, five minutes
	$(BIN)/python benchmarks/gpu_check.py --out $(OUT)

wandb-server: .wandb-server/.installed  ## a W&B-protocol server, for the tests marked so

.wandb-server/.installed: .ci/wandb-server.txt
	$(PYTHON) -m venv .wandb-server
	.wandb-server/bin/python -m pip install --quiet --disable-pip-version-check -r .ci/wandb-server.txt
	touch $@

check: install  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

audit: .audit/.installed install  ## known weaknesses of the pinned packages; asks pypi.org
	$(BIN)/python -m pip check
	.audit/bin/pip-audit --strict --requirement .ci/constraints.txt --no-deps --disable-pip

.audit/.installed:
	$(PYTHON) -m venv .audit
	.audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.7'
	touch $@

format: install  ## rewrite what lint and format can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and caches; runs, studies and datasets stay
	rm -rf .venv .wandb-server .audit .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
