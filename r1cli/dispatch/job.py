"""A job as values: what is to be started, what was started, how it stands."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Phase = Literal["pending", "running", "ended"]


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a job is given. 0 or empty: what the place gives by itself."""

    nodes: int = 1
    gpus_per_node: int = 0
    cpus_per_node: int = 0
    memory_gb: int = 0  # a node
    time_limit: str = ""  # [D-]HH:MM:SS, or minutes, as Slurm has it

    def __post_init__(self) -> None:
        if self.nodes < 1:
            raise ValueError(f"nodes = {self.nodes}, must be at least 1")
        for name in ("gpus_per_node", "cpus_per_node", "memory_gb"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)}, can't be negative")
        if not re.fullmatch(r"|\d+|(\d+-)?\d{1,2}:\d\d:\d\d", self.time_limit):
            raise ValueError(f"time_limit = {self.time_limit!r}, expected [D-]HH:MM:SS or minutes")


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What is to be started. Standard output and error both go to `log`. `env` is added to what is there."""

    name: str  # the stage, with its item
    argv: tuple[str, ...]
    cwd: Path
    work: Path  # the work folder, which the job has for itself
    env: Mapping[str, str]
    resources: Resources = field(default_factory=Resources)
    distributed: bool = False  # one process a GPU (torchrun), not one in all
    gpus_per_worker: int = 0  # not 0: processes with so many GPUs each, which share pieces of the work and nothing else
    reads: tuple[str, ...] = ()  # of other stages' outs, for a place that doesn't share this machine's folders
    imports: tuple[str, ...] = ()  # that it reads besides, which only this machine's folders have
    grace_s: float = 30.0  # from the wish that it should stop to its end
    inherited: tuple[int, ...] = field(default=())  # open files that a local job keeps open, such as a lock

    @property
    def log(self) -> Path:
        return self.work / "log.txt"

    @property
    def processes_per_node(self) -> int:
        if not (self.distributed or self.gpus_per_worker):
            return 1
        return max(1, self.resources.gpus_per_node // max(1, self.gpus_per_worker))


@dataclass(frozen=True, kw_only=True)
class Handle:
    """A started job: which executor has it, as what (a process id, a job id), and the work folder that it is for."""

    executor: str
    id: str
    work: Path

    @property
    def log(self) -> Path:
        return self.work / "log.txt"


@dataclass(frozen=True, kw_only=True)
class State:
    """How a job stands. A negative `exit_code` is the signal that ended it, as in `subprocess`. `reason`: the place's
    own word for why it waits or has ended so. `lost`: it ended through no fault of its own, with its node for one, and
    the place doesn't start it again: who follows it does."""

    phase: Phase
    exit_code: int | None = None
    max_rss_mb: float | None = None
    reason: str = ""
    lost: bool = False
