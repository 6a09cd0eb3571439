"""Jobs as processes of this machine. A job ends when the process that started it does."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from functools import partial

from r1cli.dispatch.job import Handle, JobSpec, State

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel send SIGTERM to this process when its parent ends (Linux; elsewhere nothing happens), more
    precisely the parent's thread that started it. With `parent`, end at once if that has happened already.

    Without it a killed `dvc` leaves its stage running, and the next one would start a second trainer.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        os._exit(128 + signal.SIGTERM)


class LocalExecutor:
    """Runs jobs as child processes, each in its own session: Ctrl-C reaches them through `cancel` only."""

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def submit(self, spec: JobSpec) -> Handle:
        with spec.log.open("wb") as log:
            child = subprocess.Popen(
                spec.argv,
                cwd=spec.cwd,
                env=dict(spec.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=spec.inherited,
                preexec_fn=partial(end_with_parent, os.getpid()),
            )
        handle = Handle(id=str(child.pid))
        self._children[handle.id] = child
        return handle

    def poll(self, handle: Handle) -> State:
        code = self._children[handle.id].poll()
        if code is None:
            return State(phase="running")
        # Kilobytes on Linux, bytes on macOS.
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e6
        return State(phase="ended", exit_code=code, max_rss_mb=round(peak, 1))

    def cancel(self, handle: Handle, *, force: bool = False) -> None:
        child = self._children[handle.id]
        if child.poll() is None:
            # The whole session: a trainer may have started processes of its own.
            os.killpg(child.pid, signal.SIGKILL if force else signal.SIGTERM)
