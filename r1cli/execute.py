"""One stage: params -> fingerprint -> work folder -> executor -> publish -> run record."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import cast

from r1cli import code_lock, console, guard, mend, runs
from r1cli.claims import Claim
from r1cli.dispatch.executor import Executor
from r1cli.dispatch.job import Handle, JobSpec, State
from r1cli.params_file import Values, pick, read_params
from r1cli.pipeline import STARTER, Inputs, inputs_of
from r1cli.project import Project
from r1cli.publish import link_tree, publish_stage
from stages.contract.errors import UserError
from stages.contract.params import Base, Params, parse
from stages.contract.stopping import SAME_S, SIGNALS

KEPT = 2  # finished work folders of a stage
SPARE_S = 10.0  # for a worker that was asked to stop and does not end itself in its grace period
POLL_S = 0.1
LOG_LINES = 8  # of a dead stage's log that are shown


def run_stage(project: Project, name: str, *, executor: Executor, parent: Callable[[], int] = os.getppid) -> None:
    """Compute a stage, or take what an earlier process finished for exactly these inputs, and publish it.

    Raises:
        UserError: bad params or inputs, a failed or stopped stage, an orphaned run.
    """
    started_by = parent()
    _check_parent(started_by, name)
    inputs = inputs_of(project.root, name)
    everything = read_params(project.params)
    values = pick(everything, inputs.stage.params)
    params = parse(values)
    _check_code(project, inputs.stage.module)
    mend.remember_lock(project)
    if "DVC_STAGE" in os.environ:
        guard.start(project, started_by)
    mark = fingerprint(inputs, values)
    work = project.work / name / mark
    with locked(work, name) as descriptor:
        claim = Claim(project.state / "claims", project.root, name)
        record, run = runs.begin(project.runs, stage=name, fingerprint=mark)
        begun = time.monotonic()
        try:
            if finished(work) and not inputs.recorded:
                console.say(f"{name}: these inputs were computed before ({mark}); publishing the result")
            else:
                job = {
                    "stage": inputs.stage.module,
                    "item": inputs.stage.item,
                    "params": values,
                    "deps": list(inputs.stage.deps),
                    "data": str(project.data),
                    # These two change no result, so they are in no fingerprint.
                    "checkpoints": everything.get("checkpoints", {}),
                    "deadlines": everything.get("deadlines", {}),
                }
                outcome = compute(
                    work,
                    job,
                    title=name,
                    cwd=project.root,
                    env=environment(params, inputs.stage.item),
                    executor=executor,
                    inherited=(descriptor,),
                )
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
        outcome = compute(
            work, job, title=module, cwd=project.root, env=env, executor=executor, inherited=(descriptor,)
        )
        metrics = work / "metrics.json"
        if show and metrics.is_file():
            show(cast(dict[str, float], json.loads(metrics.read_text())))
        check(outcome, work, module)
        if target is not None:
            link_tree(work / "out", target)
    prune(work.parent)
    return work / "out"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a worker ended. `stopped`: the signal by which the user or the system asked for it, or 0."""

    exit_code: int
    stopped: int
    max_rss_mb: float | None
    figures: dict[str, float]


def compute(
    work: Path,
    job: Mapping[str, object],
    *,
    title: str,
    cwd: Path,
    env: Mapping[str, str],
    executor: Executor,
    inherited: tuple[int, ...],
) -> Outcome:
    """Run a job in its work folder to its end, drawing what it reports."""
    clear(work)
    (work / "job.json").write_text(json.dumps(job, indent=1, ensure_ascii=False, default=str))
    argv = (sys.executable, "-m", f"stages.{job['stage']}", str(work))
    with _signals() as stop, console.progress(title) as view:
        handle = executor.submit(JobSpec(argv=argv, cwd=cwd, env=env, log=work / "log.txt", inherited=inherited))
        state, figures = _follow(executor, handle, work / "events.jsonl", view, stop, grace_s=_grace_s(job))
    return Outcome(
        exit_code=state.exit_code or 0,
        stopped=stop[0] if stop else 0,
        max_rss_mb=state.max_rss_mb,
        figures=figures,
    )


def _grace_s(job: Mapping[str, object]) -> float:
    checkpoints = parse({"checkpoints": job.get("checkpoints", {})}).checkpoints
    return checkpoints.grace_s + SPARE_S


def check(outcome: Outcome, work: Path, name: str) -> None:
    """Raise a UserError unless the worker finished its work: its own error, or how it died."""
    result = _result(work)
    stopped = outcome.stopped or cast(int, (result or {}).get("signal", 0))
    if stopped:
        done = "it had finished just then" if result and result.get("ok") else "what was saved last is kept"
        what = (result or {}).get("error", done)
        message = f"{name} was stopped by {_signal_name(stopped)}; nothing was published, {what}"
        raise UserError(message, hint=f"r1 run {name}", code=128 + stopped)
    log = work / "log.txt"
    if result is None:
        how = (
            f"signal {_signal_name(-outcome.exit_code)}" if outcome.exit_code < 0 else f"exit code {outcome.exit_code}"
        )
        lines = log.read_text(errors="replace").strip().splitlines()[-LOG_LINES:] if log.exists() else []
        said = "".join(f"\n  {line}" for line in lines)
        more = "; not enough memory?" if outcome.exit_code == -signal.SIGKILL else ""
        raise UserError(f"{name} died without a result ({how}{more}){said}", hint=f"the whole log is {log}")
    if result.get("ok") is not True:
        trace = result.get("traceback")
        if trace:
            with log.open("a") as file:
                file.write(str(trace))
        # A worker names its files as it knows them, from its work folder.
        hint = str(result.get("hint") or "").replace(" out/", f" {work}/out/")
        raise UserError(f"{name}: {result.get('error', 'failed')}", hint=f"the whole log is {log}" if trace else hint)


