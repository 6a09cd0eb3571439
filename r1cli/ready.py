"""What a stage's job is: its params and inputs looked up and checked, its fingerprint, its environment. Nothing is started."""

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from r1cli import code_lock
from r1cli.dispatch import places
from r1cli.dispatch.job import JobSpec, Resources
from r1cli.params_file import Values, pick, read_params
from r1cli.pipeline import Inputs, inputs_of
from r1cli.project import Project
from stages.contract.errors import UserError
from stages.contract.params import Base, Params, parse

SPARE_S = 10.0  # for a worker that was asked to stop and does not end itself in its grace period


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A stage whose inputs and params are in order: what it reads, and the job that computes it."""

    inputs: Inputs
    job: Mapping[str, object]
    spec: JobSpec


def prepare(project: Project, name: str) -> Ready:
    """Look a stage's inputs up and check its params and code. Starts and changes nothing.

    Raises:
        UserError: what is wrong.
    """
    inputs = inputs_of(project.root, name)
    stage = inputs.stage
    everything = read_params(project.params)
    values = pick(everything, stage.params)
    params = parse(values)
    _check_code(project, stage.module)
    job = {
        "stage": stage.module,
        "item": stage.item,
        "params": values,
        "deps": list(stage.deps),
        "data": str(project.data),
        # These two change no result, so they are in no fingerprint.
        "checkpoints": everything.get("checkpoints", {}),
        "deadlines": everything.get("deadlines", {}),
    }
    together = stage.distributed and params.trainer.engine == "deepspeed"
    spec = job_spec(
        name,
        project.work / name / fingerprint(inputs, values),
        job,
        cwd=project.root,
        env=environment(params, stage.item),
        resources=places.resources(project, stage, one_process=not (together or stage.workers)),
        distributed=together,
        gpus_per_worker=_gpus_per_worker(params) if stage.workers else 0,
        # All else is git's, but for imports, which are nobody's.
        reads=tuple(path for path in stage.deps if path.startswith("data/") and path != "data/imports"),
        imports=_imports(values),
    )
    return Ready(inputs=inputs, job=job, spec=spec)


def job_spec(
    name: str,
    work: Path,
    job: Mapping[str, object],
    *,
    cwd: Path,
    env: Mapping[str, str],
    inherited: tuple[int, ...] = (),
    resources: Resources | None = None,
    distributed: bool = False,
    gpus_per_worker: int = 0,
    reads: tuple[str, ...] = (),
    imports: tuple[str, ...] = (),
) -> JobSpec:
    """What an executor is given to run a job of stages/contract/job.py in its work folder."""
    return JobSpec(
        name=name,
        argv=(sys.executable, "-m", f"stages.{job['stage']}", str(work)),
        cwd=cwd,
        work=work,
        # torchrun's patience with what it has told to stop
        env={**env, "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(math.ceil(_grace_s(job)))},
        resources=resources or Resources(),
        distributed=distributed,
        gpus_per_worker=gpus_per_worker,
        reads=reads,
        imports=imports,
        grace_s=_grace_s(job),
        inherited=inherited,
    )


def _grace_s(job: Mapping[str, object]) -> float:
    checkpoints = parse({"checkpoints": job.get("checkpoints", {})}).checkpoints
    return checkpoints.grace_s + SPARE_S


def fingerprint(inputs: Inputs, values: Values) -> str:
    """What a result depends on, in 16 hex digits: command, params and deps' contents (its code lock is one)."""
    return fingerprint_of(inputs.stage.cmd, values, inputs.digests)


def fingerprint_of(cmd: str, values: Mapping[str, object], digests: Mapping[str, str]) -> str:
    """`fingerprint` of a command, the params that its stage declares, and the MD5 of each of its deps."""
    whole = {"cmd": cmd, "params": values, "deps": digests}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:16]


def environment(params: Params, item: str) -> dict[str, str]:
    """What is added to the worker's environment: what would otherwise make two identical runs differ is pinned."""
    return {
        # A stage spreads its work over `threads` itself (stages/contract/team.py): each runs single operations alone.
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "0" if _imports_model(params, item) else "1",
    }


def _gpus_per_worker(params: Params) -> int:
    """The GPUs that one worker's engine spreads a model over."""
    rollout = params.rollout
    return rollout.vllm.tensor_parallel if rollout and rollout.engine == "vllm" else 1


def _imports(values: Values) -> tuple[str, ...]:
    """The imports that a stage's params name."""
    sections = (section for section in values.values() if isinstance(section, dict))
    return tuple(sorted({str(name) for section in sections for name in section.get("imports", ())}))


def _imports_model(params: Params, item: str) -> bool:
    student = params.students.get(item)
    bases: list[Base | None] = [params.base, student.base if student else None]
    return any(base is not None and base.source == "import" for base in bases)


def _check_code(project: Project, module: str) -> None:
    if code_lock.out_of_date(project.root, [module]):
        raise UserError(
            f"stages/code.lock/{module} is out of date: the stage's code has changed since",
            hint="r1 code-lock   (or: make code-lock)",
        )
