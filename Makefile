# Two commands: `make demo` and `make test`. Everything is installed into .venv, from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
FUZZ ?= 10000# examples of each kind
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-trl test-standards slow fuzz chaos check bench code-lock

demo: .venv/core
	$(BIN)/r1 demo

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not gpu and not slurm and not vllm and not ray and not trl and not standards"

# TRL pins packages of its own, so it has an environment of its own.
test-trl: .venv-trl/done
	.venv-trl/bin/python -m pytest -m trl tests/trl

# What `r1 export` writes, read and signed by in-toto's, OpenLineage's and OpenSSF's libraries: an environment of its own.
test-standards: .venv-standards/done
	.venv-standards/bin/python -c "import in_toto_attestation, openlineage.client, model_signing"
	.venv-standards/bin/python -m pytest -m standards tests/lineage

slow: .venv/dev
	$(BIN)/python -m pytest -m slow

fuzz: .venv/dev
	R1_FUZZ_EXAMPLES=$(FUZZ) $(BIN)/python -m pytest tests/rewards/test_fuzz.py

chaos: .venv/dev
	$(BIN)/python -m tests.chaos --instants 200

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/mypy

# datatrove and datasets, which bench/curation.py is measured beside, have an environment of their own.
bench: .venv/dev .venv-peers/done
	for script in bench/*.py; do $(BIN)/python "$$script" || exit 1; done

code-lock: .venv/core
	$(BIN)/r1 code-lock

.venv-trl/done: pyproject.toml constraints.txt
	test -x .venv-trl/bin/python || $(PYTHON) -m venv .venv-trl
	.venv-trl/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[trl]"
	touch $@

.venv-standards/done: pyproject.toml constraints.txt
	test -x .venv-standards/bin/python || $(PYTHON) -m venv .venv-standards
	.venv-standards/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[standards]"
	touch $@

.venv-peers/done: bench/peers/requirements.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r bench/peers/requirements.txt
	touch $@

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
