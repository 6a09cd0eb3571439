"""Jobs through Slurm: one sbatch script a job, polled by squeue, with what accounting knows only where there is some.

A job's end is what its keeper (r1cli/dispatch/keeper.py) wrote into the work folder; Slurm's word counts where the keeper
had none. That needs the project folder at the same path on all nodes, as Slurm's own `--chdir` and `--output` do.
"""

import math
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from r1cli.dispatch import keeper
from r1cli.dispatch.job import Handle, JobSpec, State
from r1cli.dispatch.layout import on_each_node
from r1cli.dispatch.lease import TTL_S
from r1cli.dispatch.logs import tail
from stages.contract.errors import UserError

_PENDING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
_TIMEOUT_S = 60.0  # for Slurm's own commands
_FROM_PORT, _PORTS = 20000, 10000


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """The table [slurm] of r1.toml."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    container: str = ""  # an image, for the pyxis plug-in of srun
    container_mounts: tuple[str, ...] = ()  # SOURCE:TARGET; the project folder is always there
    python: str = ""  # in the container; default: the Python that runs r1
    setup: tuple[str, ...] = ()  # shell lines before the stage
    sbatch: tuple[str, ...] = ()  # more options for sbatch, as `--constraint=h100`
    requeues: int = 10  # after preemption, time limit or a lost node; 0: none
    poll_s: float = 5.0  # between two questions to Slurm
    lease_s: float = TTL_S  # a work folder's holder that is silent for so long is dead

    def __post_init__(self) -> None:
        if self.requeues < 0:
            raise ValueError(f"requeues = {self.requeues}, can't be negative")
        if self.poll_s <= 0 or self.lease_s <= 0:
            raise ValueError("poll_s and lease_s must be above 0")


def script(spec: JobSpec, slurm: Slurm) -> str:
    """The sbatch script. Pure: the same job gives the same text."""
    wants = spec.resources
    options = {
        "job-name": f"r1-{spec.name}",
        "comment": str(spec.work),  # by which the job is found again; its last part is the fingerprint
        "chdir": str(spec.cwd),
        "output": str(spec.log).replace("%", "%%"),
        "open-mode": "append",  # a requeued job goes on in the same log
        "partition": slurm.partition,
        "account": slurm.account,
        "qos": slurm.qos,
        "nodes": str(wants.nodes),
        "ntasks-per-node": "1",
        "gres": f"gpu:{wants.gpus_per_node}" if wants.gpus_per_node else "",
        "cpus-per-task": str(wants.cpus_per_node or ""),
        "mem": f"{wants.memory_gb}G" if wants.memory_gb else "",
        "time": wants.time_limit,
        "signal": f"B:TERM@{math.ceil(spec.grace_s)}" if slurm.requeues else "",
    }
    lines = ["#!/bin/bash", *(f"#SBATCH --{name}={shlex.quote(value)}" for name, value in options.items() if value)]
    lines += [f"#SBATCH {'--requeue' if slurm.requeues else '--no-requeue'}"]
    lines += [f"#SBATCH {option}" for option in slurm.sbatch]
    lines += ["", *(f"export {name}={shlex.quote(value)}" for name, value in sorted(spec.env.items()))]
    lines += slurm.setup
    command = _command(spec, slurm)
    keep = [sys.executable, "-m", keeper.__name__, "--requeues", str(slurm.requeues), "--lease-s", f"{slurm.lease_s:g}"]
    keep += ["--spread"] if command.startswith("srun ") else []
    which = '--job "$SLURM_JOB_ID" --attempt "${SLURM_RESTART_COUNT:-0}"'
    lines.append(f"exec {shlex.join(keep)} {which} {shlex.quote(str(spec.work))} -- {command}")
    return "\n".join(lines) + "\n"


def _command(spec: JobSpec, slurm: Slurm) -> str:
    """What the keeper runs: the stage itself, or srun where it takes one to reach other nodes or a container."""
    each = on_each_node(spec, rendezvous="HEAD:PORT", run="JOB")
    if slurm.python:
        each = (slurm.python, *each[1:])
    # What only the job knows is left to its shell, which runs on the first node.
    text = (
        shlex.join(each)
        .replace("HEAD:PORT", f'"$(hostname):$(({_FROM_PORT} + SLURM_JOB_ID % {_PORTS}))"')
        .replace("--rdzv-id=JOB", '--rdzv-id="$SLURM_JOB_ID"')
    )
    nodes = spec.resources.nodes
    if nodes == 1 and not slurm.container:
        return text
    options = ["--label"] if nodes > 1 else []
    options += ["--kill-on-bad-exit=1", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"]
    if spec.resources.cpus_per_node:
        options.append(f"--cpus-per-task={spec.resources.cpus_per_node}")  # which sbatch no longer hands on
    if slurm.container:
        mounts = ",".join([f"{spec.cwd}:{spec.cwd}", *slurm.container_mounts])
        options += [f"--container-image={slurm.container}", f"--container-mounts={mounts}"]
    return f"srun {shlex.join(options)} {text}"


class SlurmExecutor:
    """Sends jobs to Slurm with its own commands, which must be on the PATH."""

    outlives = True

    def __init__(self, slurm: Slurm) -> None:
        self._slurm = slurm
        self._known: dict[str, tuple[float, State, State]] = {}  # job -> when it was asked for, the answer, what we say

    def render(self, spec: JobSpec) -> str:
        return script(spec, self._slurm)

    def submit(self, spec: JobSpec) -> Handle:
        found = self._find(spec)
        if found:
            return Handle(executor="slurm", id=found, work=spec.work)
        spec.log.unlink(missing_ok=True)
        done = _ask(["sbatch", "--parsable"], text=self.render(spec))
        if done is None:
            raise UserError("sbatch did not answer", hint="sinfo   (is Slurm's controller there?)")
        if done.returncode != 0:
            said = " ".join(line.removeprefix("sbatch: error: ") for line in done.stderr.strip().splitlines())
            raise UserError(f"Slurm refuses {spec.name}: {said}", hint="r1.toml; what would be sent: r1 run --dry-run")
        return Handle(executor="slurm", id=done.stdout.strip().partition(";")[0], work=spec.work)

    def poll(self, handle: Handle) -> State:
        end = keeper.end_of(handle.work, handle.id)
        if end is not None and not end.stopped:
            return end.state
        asked, before, shown = self._known.get(handle.id, (-math.inf, State(phase="ended"), State(phase="pending")))
        if time.monotonic() - asked >= self._slurm.poll_s:
            answer = self._look(handle.id) or before  # while the controller is away, jobs go on without it
            # What is requeued looks ended for a moment: an end counts when it is seen twice.
            shown = answer if answer.phase != "ended" or before.phase == "ended" else State(phase="running")
            self._known[handle.id] = (time.monotonic(), answer, shown)
        return end.state if end and shown.phase == "ended" else shown

    def logs(self, handle: Handle, *, follow: bool) -> Iterator[str]:
        yield from tail(handle.log, follow=follow, ended=lambda: self.poll(handle).phase == "ended")

    def cancel(self, handle: Handle, *, force: bool = False) -> None:
        _ask(["scancel", *(["--signal=KILL", "--full"] if force else []), handle.id])

    def _find(self, spec: JobSpec) -> str:
        """The job that works or waits for a work folder already, or nothing."""
        done = _ask(["squeue", "--me", "--noheader", "--format=%i|%k"])
        if done is None or done.returncode != 0:
            raise UserError(
                f"Slurm does not answer ({done.stderr.strip() if done else 'squeue'})",
                hint="sinfo   (is Slurm's controller there?); here instead: r1 run STAGE --on local",
            )
        jobs = dict(line.split("|", 1)[::-1] for line in done.stdout.splitlines())
        found = jobs.get(str(spec.work), "")
        end = keeper.end_of(spec.work, found)
        return "" if end and not end.stopped else found

    def _look(self, job: str) -> State | None:
        """What Slurm says of a job; None if it doesn't answer."""
        done = _ask(["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T|%r"])
        if done is None or (done.returncode != 0 and "Invalid job id" not in done.stderr):
            return None
        word, _, reason = done.stdout.strip().partition("|")
        if not word:
            return self._remembered(job)
        if word in _PENDING:
            return State(phase="pending", reason="" if reason == "None" else reason)
        if word not in _ENDED:
            return State(phase="running")
        shown = _ask(["scontrol", "show", "job", "--oneliner", job])
        words = dict(part.partition("=")[::2] for part in (shown.stdout if shown else "").split() if "=" in part)
        return _ended(word, words.get("ExitCode", ""))

    def _remembered(self, job: str) -> State:
        """The end of a job that Slurm's controller has forgotten, from accounting where there is some."""
        done = _ask(["sacct", "--allocations", "--noheader", "--parsable2", f"--jobs={job}", "--format=State,ExitCode"])
        lines = done.stdout.strip().splitlines() if done is not None and done.returncode == 0 else []
        word, _, code = lines[0].partition("|") if lines else ("", "", "")
        return _ended(word.split()[0], code) if word else _ended(f"job {job} is unknown to Slurm by now", "")


def _ended(reason: str, exit_code: str) -> State:
    """A job's end. Slurm writes exit codes as CODE:SIGNAL."""
    code, _, number = exit_code.partition(":")
    signalled = int(number or 0)
    return State(phase="ended", exit_code=-signalled if signalled else int(code or 0), reason=reason)


def _ask(command: Sequence[str], text: str | None = None) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except FileNotFoundError as error:
        if command[0] == "sacct":
            return None
        raise UserError(
            f"{command[0]} is not on this machine, so it can't send jobs to Slurm",
            hint="run r1 on a login node of the cluster, or here: r1 run STAGE --on local",
        ) from error
    except subprocess.TimeoutExpired:
        return None
