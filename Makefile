# `make` lists the targets. Two commands do everything on a fresh machine: `make run` and `make test`.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
TORCH := $(shell grep '^torch==' constraints.txt)

# Where pip looks for torch besides its usual index, when you want another build of it than that index has:
#   make setup TORCH_FROM='--index-url https://...'
TORCH_FROM ?=
# Tests run in so many processes of one thread each.
WORKERS ?= $(shell nproc 2>/dev/null || echo 1)
# Further words for `burnish run`, such as ARGS='--seed 1 --out runs/one'
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run smoke test check format docs bench peers oracles mutations clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

setup: $(READY)  ## make .venv/ with everything installed, in the tested versions (once)

$(READY): pyproject.toml constraints.txt
	@set -e; python=''; \
	for each in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	  if "$$each" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$$each"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo 'burnish needs Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv), or: make setup PYTHON=/path/to/python' >&2; exit 2; \
	fi; \
	echo "making $(VENV) with $$($$python --version)"; \
	[ -x $(BIN)/python ] || "$$python" -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(TORCH_FROM) $(TORCH); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,studio,postgres,names,dev]'
	@touch $(READY)

run: setup  ## set up, fetch the model and the ratings, run the main job, say where the report is
	$(BIN)/burnish fetch smollm2-135m minilm ratings
	$(BIN)/burnish run reviews --resume $(ARGS)

smoke: setup  ## the same loop on a tiny model that it makes itself, under a minute
	$(BIN)/burnish run smoke --resume $(ARGS)

test: setup  ## set up, run all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

check: setup  ## format, lint, types, then all tests: what has to pass before anything lands
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	@$(MAKE) --no-print-directory test

format: setup  ## put the code into its one format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: setup  ## write the generated pages anew: docs/config.md, docs/cli.md, docs/methods.md, docs/methods/
	$(BIN)/python docs/generate.py

bench: setup  ## measure what benchmarks/ measures; prints figures, asserts none
	@for each in benchmarks/*.py; do echo "== $$each"; $(BIN)/python "$$each" || exit 1; done

peers: setup  ## make .peers/, the environment of TRL and others that `burnish bench` measures beside burnish (once)
	@[ -x .peers/bin/python ] || $(BIN)/python -m venv .peers
	.peers/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH_FROM) $(TORCH)
	.peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt

oracles: peers  ## ask TRL, OpenRLHF, verl and others for the numbers of our losses, print both; ARGS=--write keeps them
	@set -e; grep -v '^#' tests/oracles/packages.txt | while read -r first rest; do \
	  folder=.oracles/$$(echo $$first | sed 's/==/-/'); \
	  [ -d $$folder ] || .peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target $$folder $$first $$rest; \
	done
	$(BIN)/python tests/oracles/compare.py $(ARGS)

mutations: setup  ## put a bug into a copy of the source for every known trap, and see that its test fails; ARGS=--docs keeps the table
	$(BIN)/python benchmarks/mutations.py $(ARGS)

clean:  ## remove caches and build leftovers; runs and fetched models stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests docs -name __pycache__ -type d -prune -exec rm -rf {} +
