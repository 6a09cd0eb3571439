"""One stage: params -> fingerprint -> work folder -> executor -> publish -> run record."""

import hashlib
import json
import math
import os
import signal
import socket
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
from r1cli.dispatch import keeper, lease, places
from r1cli.dispatch.executor import Executor
from r1cli.dispatch.job import Handle, JobSpec, Resources, State
from r1cli.dispatch.logs import last_words
from r1cli.params_file import Values, pick, read_params
from r1cli.pipeline import STARTER, Inputs, inputs_of
from r1cli.project import Project
from r1cli.publish import link_tree, publish_stage
from r1cli.workfolder import clear, finished, forget, holds, locked, prune, remember, result, submitted
from stages.contract.errors import UserError
from stages.contract.files import replace_file
from stages.contract.params import Base, Params, parse
from stages.contract.stopping import SAME_S, SIGNALS

SPARE_S = 10.0  # for a worker that was asked to stop and does not end itself in its grace period
POLL_S = 0.1
LOG_LINES = 8  # of a dead stage's log that are shown


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
        return found[1] if found else _submit(ready.spec, ready.job, executor)


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


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a worker ended. `stopped`: the signal by which the user or the system asked for it, or 0. `reason`: the
    place's word for it, where it has one."""

    exit_code: int
    stopped: int
    max_rss_mb: float | None
    figures: dict[str, float]
    reason: str


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


def compute(
    spec: JobSpec,
    job: Mapping[str, object],
    *,
    executor: Executor,
    under_way: tuple[Executor, Handle] | None = None,
) -> Outcome:
    """Run a job in its work folder to its end, drawing what it reports. One that is `under_way` is followed instead.

    Raises:
        UserError: the place refuses the job, or it goes on while this process was asked to end.
    """
    with _signals() as stop, console.progress(spec.name) as view:
        if under_way or executor.outlives:
            where, handle = under_way or (executor, _submit(spec, job, executor))
            console.say(f"{spec.name}: job {handle.id} on {handle.executor}")
            state, figures = _follow(where, handle, view, stop, grace_s=spec.grace_s)
            while state.lost and not stop:
                console.say(f"{spec.name}: job {handle.id} was lost ({state.reason}); it is sent again and goes on")
                handle = _submit(spec, job, where)
                state, figures = _follow(where, handle, view, stop, grace_s=spec.grace_s)
            if state.phase != "ended":
                raise UserError(
                    f"job {handle.id} of {spec.name} goes on without this process",
                    hint=f"r1 logs -f {spec.name}; to follow it again: r1 run {spec.name}; to end it: r1 stop {spec.name}",
                    code=128 + stop[0],
                )
            forget(spec.work)
        else:
            with _held(spec, executor) as started:
                clear(spec.work)
                _write_job(spec.work, job)
                handle = executor.submit(spec)
                started.append(handle)
                state, figures = _follow(executor, handle, view, stop, grace_s=spec.grace_s)
    return Outcome(
        exit_code=state.exit_code or 0,
        stopped=stop[0] if stop else 0,
        max_rss_mb=state.max_rss_mb,
        figures=figures,
        reason=state.reason,
    )


def _submit(spec: JobSpec, job: Mapping[str, object], executor: Executor) -> Handle:
    if lease.current(spec.work / "lease") is None:
        clear(spec.work)  # the job does it again when it holds the folder
    _write_job(spec.work, job)
    handle = executor.submit(spec)
    remember(handle)
    return handle


def _write_job(work: Path, job: Mapping[str, object]) -> None:
    replace_file(work / "job.json", json.dumps(job, indent=1, ensure_ascii=False, default=str))


