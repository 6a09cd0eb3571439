"""Jobs as processes of this machine. A job ends when the process that started it does."""

import contextlib
import ctypes
import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from r1cli.dispatch.job import Handle, JobSpec, State
from r1cli.dispatch.layout import on_each_node
from r1cli.dispatch.logs import tail
from stages.contract.errors import UserError
from stages.contract.stopping import end_with_parent

_PR_SET_CHILD_SUBREAPER = 36


@contextlib.contextmanager
def orphans_awaited() -> Iterator[None]:
    """What children of this process leave behind when they die becomes its own, and is waited for at the end (Linux;
    elsewhere nothing happens). Orphans end soon by themselves: the kernel tells them of their parent's end."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    before = children_of(os.getpid())
    yield
    while left := set(children_of(os.getpid())) - set(before):
        for process in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, 0)


def children_of(process: int) -> list[int]:
    """The children of a process, as far as the system tells (Linux)."""
    found: list[int] = []
    for listed in Path("/proc").glob(f"{process}/task/*/children"):
        with contextlib.suppress(OSError):
            found += map(int, listed.read_text().split())
    return found


class LocalExecutor:
    """Runs jobs as child processes, each in its own session: Ctrl-C reaches them through `cancel` only."""

    outlives = False

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def render(self, spec: JobSpec) -> str:
        return shlex.join(on_each_node(spec)) + "\n"

    def submit(self, spec: JobSpec) -> Handle:
        if spec.resources.nodes > 1:
            raise UserError(
                f"{spec.name} asks for {spec.resources.nodes} nodes, and this is one machine",
                hint='r1.toml: nodes = 1, or executor = "slurm"',
            )
        with spec.log.open("wb") as log:
            child = subprocess.Popen(
                on_each_node(spec),
                cwd=spec.cwd,
                env={**os.environ, **spec.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=spec.inherited,
                preexec_fn=partial(end_with_parent, os.getpid()),
            )
        handle = Handle(executor="local", id=str(child.pid), work=spec.work)
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

    def logs(self, handle: Handle, *, follow: bool) -> Iterator[str]:
        yield from tail(handle.log, follow=follow, ended=lambda: self.poll(handle).phase == "ended")

    def cancel(self, handle: Handle, *, force: bool = False) -> None:
        child = self._children[handle.id]
        if child.poll() is None:
            # The whole session: a trainer may have started processes of its own.
            os.killpg(child.pid, signal.SIGKILL if force else signal.SIGTERM)
