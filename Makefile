# Two commands: `make demo` and `make test`. Everything is installed into .venv, from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test slow chaos check bench code-lock

demo: .venv/core
	$(BIN)/r1 demo

test: .venv/dev
	$(BIN)/python -m pytest -m "not slow and not gpu and not slurm and not vllm and not ray"

slow: .venv/dev
	$(BIN)/python -m pytest -m slow

chaos: .venv/dev
	$(BIN)/python -m tests.chaos --instants 200

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/dev
	for script in bench/*.py; do $(BIN)/python "$$script" || exit 1; done

code-lock: .venv/core
	$(BIN)/r1 code-lock

# The marks are files in .venv: an environment made by hand is completed, not replaced.
.venv/core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) -e .
	touch $@

.venv/dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) -e ".[dev]"
	touch $@
	touch .venv/core
