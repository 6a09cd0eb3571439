"""Zygotes for callers: a run in a sandbox as one call, from any thread, in any process, also after a fork.

No signal handler and no timer of the caller's is used. The caller reads a run's output itself; the zygote (zygote.py)
keeps the time. A zygote that dies or doesn't answer is a `SandboxError`, which the next run doesn't see.
"""

import atexit
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal
from weakref import WeakSet

from stages.contract.team import cores
from stages.sandbox import zygote
from stages.sandbox.limits import Limits

Mode = Literal["script", "call", "native", "compile"]
Tier = Literal["namespaces", "landlock", "none"]
TIERS: tuple[Tier, ...] = ("namespaces", "landlock")  # strongest first; `none` is never chosen, only asked for
SETTING = "R1_SANDBOX"  # auto (or unset), or a tier's name

_ROOT = Path(__file__).parents[2]  # where the package `stages` is
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from stages.sandbox.zygote import main; main()"
_FLAGS = ("-S", "-s", "-P", "-B", "-X", "utf8")
_START_S, _REPLY_S = 60.0, 20.0  # wall time for a zygote to start, and to report a run after its last deadline
_STDERR_CAP, _STDERR_KEPT = 16 << 20, 4096
_MFD_EXEC, _MFD_CLOEXEC = 0x10, 1  # linux/memfd.h


class SandboxError(Exception):
    """The sandbox failed, not the program in it."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run: a Python `script`, a `call` of its function (`call`: plain.py's text), a `native` program, or a
    `compile` command over `files`, whose `produced` file is the output."""

    mode: Mode
    program: bytes
    given: bytes = b""  # on stdin
    arguments: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)  # in the working folder
    call: str = ""
    source: str = ""  # the compiler's file name for the program
    produced: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a run ended. `stopped`: `time`, `memory`, `output`, `disk` or `processes` where a limit ended it, else ``."""

    stopped: str
    code: int  # exit code, or minus the signal that ended it
    stdout: bytes
    stderr: str  # the end of it
    cpu_s: float
    wall_s: float
    memory: int  # bytes at the peak, about


class Zygote:
    """One clean process to fork runs from, and the socket to it."""

    def __init__(self, tier: Tier, compiler: str = "") -> None:
        """Start it.

        Raises:
            SandboxError: the machine doesn't offer the tier, or no interpreter starts; the message says why.
        """
        self.runs_as = ""
        failures: list[str] = []
        for python in _interpreters():
            try:
                self._start(python, tier, compiler)
                return
            except (OSError, SandboxError) as error:
                failures.append(str(error))
        raise SandboxError("; ".join(dict.fromkeys(failures)) or "no Python interpreter found")

    def _start(self, python: str, tier: Tier, compiler: str) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = subprocess.Popen(
                [python, *_FLAGS, "-c", _BOOT, str(_ROOT), tier, compiler],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PYTHONHASHSEED": "0"},
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            self._socket.close()
            raise
        finally:
            theirs.close()
        try:
            answer = self._receive(_START_S)
        except SandboxError as error:
            self.close()
            raise SandboxError(f"{python}: {error}") from error
        if "error" in answer:
            self.close()
            raise SandboxError(str(answer["error"]))
        self.runs_as = str(answer["ready"])

    def _receive(self, timeout_s: float) -> dict[str, object]:
        self._socket.settimeout(timeout_s)
        try:
            message = self._socket.recv(zygote.MAX_MESSAGE)
        except OSError as error:
            raise SandboxError(f"the zygote doesn't answer ({error})") from error
        if not message:
            raise SandboxError("the zygote has ended")
        answer: dict[str, object] = json.loads(message)
        return answer

    def run(self, job: Job, limits: Limits) -> Run:
        """Run a job.

        Raises:
            SandboxError: the sandbox failed; this zygote is then closed.
        """
        finished = False
        try:
            result = self._run(job, limits)
            finished = True
            return result
        except OSError as error:
            raise SandboxError(str(error)) from error
        finally:
            if not finished:
                self.close()

    def _run(self, job: Job, limits: Limits) -> Run:
        ours: list[int] = []
        theirs: list[int] = []
        try:
            inputs = [job.program, job.given, *job.files.values(), *([job.call.encode()] if job.mode == "call" else [])]
            for content in inputs:
                theirs.append(_memory_file(content))
            for _ in range(2):
                reading, writing = os.pipe()
                ours.append(reading)
                theirs.insert(2 + len(ours) - 1, writing)
            profile = {"script": "python", "call": "python"}.get(job.mode, job.mode)
            header = {
                "mode": job.mode,
                "profile": profile,
                "limits": asdict(limits),
                "arguments": list(job.arguments),
                "files": list(job.files),
                "source": job.source,
                "produced": job.produced,
            }
            socket.send_fds(self._socket, [json.dumps(header).encode()], theirs)
            while theirs:
                os.close(theirs.pop())
            return self._follow(ours[0], ours[1], limits)
        finally:
            for fd in (*theirs, *ours):
                os.close(fd)

    def _follow(self, out: int, err: int, limits: Limits) -> Run:
        """Read a run's output until the zygote reports its end."""
        readers = {out: _Reader(out, limits.output, keep=limits.output), err: _Reader(err, _STDERR_CAP, _STDERR_KEPT)}
        poller = select.poll()
        for fd in (out, err, self._socket.fileno()):
            poller.register(fd, select.POLLIN)
        deadline = time.monotonic() + limits.wall_s + _REPLY_S
        asked = False
        while True:
            ready = [fd for fd, _ in poller.poll(1000 * max(0.0, deadline - time.monotonic()))]
            if not ready:
                raise SandboxError("the zygote doesn't report a run")
            for fd in ready:
                if fd in readers and readers[fd].read_once():
                    poller.unregister(fd)
            if not asked and any(reader.over for reader in readers.values()):
                asked = True
                self._socket.send(b"stop")
            if self._socket.fileno() in ready:
                break
        answer = self._receive(_REPLY_S)
        if "error" in answer:
            raise SandboxError(str(answer["error"]))
        for reader in readers.values():
            reader.drain()
        return _run(answer, readers[out], readers[err], limits)

    def close(self) -> None:
        """End it, and with it a run that is under way."""
        self._socket.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """Close this process's copies of what belongs to the parent it was forked from."""
        self._socket.close()
        self._process.returncode = 0