def fingerprint(inputs: Inputs, values: Values) -> str:
    """What a result depends on, in 16 hex digits: command, params and deps' contents (its code lock is one)."""
    return fingerprint_of(inputs.stage.cmd, values, inputs.digests)


def fingerprint_of(cmd: str, values: Mapping[str, object], digests: Mapping[str, str]) -> str:
    """`fingerprint` of a command, the params that its stage declares, and the MD5 of each of its deps."""
    whole = {"cmd": cmd, "params": values, "deps": digests}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:16]


def environment(params: Params, item: str) -> dict[str, str]:
    """The worker's environment: what would otherwise make two identical runs differ is pinned."""
    pinned = {
        # A stage spreads its work over `threads` itself (stages/contract/team.py): each runs single operations alone.
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "0" if _imports_model(params, item) else "1",
    }
    return {**os.environ, **pinned}


def _imports_model(params: Params, item: str) -> bool:
    student = params.students.get(item)
    bases: list[Base | None] = [params.base, student.base if student else None]
    return any(base is not None and base.source == "import" for base in bases)


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
    if not _holds(work, descriptor):
        raise UserError(f"the work folder of {name} was removed while it ran ({work})", hint=f"r1 run {name}")


def _holds(work: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), (work / "lock").stat())
    except FileNotFoundError:
        return False


def _check_code(project: Project, module: str) -> None:
    if code_lock.out_of_date(project.root, [module]):
        raise UserError(
            f"stages/code.lock/{module} is out of date: the stage's code has changed since",
            hint="r1 code-lock   (or: make code-lock)",
        )


@contextmanager
def locked(work: Path, name: str) -> Iterator[int]:
    """Hold a work folder's lock; its file descriptor is for the worker, so that an orphan holds it too."""
    while True:
        work.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(work / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                console.say(f"{name}: another process works on exactly this; waiting for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # The folder may have been pruned between opening and locking.
            if _holds(work, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def busy(work: Path) -> bool:
    """Whether a process works in a folder now."""
    try:
        descriptor = os.open(work / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def finished(work: Path) -> bool:
    result = _result(work)
    return result is not None and result.get("ok") is True


def clear(work: Path) -> None:
    """Remove what an earlier attempt would have published. What an unfinished one resumes from stays; where one had
    finished, the stage is computed again because the user insists, and then from the beginning."""
    if finished(work):
        shutil.rmtree(work / "steps", ignore_errors=True)
    for name in ("out", "plots"):
        shutil.rmtree(work / name, ignore_errors=True)
    for name in ("metrics.json", "result.json", "events.jsonl", "log.txt"):
        (work / name).unlink(missing_ok=True)


def prune(folder: Path) -> None:
    """Remove all but the newest finished work folders of a stage. Those in use stay."""
    done = [path for path in folder.iterdir() if finished(path)]
    for path in sorted(done, key=lambda p: (p / "result.json").stat().st_mtime, reverse=True)[KEPT:]:
        if not busy(path):
            shutil.rmtree(path, ignore_errors=True)


def _follow(
    executor: Executor, handle: Handle, events: Path, view: console.View, stop: list[int], *, grace_s: float
) -> tuple[State, dict[str, float]]:
    figures: dict[str, float] = {}
    position = 0
    asked_at: float | None = None
    forced = False
    while True:
        state = executor.poll(handle)
        position, new = _read_events(events, position)
        for event in new:
            view.draw(event)
            if event.get("event") == "step" and event.get("figures"):
                figures = {k: v for k, v in cast(dict[str, float], event["figures"]).items() if v == v}
        if state.phase == "ended":
            return state, figures
        if stop and asked_at is None:
            asked_at = time.monotonic()
            executor.cancel(handle)
        if asked_at is not None and not forced and (len(stop) > 1 or time.monotonic() - asked_at > grace_s):
            forced = True
            executor.cancel(handle, force=True)
        time.sleep(POLL_S)


def _read_events(path: Path, position: int) -> tuple[int, list[dict[str, object]]]:
    """The whole lines that were added since, and where they end. A line that is no event is passed over."""
    try:
        with path.open("rb") as file:
            file.seek(position)
            added = file.read()
    except FileNotFoundError:
        return position, []
    end = added.rfind(b"\n") + 1
    found = []
    for line in added[:end].splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            found.append(event)
    return position + end, found


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect signals to stop instead of dying of them; the follower reads the list and passes them on. One wish that
    arrives several times is collected once.

    One that is ignored already stays so: `nohup` means it.
    """
    received: list[int] = []
    since = 0.0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal since
        if not received or time.monotonic() - since >= SAME_S:
            received.append(number)
            since = time.monotonic()

    heard = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _result(work: Path) -> dict[str, object] | None:
    try:
        result = json.loads((work / "result.json").read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return result if isinstance(result, dict) else None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
