"""A stage that trains over two nodes of a real Slurm, as r1 starts it there: torchrun, DeepSpeed with its weights in parts."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

from tests.slurm import cluster
from tests.test_smoke import clone

pytestmark = pytest.mark.deepspeed

TOML = """\
executor = "slurm"
nodes = 2
gpus_per_node = 1
cpus_per_node = 1
memory_gb = 3

[slurm]
partition = "low"
poll_s = 0.5
"""


PIECES = ("--set", "cold_sft.micro_tokens=100")  # so small that both have some of every batch


@pytest.mark.skipif(bool(cluster.missing()), reason="no Slurm on this machine: make test-slurm installs it")
def test_two_nodes_train_what_one_process_does(tmp_path: Path) -> None:
    root = clone(tmp_path / "project")
    params = (root / "params.yaml").read_text()
    assert "trainer: {engine: embedded}" in params
    together = "trainer: {engine: deepspeed, zero_stage: 3, dtype: float32}"
    (root / "params.yaml").write_text(params.replace("trainer: {engine: embedded}", together))
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
    }

    def r1(*arguments: str, **more: str) -> str:
        command = [sys.executable, "-m", "r1cli", *arguments]
        done = subprocess.run(
            command, cwd=root, env={**environment, **more}, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    def trained() -> tuple[dict[str, Tensor], dict[str, float]]:
        weights = load_file(root / "data" / "cold_sft" / "checkpoint" / "model.safetensors")
        return weights, json.loads((root / "data" / "metrics" / "cold_sft.json").read_text())

    r1("run", "cold_start")
    (folder := tmp_path / "slurm").mkdir()
    with cluster.started(folder) as slurm:
        (root / "r1.toml").write_text(TOML)
        found = {**slurm.environment, "PATH": os.pathsep.join([environment["PATH"], slurm.environment["PATH"]])}
        assert "on slurm" in r1("run", "cold_sft", *PIECES, **found)
        said = r1("logs", "cold_sft", **found).splitlines()
        assert {line.partition(":")[0] for line in said} >= {"0", "1"}
    (root / "r1.toml").unlink()
    weights, metrics = trained()
    r1("run", "cold_sft", *PIECES, "--force", "--on", "local")
    alone, measured = trained()
    assert metrics == pytest.approx(measured, abs=1e-5)
    assert sorted(weights) == sorted(alone)
    assert max(float((weights[name] - alone[name]).abs().max()) for name in weights) < 1e-5
