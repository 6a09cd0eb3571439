"""Tasks for SkyPilot (Kubernetes and clouds), as its YAML. r1 renders them; `sky` launches them.

A machine there shares no folder with this one. What a stage reads comes from DVC's remote and what it makes goes there;
dvc.lock and what else is git's (metrics, curves) is copied from the machine.
"""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from r1cli.dispatch.job import Handle, JobSpec, State
from stages.contract.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Sky:
    """The table [sky] of r1.toml."""

    infra: str = ""  # as SkyPilot has it: k8s, aws, gcp/us-central1; default: the cheapest that is set up
    gpu: str = "H100"  # SkyPilot's name of the accelerator: sky gpus list
    image: str = ""  # docker:IMAGE or a cloud's own
    disk_gb: int = 0
    extra: str = "gpu"  # of r1's own, to be installed; empty: none
    setup: tuple[str, ...] = ()  # shell lines before r1 is installed

    def __post_init__(self) -> None:
        if self.disk_gb < 0:
            raise ValueError(f"disk_gb = {self.disk_gb}, can't be negative")


def task(spec: JobSpec, sky: Sky) -> str:
    """The task's YAML. Pure.

    Raises:
        UserError: what such a task can't be.
    """
    wants = spec.resources
    if wants.nodes > 1:
        raise UserError(
            f"{spec.name} asks for {wants.nodes} nodes, and machines of a SkyPilot task share no folder",
            hint="r1.toml: nodes = 1; several nodes: a Slurm or a Ray cluster (docs/cluster.md)",
        )
    if wants.time_limit:
        raise UserError(
            f"{spec.name}: r1.toml gives it {wants.time_limit}, and SkyPilot knows no time limits",
            hint="r1.toml: remove time_limit, or keep it below [stages.NAME] for those that run elsewhere",
        )
    if spec.imports:
        raise UserError(
            f"{spec.name} reads the imports {', '.join(spec.imports)}, which no DVC remote has",
            hint=f"r1 run {spec.name} --on local",
        )
    resources = {
        "infra": sky.infra,
        "accelerators": f"{sky.gpu}:{wants.gpus_per_node or 1}",
        "cpus": f"{wants.cpus_per_node}+" if wants.cpus_per_node else "",
        "memory": f"{wants.memory_gb}+" if wants.memory_gb else "",
        "disk_size": sky.disk_gb,
        "image_id": sky.image,
    }
    install = f".[{sky.extra}]" if sky.extra else "."
    setup = [
        "set -e",
        *sky.setup,
        "test -x .venv/bin/python || python3 -m venv .venv",
        f".venv/bin/python -m pip install --quiet -c constraints.txt -e {shlex.quote(install)}",
    ]
    return "\n".join(
        [
            f"name: {json.dumps('r1-' + spec.name.replace('@', '-').replace('_', '-'))}",
            "workdir: .",
            "num_nodes: 1",
            "resources:",
            *(f"  {name}: {json.dumps(value)}" for name, value in resources.items() if value),
            "setup: |",
            *(f"  {line}" for line in setup),
            "run: |",
            *(f"  {line}" for line in _run(spec)),
        ]
    )


def _run(spec: JobSpec) -> Iterator[str]:
    name = shlex.quote(spec.name)
    yield "set -e"
    yield 'export PATH="$PWD/.venv/bin:$PATH"'
    if spec.reads:
        yield f"dvc pull {shlex.join(spec.reads)}"
    yield f"echo 'gpus_per_node = {spec.resources.gpus_per_node or 1}' > r1.toml"
    yield f"r1 run {name} --single"
    yield f"dvc push {name}"


class SkyExecutor:
    """Renders tasks and starts none."""

    outlives = True

    def __init__(self, sky: Sky) -> None:
        self._sky = sky

    def render(self, spec: JobSpec) -> str:
        return task(spec, self._sky) + "\n"

    def submit(self, spec: JobSpec) -> Handle:
        task(spec, self._sky)  # what is wrong with it is said first
        raise UserError(
            "r1 writes tasks for SkyPilot and launches none",
            hint=f"r1 run {spec.name} --single --on sky --dry-run > task.yaml && sky launch task.yaml",
        )

    def poll(self, handle: Handle) -> State:
        return State(phase="ended", exit_code=1, reason="r1 launches nothing through SkyPilot")

    def logs(self, handle: Handle, *, follow: bool) -> Iterator[str]:
        yield from ()

    def cancel(self, handle: Handle, *, force: bool = False) -> None:
        """There is nothing to cancel: `sky cancel` does."""
