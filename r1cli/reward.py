"""`r1 reward check`: which program looks at what."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from r1cli import pipeline
from r1cli.dispatch.executor import Executor
from r1cli.execute import run_tool
from r1cli.params_file import read_params
from r1cli.project import Project
from stages.contract.errors import UserError
from stages.contract.params import parse

Show = Callable[[Mapping[str, float]], None]


def check(project: Project, *, on: str, data: str, problems: int, executor: Executor, show: Show) -> None:
    """Check the golds of a file (`on`), of an import (`data`) or of the task pool; or, where `on` is an RL stage, those
    of the pool and then samples of the model that the stage starts from.

    Raises:
        UserError: the reward is not fit for training, with the reason and what to change.
    """
    if on and data:
        raise UserError("--on and --data are two places to look at", hint="give one of them")
    local = Path(on).expanduser()
    if on and local.is_file():
        arguments = {"source": str(local.resolve()), "name": "checked"}
        out = run_tool(project, "import_data", arguments, executor=executor)
        run_tool(project, "reward_check", {"tables": str(out / "tasks.parquet")}, executor=executor, show=show)
        return
    stage = _rl_stage(project, on) if on else None
    run_tool(project, "reward_check", {"data": data}, executor=executor, show=show)
    if stage is not None:
        values = read_params(project.params)
        parse(values)
        arguments = {
            "stage": stage.name,
            "checkpoint": _starts_from(stage),
            "problems": str(problems),
            "params": json.dumps(values, default=str),
        }
        run_tool(project, "reward_check", arguments, executor=executor, show=show)


def _rl_stage(project: Project, name: str) -> pipeline.Stage:
    if "/" in name or Path(name).suffix:
        raise UserError(f"{name} is no file here", hint="r1 reward check --on FILE, or a stage: r1 graph")
    return pipeline.load(project.root).match(name)[0]


def _starts_from(stage: pipeline.Stage) -> str:
    """The checkpoint that a stage reads, below data/."""
    found = [Path(dep) for dep in stage.deps if Path(dep).name == "checkpoint"]
    if not found:
        raise UserError(f"{stage.name} starts from no checkpoint: it earns no reward", hint="r1 reward check --on zero")
    return str(Path(*found[0].parts[1:]))
