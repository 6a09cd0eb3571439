"""What a scheduler starts on a job's first node: it holds the work folder, runs the stage, and says how it ended.

    python -m r1cli.dispatch.keeper --job ID [--attempt N] [--requeues N] [--lease-s S] [--spread] WORK -- COMMAND...

A local stage has its starter for that; this one outlives it. No two keepers run a stage in one work folder (lease.py). A
stage that was asked to stop, by preemption or before the time limit, has saved its last step and is sent to Slurm's
queue again; not so where Slurm has ended the job itself, as after `scancel`.
"""

import argparse
import contextlib
import json
import math
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from r1cli import workfolder
from r1cli.dispatch import lease
from r1cli.dispatch.job import State
from stages.contract.files import replace_file
from stages.contract.stopping import SAME_S, SIGNALS, end_with_parent

HELD = 75  # exit code: another job works in this folder (EX_TEMPFAIL)
LOST = 76  # exit code: another job has taken this folder over
_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class End:
    """How an attempt of a job ended, as its keeper says. `stopped`: it was asked to; only the scheduler knows whether
    there will be another attempt."""

    exit_code: int
    stopped: bool = False
    max_rss_mb: float | None = None
    reason: str = ""

    @property
    def state(self) -> State:
        return State(phase="ended", exit_code=self.exit_code, max_rss_mb=self.max_rss_mb, reason=self.reason)


def end_of(work: Path, job: str) -> End | None:
    """How a job's latest attempt ended, or None while it hasn't."""
    try:
        return End(**json.loads(_end_file(work, job).read_text()))
    except (OSError, ValueError):
        return None


def main(arguments: list[str]) -> int:
    """Keep a job; returns its exit code."""
    parser = argparse.ArgumentParser(prog="keeper")
    parser.add_argument("--job", required=True, help="the job's name, the same in all its attempts")
    parser.add_argument("--attempt", type=int, default=0)
    parser.add_argument("--requeues", type=int, default=0, help="by Slurm, of a stage that was asked to stop")
    parser.add_argument("--spread", action="store_true", help="the command starts the stage on other nodes")
    parser.add_argument("--lease-s", type=float, default=lease.TTL_S)
    parser.add_argument("work", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    command = [word for place, word in enumerate(given.command) if place or word != "--"]
    job, attempt = given.job, given.attempt
    holder = lease.Holder(host=socket.gethostname(), process=os.getpid(), job=job, attempt=attempt)
    asked: list[int] = []
    try:
        code = _hold_and_run(given.work, command, holder, asked, lease_s=given.lease_s)
    except lease.HeldError as other:
        _say_end(given.work, job, End(exit_code=HELD, reason=f"{other} works in the same folder"))
        return HELD
    if code == LOST:
        return LOST  # the end is another attempt's to say
    # The scheduler may have told the stage alone.
    stopped = code != 0 and bool(asked or "signal" in (workfolder.result(given.work) or {}))
    peak = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6, 1)
    _say_end(given.work, job, End(exit_code=code, stopped=stopped, max_rss_mb=None if given.spread else peak))
    # The lease is given back, so the next attempt may begin at once.
    if stopped and attempt < given.requeues and _running(job):
        subprocess.run(["scontrol", "requeue", job])
    return 128 - code if code < 0 else code


def _hold_and_run(work: Path, command: list[str], holder: lease.Holder, asked: list[int], *, lease_s: float) -> int:
    """The command's exit code (below 0: the signal that ended it), or LOST. Signals to this process are noted in `asked`
    and handed on."""
    started: list[subprocess.Popen[bytes]] = []
    overtaken: list[bool] = []

    def hear(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    def lost() -> None:
        overtaken.append(True)
        for child in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

    for number in SIGNALS:
        signal.signal(number, hear)
    with lease.held(work / "lease", holder, lost=lost, ttl_s=lease_s):
        if overtaken or asked:
            return LOST if overtaken else -asked[0]
        if holder.attempt and workfolder.finished(work):
            return 0  # the attempt before had finished, and was lost before it could say so
        workfolder.clear(work)
        forget_end(work, holder.job)
        child = subprocess.Popen(command, start_new_session=True, preexec_fn=partial(end_with_parent, os.getpid()))
        started.append(child)
        if overtaken:
            lost()
        code = _wait(child, work, asked)
    return LOST if overtaken else code


def _wait(child: "subprocess.Popen[bytes]", work: Path, asked: list[int]) -> int:
    """The child's exit code. A wish to stop is handed on, unless the scheduler has told the child too: told twice, it
    would end without saving its step."""
    hand_on_at = math.inf
    while True:
        try:
            return child.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            if asked and hand_on_at == math.inf:
                hand_on_at = time.monotonic() + SAME_S
            if time.monotonic() >= hand_on_at:
                if "signal" not in (workfolder.result(work) or {}):
                    child.send_signal(asked[0])
                return child.wait()


def _running(job: str) -> bool:
    """Whether Slurm counts a job as running: it is then nobody's wish that it should end for good."""
    asked = subprocess.run(["squeue", "--noheader", f"--jobs={job}", "--format=%T"], capture_output=True, text=True)
    return asked.stdout.strip() == "RUNNING"


def _say_end(work: Path, job: str, end: End) -> None:
    replace_file(_end_file(work, job), json.dumps(asdict(end)))


def forget_end(work: Path, job: str) -> None:
    """Another job of the same name begins."""
    _end_file(work, job).unlink(missing_ok=True)


def _end_file(work: Path, job: str) -> Path:
    return work / f"end-{job}.json"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