@contextmanager
def _held(spec: JobSpec, executor: Executor) -> Iterator[list[Handle]]:
    """Hold a work folder for a job that ends with this process, which adds it to the list."""
    me = lease.Holder(host=socket.gethostname(), process=os.getpid())
    started: list[Handle] = []

    def lost() -> None:
        for handle in started:
            executor.cancel(handle, force=True)

    def wait(other: lease.Holder) -> None:
        console.say(f"{spec.name}: {lease.HeldError(other)} works on exactly this; waiting for it")

    with lease.held(
        spec.work / "lease",
        me,
        lost=lost,
        # We hold the folder's lock, so no process of this machine has it; a job of a scheduler may.
        gone=lambda other: not other.job and other.host == me.host,
        wait=wait,
        ttl_s=max(lease.TTL_S, 2 * spec.grace_s),  # a worker whose starter was killed may still use its grace period
    ):
        yield started


def _grace_s(job: Mapping[str, object]) -> float:
    checkpoints = parse({"checkpoints": job.get("checkpoints", {})}).checkpoints
    return checkpoints.grace_s + SPARE_S


def check(outcome: Outcome, work: Path, name: str) -> None:
    """Raise a UserError unless the worker finished its work: its own error, or how it died."""
    if outcome.exit_code == keeper.HELD and outcome.reason:
        raise UserError(f"{name}: {outcome.reason}", hint=f"r1 logs -f {name}   (once it has ended: r1 run {name})")
    ended = result(work)
    stopped = outcome.stopped or cast(int, (ended or {}).get("signal", 0))
    if stopped:
        done = "it had finished just then" if ended and ended.get("ok") else "what was saved last is kept"
        what = (ended or {}).get("error", done)
        message = f"{name} was stopped by {_signal_name(stopped)}; nothing was published, {what}"
        raise UserError(message, hint=f"r1 run {name}", code=128 + stopped)
    log = work / "log.txt"
    if ended is None:
        how = (
            f"signal {_signal_name(-outcome.exit_code)}" if outcome.exit_code < 0 else f"exit code {outcome.exit_code}"
        )
        if outcome.reason:
            how += f", {outcome.reason}"
        lines = last_words(log.read_text(errors="replace"), LOG_LINES) if log.exists() else []
        said = "".join(f"\n  {line}" for line in lines)
        more = "; not enough memory?" if outcome.exit_code == -signal.SIGKILL else ""
        raise UserError(f"{name} died without a result ({how}{more}){said}", hint=f"the whole log is {log}")
    if ended.get("ok") is not True:
        trace = ended.get("traceback")
        if trace:
            with log.open("a") as file:
                file.write(str(trace))
        # A worker names its files as it knows them, from its work folder.
        hint = str(ended.get("hint") or "").replace(" out/", f" {work}/out/")
        raise UserError(f"{name}: {ended.get('error', 'failed')}", hint=f"the whole log is {log}" if trace else hint)


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


def _check_code(project: Project, module: str) -> None:
    if code_lock.out_of_date(project.root, [module]):
        raise UserError(
            f"stages/code.lock/{module} is out of date: the stage's code has changed since",
            hint="r1 code-lock   (or: make code-lock)",
        )


def _follow(
    executor: Executor, handle: Handle, view: console.View, stop: list[int], *, grace_s: float
) -> tuple[State, dict[str, float]]:
    """Draw what a job reports until it ends, or until this process is asked to stop. A job that ends with this process
    is then asked too, and waited for; one that outlives it is left alone."""
    events = handle.work / "events.jsonl"
    figures: dict[str, float] = {}
    position = 0
    asked_at: float | None = None
    forced = False
    said = ""
    while True:
        state = executor.poll(handle)
        if state.phase != "ended" and said != state.reason:
            said = state.reason
            how = "waits" if state.phase == "pending" else "runs"
            view.draw({"event": "note", "text": f"job {handle.id} {how}" + (f" ({said})" if said else "")})
        position, new = _read_events(events, position)
        for event in new:
            view.draw(event)
            if event.get("event") == "step" and event.get("figures"):
                figures = {k: v for k, v in cast(dict[str, float], event["figures"]).items() if v == v}
        if state.phase == "ended" or (stop and executor.outlives):
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
            if os.fstat(file.fileno()).st_size < position:  # the job was started again
                position = 0
            file.seek(position)
            added = file.read()
    except FileNotFoundError:
        return 0, []
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


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
