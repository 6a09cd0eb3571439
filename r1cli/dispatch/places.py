"""The executors by name: those of r1, and those that other packages bring (entry points in the group `r1.executors`)."""

import os
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import cast

from r1cli.dispatch import settings as settings_file
from r1cli.dispatch.executor import Executor
from r1cli.dispatch.job import Resources
from r1cli.dispatch.local import LocalExecutor
from r1cli.dispatch.ray import Ray, RayExecutor
from r1cli.dispatch.settings import Settings
from r1cli.dispatch.sky import Sky, SkyExecutor
from r1cli.dispatch.slurm import Slurm, SlurmExecutor
from r1cli.pipeline import Stage
from r1cli.project import Project
from stages.contract.errors import UserError

GROUP = "r1.executors"
ON = "R1_ON"  # in the environment of a stage: the `--on` of the `r1 run` above it
Opener = Callable[[Mapping[str, object]], Executor]

_OWN: dict[str, Opener] = {
    "local": lambda table: LocalExecutor(),
    "slurm": lambda table: SlurmExecutor(settings_file.build(Slurm, table, f"{settings_file.NAME}: slurm")),
    "ray": lambda table: RayExecutor(settings_file.build(Ray, table, f"{settings_file.NAME}: ray")),
    "sky": lambda table: SkyExecutor(settings_file.build(Sky, table, f"{settings_file.NAME}: sky")),
}


def names() -> list[str]:
    """All executors that can be named."""
    return [*_OWN, *sorted({point.name for point in entry_points(group=GROUP)} - set(_OWN))]


def settings(project: Project) -> Settings:
    """What r1.toml says. It is of the project that an experiment in a temporary folder came from."""
    return settings_file.read(project.state.parent / settings_file.NAME, executors=names())


def chosen(project: Project, stage: Stage, on: str = "") -> Executor:
    """Where a stage runs: `on`, or what a `r1 run --on` above this process says, or r1.toml. What asks for no GPU in
    dvc.yaml's `meta` runs on this machine.

    Raises:
        UserError: r1.toml is wrong, or there is no such place.
    """
    found = settings(project)
    executor = open_executor(on or os.environ.get(ON) or found.executor, found)
    return executor if stage.gpus else LocalExecutor()


def resources(project: Project, stage: Stage, *, one_process: bool) -> Resources:
    """What a stage is given, wherever it runs. One that asks for no GPU takes what this machine has.

    Raises:
        UserError: r1.toml is wrong, or gives several nodes to a stage that is one process.
    """
    given = settings(project).of(stage.name) if stage.gpus else Resources()
    if given.nodes > 1 and one_process:
        raise UserError(
            f"{stage.name} is one process, and {settings_file.NAME} gives it {given.nodes} nodes",
            hint=f"{settings_file.NAME}: nodes = 1, in [stages.{stage.name.partition('@')[0]}] if others need more",
        )
    return given


def open_executor(name: str, found: Settings) -> Executor:
    """The executor of a name.

    Raises:
        UserError: there is none, or its table in r1.toml is wrong.
    """
    table = found.tables.get(name, {})
    if name in _OWN:
        return _OWN[name](table)
    for point in entry_points(group=GROUP):
        if point.name == name:
            return cast(Opener, point.load())(table)
    raise settings_file.unknown_executor(name, names(), where="--on")
