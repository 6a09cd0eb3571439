"""What is sent to a scheduler is a pure function of the job and r1.toml."""

import dataclasses
import sys
from pathlib import Path

import pytest

from r1cli.dispatch.job import JobSpec, Resources
from r1cli.dispatch.ray import Ray, RayExecutor
from r1cli.dispatch.sky import Sky, SkyExecutor
from r1cli.dispatch.slurm import Slurm, script
from stages.contract.errors import UserError
from tests.dispatch import golden_text

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
WORKERS = dataclasses.replace(ONE, resources=Resources(nodes=2, gpus_per_node=8), gpus_per_worker=2)
CASES = {
    "one-gpu": (ONE, Slurm()),
    "workers": (WORKERS, Slurm()),
    "no-requeue": (ONE, Slurm(requeues=0)),
    "four-nodes": (MANY, Slurm(partition="gpu")),
    "container": (MANY, FULL),
    "one-process-of-many-gpus": (
        dataclasses.replace(MANY, distributed=False, resources=Resources(gpus_per_node=8)),
        FULL,
    ),
}

RAY_CASES = {
    "one-gpu": (ONE, Ray()),
    "workers": (WORKERS, Ray()),
    "four-nodes": (
        dataclasses.replace(MANY, resources=dataclasses.replace(MANY.resources, time_limit="")),
        Ray(python="/opt/r1/bin/python", setup=("export NCCL_DEBUG=WARN",), resources=("accelerator_type:H100=0.001",)),
    ),
}

READS = ("data/base/checkpoint", "data/rejection/rows.parquet")
SKY_CASES = {
    "one-gpu": (dataclasses.replace(ONE, reads=READS), Sky()),
    "eight-gpus": (
        dataclasses.replace(MANY, reads=READS, resources=Resources(gpus_per_node=8, cpus_per_node=96, memory_gb=1000)),
        Sky(
            infra="k8s", gpu="H200", image="docker:nvidia/cuda:12.8.0-devel-ubuntu24.04", disk_gb=2000, setup=("date",)
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_sbatch_script_is_the_golden_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    golden_text.check(f"{name}.sbatch", script(*CASES[name]))


@pytest.mark.parametrize("name", RAY_CASES)
def test_the_request_to_ray_is_the_golden_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    golden_text.check(f"{name}.ray.json", RayExecutor(RAY_CASES[name][1]).render(RAY_CASES[name][0]))


@pytest.mark.parametrize("name", SKY_CASES)
def test_the_task_for_skypilot_is_the_golden_text(name: str) -> None:
    golden_text.check(f"{name}.sky.yaml", SkyExecutor(SKY_CASES[name][1]).render(SKY_CASES[name][0]))


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (MANY, "distill@small asks for 4 nodes, and machines of a SkyPilot task share no folder"),
        (
            dataclasses.replace(ONE, resources=Resources(time_limit="60")),
            "distill@small: r1.toml gives it 60, and SkyPilot knows no time limits",
        ),
        (
            dataclasses.replace(ONE, imports=("gsm8k",)),
            "distill@small reads the imports gsm8k, which no DVC remote has",
        ),
        (ONE, "r1 writes tasks for SkyPilot and launches none"),
    ],
)
def test_what_skypilot_is_not_for(job: JobSpec, said: str) -> None:
    with pytest.raises(UserError) as caught:
        SkyExecutor(Sky()).submit(job)
    assert caught.value.message == said and caught.value.hint


def test_ray_is_given_no_time_limit() -> None:
    with pytest.raises(UserError, match="distill@small: r1.toml gives it 2-00:00:00, and Ray knows no time limits"):
        RayExecutor(Ray()).render(MANY)
