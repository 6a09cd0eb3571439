"""`r1 run --detach`, `r1 logs`, `r1 stop`: jobs that are under way, wherever they are."""

import os
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from r1cli import console, execute, pipeline, ready
from r1cli.dispatch import lease, places
from r1cli.dispatch.logs import tail
from r1cli.project import Project
from r1cli.workfolder import busy
from stages.contract.errors import UserError


def scripts(project: Project, names: Sequence[str], on: str) -> Iterator[tuple[str, str]]:
    """What would be submitted for each of the stages that go to a scheduler, as text.

    Where a stage's inputs are yet to be made, so is its fingerprint, and the text says why there is none.
    """
    stages = {stage.name: stage for stage in pipeline.load(project.root).stages}
    for name in names:
        executor = places.chosen(project, stages[name], on)
        if not executor.outlives:
            continue
        try:
            yield name, executor.render(ready.prepare(project, name).spec)
        except UserError as error:
            yield name, f"# not yet: {error.message}\n"


def preview(project: Project, planned: Sequence[tuple[str, str]], on: str) -> None:
    """Print what would run and why, then what would be submitted. The first is comment where the second follows: of one
    stage, the whole can be given to the scheduler."""
    texts = list(scripts(project, [name for name, _ in planned], on))
    mark = "# " if texts else ""
    for name, why in planned:
        console.say(f"{mark}{name}: {why}")
    count = f"{len(planned)} stage{'s' if len(planned) > 1 else ''} would run"
    console.say(f"{mark}{count}" if planned else "nothing would run: all is fresh")
    for name, script in texts:
        console.say(f"\n# {name}\n{script.rstrip()}")


def detach(project: Project, target: str, on: str) -> None:
    """Send a target's stages off without waiting for them. What they read must be there.

    Raises:
        UserError: it isn't, or they run on this machine, where a job ends with the process that started it.
    """
    standings = {found.stage.name: found for found in pipeline.standings(project.root)}
    for stage in pipeline.load(project.root).match(target):
        executor = places.chosen(project, stage, on)
        if not executor.outlives:
            raise UserError(
                f"{stage.name} runs on this machine, where it ends with r1: it can't be detached",
                hint=f"r1 run {stage.name} --on slurm --detach   (or: nohup r1 run {stage.name} &)",
            )
        stale = [name for name in standings[stage.name].upstream if not standings[name].fresh]
        if stale:
            raise UserError(
                f"{stage.name} can't be sent off: {', '.join(stale)} must run first", hint=f"r1 run {stale[0]}"
            )
        if standings[stage.name].fresh:
            console.say(f"{stage.name} is fresh")
            continue
        handle = execute.submit_stage(project, stage.name, executor=executor)
        if handle is None:
            console.say(f"{stage.name}: its result is there; r1 run {stage.name} publishes it")
        else:
            console.say(
                f"{stage.name}: job {handle.id} on {handle.executor}; r1 run {stage.name} follows and publishes it"
            )


def under_way(project: Project) -> dict[str, str]:
    """The stages whose submitted job has not ended, with how it stands."""
    found = {}
    for name, work in _folders(project):
        job = execute.living(project, work)
        if job is not None:
            executor, handle = job
            state = executor.poll(handle)
            more = f" ({state.reason})" if state.reason else ""
            found[name] = f"job {handle.id} on {handle.executor}, {state.phase}{more}"
    return found


def logs(project: Project, target: str, *, follow: bool) -> Iterator[str]:
    """The lines that a stage's newest job has written.

    Raises:
        UserError: it has none, or the target is several stages.
    """
    stages = pipeline.load(project.root).match(target)
    if len(stages) > 1:
        raise UserError(f"{target} is {len(stages)} stages", hint=f"r1 logs {stages[0].name}")
    folders = [work for name, work in _folders(project) if name == stages[0].name]
    if not folders:
        raise UserError(f"{target} has not run here", hint=f"r1 run {target}")
    newest = max(folders, key=lambda work: (work / "job.json").stat().st_mtime)
    job = execute.living(project, newest)
    if job is not None:
        return job[0].logs(job[1], follow=follow)
    return tail(newest / "log.txt", follow=follow, ended=lambda: not busy(newest))


def stop(project: Project, target: str) -> None:
    """Ask what runs of a target to save its last step and end.

    Raises:
        UserError: nothing of it runs, or it runs on another machine.
    """
    names = {stage.name for stage in pipeline.load(project.root).match(target)}
    asked = [name for name, work in _folders(project) if name in names and _stopped(project, name, work)]
    if not asked:
        raise UserError(f"nothing of {target} runs", hint="r1 status")


def _stopped(project: Project, name: str, work: Path) -> bool:
    job = execute.living(project, work)
    if job is not None:
        executor, handle = job
        executor.cancel(handle)
        console.say(f"{name}: job {handle.id} on {handle.executor} is asked to stop")
        return True
    holder = lease.current(work / "lease")
    if holder is None or not busy(work):
        return False
    if holder.host != socket.gethostname():
        raise UserError(f"{name} runs on {holder.host}", hint=f"there: r1 stop {name}")
    os.kill(holder.process, signal.SIGTERM)
    console.say(f"{name}: process {holder.process} is asked to stop")
    return True


def _folders(project: Project) -> list[tuple[str, Path]]:
    """All work folders in which a stage's job was started, with the stage's name."""
    return [(path.parent.parent.name, path.parent) for path in sorted(project.work.glob("*/*/job.json"))]
