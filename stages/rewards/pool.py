"""Killable workers: jobs with a hard wall clock, from any thread, in any process, also after a fork.

No signal handler, no fork of the caller, no thread: a worker is a clean interpreter at the other end of two pipes.
One that is late is killed and replaced, with nothing lost but its job.
"""

import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Literal

from stages.contract.team import cores
from stages.rewards import worker

START_S = 60.0  # for the interpreter to start, on a machine that is busy
MAX_WORKERS = 4
ATTEMPTS = 2
PASSED = ("PATH", "LANG", "LD_LIBRARY_PATH", "HOME")

Outcome = Literal["same", "different", "failed", "timeout"]


class WorkerError(Exception):
    """Workers can't be started, or die again and again: the machine's fault, not the answer's."""


class GoneError(Exception):
    """The worker ended without an answer."""


class LateError(Exception):
    """The deadline passed."""


class Worker:
    """One process and its pipes."""

    def __init__(self, module: str = worker.__name__) -> None:
        root = str(Path(worker.__file__).resolve().parents[2])
        path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        environment = {
            **{name: value for name, value in os.environ.items() if name in PASSED or name.startswith("R1_")},
            "PYTHONPATH": path,
            "PYTHONHASHSEED": "0",
            "MPMATH_NOGMPY": "1",  # gmpy2 can't be interrupted, nor its memory limited
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # an interrupt from the keyboard is the caller's
        )
        self._buffer = b""
        try:
            self._line(time.monotonic() + START_S)
        except (GoneError, LateError):
            self.end()
            raise

    def ask(self, job: bytes, timeout_s: float) -> bytes:
        """The answer to a job, which is one line.

        Raises:
            GoneError, LateError: there is none.
        """
        self.send(job)
        return self.receive(timeout_s)

    def send(self, jobs: bytes) -> None:
        """Hand over jobs, a line each. Their answers must fit into a pipe (64 KB) together."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(jobs)
            self.process.stdin.flush()
        except (BrokenPipeError, OSError):
            raise GoneError from None

    def receive(self, timeout_s: float) -> bytes:
        """The next answer."""
        return self._line(time.monotonic() + timeout_s)

    def _line(self, deadline: float) -> bytes:
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN | select.POLLHUP)
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                if deadline - time.monotonic() <= 0:
                    raise LateError
                continue
            read = os.read(descriptor, 4096)
            if not read:
                raise GoneError
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def end(self) -> None:
        """Kill the process, if need be, and reap it."""
        self.process.kill()
        self._close()
        self.process.wait()

    def forget(self) -> None:
        """Close the pipes in a forked child. The process is the parent's."""
        self._close()
        self.process.returncode = 0

    def _close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                assert pipe is not None
                pipe.close()
            except OSError:
                pass


class Pool:
    """At most `size` workers, started when they are first needed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._reset()
        os.register_at_fork(after_in_child=self._after_fork)

    def _reset(self) -> None:
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(self.size)

    def _after_fork(self) -> None:
        for one in self._all:
            one.forget()
        self._reset()

    def decide(self, gold: str, answer: str, timeout_s: float) -> Outcome:
        """Whether two answers are the same, by all means.

        Raises:
            WorkerError: no worker could decide it, for no fault of the answer's.
        """
        job = json.dumps([gold, answer]).encode() + b"\n"
        with self._free:
            for _ in range(ATTEMPTS):
                try:
                    return self._attempt(job, timeout_s)
                except LateError:
                    return "timeout"
                except GoneError:
                    continue  # killed from outside, or by its own limits: once more, on a fresh one
                except OSError as error:
                    raise WorkerError(str(error)) from error
        raise WorkerError("the worker died")

    def _attempt(self, job: bytes, timeout_s: float) -> Outcome:
        with self._lock:
            one = self._idle.pop() if self._idle else None
        if one is None:
            try:
                one = Worker()
            except LateError:
                raise WorkerError("the worker didn't start") from None
            with self._lock:
                self._all.add(one)
        try:
            answer = one.ask(job, timeout_s)
            if answer == worker.LOADING:
                one.receive(START_S)
                answer = one.receive(timeout_s)
            verdict, _, last = answer.partition(b" ")
        except BaseException:
            self._drop(one)
            raise
        if last:
            self._drop(one)
        else:
            with self._lock:
                self._idle.append(one)
        return "same" if verdict == worker.SAME else "different" if verdict == worker.DIFFERENT else "failed"

    def _drop(self, one: Worker) -> None:
        with self._lock:
            self._all.discard(one)
        one.end()

    def close(self) -> None:
        """End all idle workers."""
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            self._drop(one)


POOL = Pool(max(1, min(MAX_WORKERS, cores())))
