"""The sbatch script is a pure function of the job and r1.toml."""

import dataclasses
import sys
from pathlib import Path

import pytest

from r1cli.dispatch.job import JobSpec, Resources
from r1cli.dispatch.slurm import Slurm, script

GOLDEN = Path(__file__).parent / "golden"
ONE = JobSpec(
    name="distill@small",
    argv=("/venv/bin/python", "-m", "stages.distill", "/shared/my project/.r1/work/distill@small/0123456789abcdef"),
    cwd=Path("/shared/my project"),
    work=Path("/shared/my project/.r1/work/distill@small/0123456789abcdef"),
    env={"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    resources=Resources(gpus_per_node=1),
    grace_s=35.0,
)
MANY = dataclasses.replace(
    ONE,
    resources=Resources(nodes=4, gpus_per_node=8, cpus_per_node=96, memory_gb=1000, time_limit="2-00:00:00"),
    distributed=True,
)
FULL = Slurm(
    partition="gpu",
    account="lab",
    qos="high",
    container="/images/r1.sqsh",
    container_mounts=("/data:/data",),
    python="python3",
    setup=("module load cuda", "export NCCL_DEBUG=WARN"),
    sbatch=("--constraint=h100",),
    requeues=3,
)
CASES = {
    "one-gpu": (ONE, Slurm()),
    "no-requeue": (ONE, Slurm(requeues=0)),
    "four-nodes": (MANY, Slurm(partition="gpu")),
    "container": (MANY, FULL),
    "one-process-of-many-gpus": (
        dataclasses.replace(MANY, distributed=False, resources=Resources(gpus_per_node=8)),
        FULL,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_script_is_the_golden_text(name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    text = script(*CASES[name])
    path = GOLDEN / f"{name}.sbatch"
    if not path.exists() or path.read_text() != text:
        new = path.with_suffix(".new")
        new.write_text(text)
        pytest.fail(f"{path.name} is not what is rendered now; to accept it: mv {new} {path}")
