"""One stage: params -> fingerprint -> work folder -> executor -> publish -> run record."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from r1cli import console, guard, mend, runs
from r1cli.claims import Claim
from r1cli.dispatch import places
from r1cli.dispatch.executor import Executor
from r1cli.dispatch.job import Handle
from r1cli.follow import check, compute, submit
from r1cli.pipeline import STARTER
from r1cli.project import Project
from r1cli.publish import link_tree, publish_stage
from r1cli.ready import environment, job_spec, prepare
from r1cli.workfolder import finished, forget, holds, locked, prune, submitted
from stages.contract.errors import UserError
from stages.contract.params import Params


def run_stage(
    project: Project, name: str, *, executor: Executor | None = None, parent: Callable[[], int] = os.getppid
) -> None:
    """Compute a stage, or take what an earlier process finished for exactly these inputs, and publish it. It runs where
    r1.toml or `r1 run --on` says, or on the executor that is given.

    Raises:
        UserError: bad params or inputs, a failed or stopped stage, an orphaned run.
    """
    started_by = parent()
    _check_parent(started_by, name)
    ready = prepare(project, name)
    inputs, work = ready.inputs, ready.spec.work
    executor = executor or places.chosen(project, inputs.stage)
    mend.remember_lock(project)
    if "DVC_STAGE" in os.environ:
        guard.start(project, started_by)
    with locked(work, name) as descriptor:
        claim = Claim(project.state / "claims", project.root, name)
        record, run = runs.begin(project.runs, stage=name, fingerprint=work.name)
        begun = time.monotonic()
        try:
            if finished(work) and not inputs.recorded:
                console.say(f"{name}: these inputs were computed before ({work.name}); publishing the result")
                forget(work)  # a job that ended while nobody looked
            else:
                spec = replace(ready.spec, inherited=(descriptor,))
                outcome = compute(spec, ready.job, executor=executor, under_way=living(project, work))
                run = replace(run, max_rss_mb=outcome.max_rss_mb, figures=outcome.figures, exit_code=outcome.exit_code)
                _check_still_there(work, descriptor, name)
                check(outcome, work, name)
            if parent() != started_by:
                raise UserError(
                    f"the process that started {name} has ended, so nothing is published; the result is kept in {work}",
                    hint=f"r1 run {name}",
                )
            with claim.held():
                publish_stage(inputs.stage, work, project.root)
            run = replace(run, exit_code=0)
        except (UserError, OSError) as error:
            stopped = error.code if isinstance(error, UserError) and error.code > 128 else 0
            run = replace(run, exit_code=stopped or run.exit_code or 1, error=str(error))
            raise
        finally:
            runs.write(record, replace(run, seconds=round(time.monotonic() - begun, 3)))
        os.utime(work / "result.json")
    prune(work.parent)


def submit_stage(project: Project, name: str, *, executor: Executor) -> Handle | None:
    """Send a stage's job off and don't wait for it; None if its result is there already. `run_stage` publishes it.

    Raises:
        UserError: bad params or inputs, or the place refuses the job.
    """
    ready = prepare(project, name)
    work = ready.spec.work
    with locked(work, name):
        if finished(work) and not ready.inputs.recorded:
            return None
        found = living(project, work)
        return found[1] if found else submit(ready.spec, ready.job, executor)


def living(project: Project, work: Path) -> tuple[Executor, Handle] | None:
    """The job that was submitted for a work folder and has not ended, wherever it is."""
    handle = submitted(work)
    if handle is None:
        return None
    executor = places.open_executor(handle.executor, places.settings(project))
    return None if executor.poll(handle).phase == "ended" else (executor, handle)


def run_tool(
    project: Project,
    module: str,
    arguments: Mapping[str, str],
    *,
    executor: Executor,
    target: Path | None = None,
    online: bool = False,
    show: Callable[[Mapping[str, float]], None] | None = None,
) -> Path:
    """Run a tool (a stage-like program with arguments for params), publish its out to `target`, and return where that
    lies. `show` is given the tool's metrics, also where it found a fault and fails.

    Raises:
        UserError: what the tool says is wrong, or that it died.
    """
    mark = hashlib.sha256(json.dumps(dict(arguments), sort_keys=True).encode()).hexdigest()[:16]
    work = project.work / module / mark
    with locked(work, module) as descriptor:
        job = {"stage": module, "item": "", "params": {}, "arguments": dict(arguments), "data": str(project.data)}
        env = {**environment(Params(), ""), **({"HF_HUB_OFFLINE": "0"} if online else {})}
        spec = job_spec(module, work, job, cwd=project.root, env=env, inherited=(descriptor,))
        outcome = compute(spec, job, executor=executor)
        metrics = work / "metrics.json"
        if show and metrics.is_file():
            show(cast(dict[str, float], json.loads(metrics.read_text())))
        check(outcome, work, module)
        if target is not None:
            link_tree(work / "out", target)
    prune(work.parent)
    return work / "out"


def _check_parent(parent: int, name: str) -> None:
    """A `dvc` that was killed while this process started can't be noticed later: its place is taken by then."""
    if "DVC_STAGE" not in os.environ:
        return
    try:
        orphaned = os.getsid(parent) != os.getsid(0) or os.environ.get(STARTER) == str(parent)
    except ProcessLookupError:
        orphaned = True
    if orphaned:
        raise UserError(f"the dvc that started {name} has ended, so nothing is done", hint=f"r1 run {name}")


def _check_still_there(work: Path, descriptor: int, name: str) -> None:
    """A removed work folder may have been made again by another run, which then holds another lock."""
    if not holds(work, descriptor):
        raise UserError(f"the work folder of {name} was removed while it ran ({work})", hint=f"r1 run {name}")