def _run(answer: Mapping[str, object], out: "_Reader", err: "_Reader", limits: Limits) -> Run:
    code, memory, cpu_s = int(str(answer["code"])), int(str(answer["memory"])), float(str(answer["cpu_s"]))
    stopped = str(answer["stopped"])
    if out.over or err.over:
        stopped = "output"
    elif memory > limits.memory:
        stopped = "memory"
    elif cpu_s > limits.cpu_s:
        stopped = "time"
    text = bytes(err.data).decode("utf-8", "replace")
    return Run(
        stopped=stopped,
        code=code,
        stdout=bytes(out.data),
        stderr=text,
        cpu_s=cpu_s,
        wall_s=float(str(answer["wall_s"])),
        memory=memory,
    )


class _Reader:
    """A pipe's content: the first `keep` bytes of a run's output, or the last ones if `keep` is less than `cap`."""

    def __init__(self, fd: int, cap: int, keep: int) -> None:
        self.fd, self.cap, self.keep = fd, cap, keep
        self.data = bytearray()
        self.seen = 0
        os.set_blocking(fd, False)

    @property
    def over(self) -> bool:
        return self.seen > self.cap

    def read_once(self) -> bool:
        """Read what is there; true at the end."""
        try:
            chunk = os.read(self.fd, 1 << 20)
        except BlockingIOError:
            return False
        self.seen += len(chunk)
        if not self.over or self.keep < self.cap:
            self.data += chunk
            if self.keep < self.cap:
                del self.data[: -self.keep]
        return not chunk

    def drain(self) -> None:
        """Read what an ended run has left in the pipe. What its orphans may still write is not waited for."""
        while not self.over:
            before = self.seen
            if self.read_once() or self.seen == before:
                return


def _memory_file(content: bytes) -> int:
    """An unnamed file in memory, at its start."""
    try:
        fd = os.memfd_create("r1", _MFD_CLOEXEC | _MFD_EXEC)
    except OSError:  # before Linux 6.3 there is no such flag, and no need of it
        fd = os.memfd_create("r1", _MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _interpreters() -> list[str]:
    """Interpreters to start zygotes with, this process's own first; after a change of user it may be out of reach."""
    found = [os.path.realpath("/proc/self/exe"), getattr(sys, "_base_executable", "") or "", sys.executable or ""]
    found += [f"/usr/bin/python3.{sys.version_info.minor}", "/usr/bin/python3", "/usr/local/bin/python3"]
    return [
        path
        for path in dict.fromkeys(found)
        if os.path.basename(path).startswith("python") and os.access(path, os.X_OK)
    ]


class Sandbox:
    """A pool of zygotes of one tier and purpose, started when needed, at most `size` at a time."""

    def __init__(self, tier: Tier, *, compiler: str = "", size: int | None = None) -> None:
        self.tier: Tier = tier
        self.compiler = compiler
        self.size = size or cores()
        self.num_failures = 0  # runs that the sandbox failed
        self._idle: list[Zygote] = []
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(self.size)
        self._all: WeakSet[Zygote] = WeakSet()
        if tier == "none":
            warnings.warn(
                "R1_SANDBOX=none: untrusted programs run with your rights, on your files and network", stacklevel=2
            )
        _sandboxes.add(self)

    def run(self, job: Job, limits: Limits | None = None) -> Run:
        """Run a job, waiting for a free zygote.

        Raises:
            SandboxError: the sandbox failed twice.
        """
        limits = limits or Limits()
        with self._slots:
            try:
                return self._once(job, limits)
            except SandboxError:
                with self._lock:
                    self.num_failures += 1
                return self._once(job, limits)

    def _once(self, job: Job, limits: Limits) -> Run:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            worker = Zygote(self.tier, self.compiler)
            self._all.add(worker)
        result = worker.run(job, limits)  # a worker that fails is closed, and not taken back
        with self._lock:
            self._idle.append(worker)
        return result

    def close(self) -> None:
        """End all idle zygotes. The sandbox may be used again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()

    def _forget(self) -> None:
        """In a forked child: the zygotes belong to the parent."""
        for worker in list(self._all):
            worker.forget()
        self._idle, self._all = [], WeakSet()
        self._lock, self._slots = threading.Lock(), threading.Semaphore(self.size)


_sandboxes: WeakSet[Sandbox] = WeakSet()


def _after_fork() -> None:
    for sandbox in list(_sandboxes):
        sandbox._forget()


@atexit.register
def _close_all() -> None:
    for sandbox in list(_sandboxes):
        sandbox.close()


os.register_at_fork(after_in_child=_after_fork)
