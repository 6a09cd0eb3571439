"""A job from its start to its end: submitted or started, drawn while it runs, asked to stop where the user wishes it."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import cast

from r1cli import console
from r1cli.dispatch import keeper, lease
from r1cli.dispatch.executor import Executor
from r1cli.dispatch.job import Handle, JobSpec, State
from r1cli.dispatch.logs import last_words
from r1cli.workfolder import clear, forget, remember, result
from stages.contract.errors import UserError
from stages.contract.files import replace_file
from stages.contract.stopping import SAME_S, SIGNALS

POLL_S = 0.1
LOG_LINES = 8  # of a dead stage's log that are shown


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a worker ended. `stopped`: the signal by which the user or the system asked for it, or 0. `reason`: the
    place's word for it, where it has one."""

    exit_code: int
    stopped: int
    max_rss_mb: float | None
    figures: dict[str, float]
    reason: str


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
            where, handle = under_way or (executor, submit(spec, job, executor))
            console.say(f"{spec.name}: job {handle.id} on {handle.executor}")
            state, figures = _follow(where, handle, view, stop, grace_s=spec.grace_s)
            while state.lost and not stop:
                console.say(f"{spec.name}: job {handle.id} was lost ({state.reason}); it is sent again and goes on")
                handle = submit(spec, job, where)
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


def submit(spec: JobSpec, job: Mapping[str, object], executor: Executor) -> Handle:
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
