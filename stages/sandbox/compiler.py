"""C++ to a program, in the sandbox that may run g++ and nothing else of worth. Programs are kept by their source."""

import os
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass

from stages.sandbox.limits import MEGABYTE, Limits
from stages.sandbox.pool import Job, Sandbox, Tier
from stages.sandbox.shared import shared

STANDARDS = ("gnu++17", "gnu++20")  # the second is tried where the first refuses
LIMITS = Limits(cpu_s=20.0, memory=1024 * MEGABYTE, disk=256 * MEGABYTE, output=64 * MEGABYTE, may_sleep=True)
_FLAGS = ("-O2", "-w", "-pipe", "-pthread", "-fmax-errors=5", "-fno-diagnostics-color")
_RETRY_S = 3.0  # a source that took longer to be refused is not tried again
_KEPT_BYTES = 256 * MEGABYTE


class NoCompilerError(Exception):
    """This machine has no g++."""


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A program, or (None) why there is none."""

    program: bytes | None
    reason: str = ""
    detail: str = ""
    cpu_s: float = 0.0


def find() -> str:
    """The real path of g++.

    Raises:
        NoCompilerError: there is none.
    """
    path = shutil.which("g++", path=os.environ.get("PATH", "") + ":/usr/bin:/usr/local/bin")
    if path is None:
        raise NoCompilerError("no g++ in PATH")
    return os.path.realpath(path)


class _Kept:
    """The programs compiled last, up to a size."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._programs: OrderedDict[tuple[Tier, bytes], Compiled] = OrderedDict()
        self._size = 0

    def get(self, key: tuple[Tier, bytes]) -> Compiled | None:
        with self._lock:
            if key in self._programs:
                self._programs.move_to_end(key)
            return self._programs.get(key)

    def put(self, key: tuple[Tier, bytes], compiled: Compiled) -> None:
        with self._lock:
            if key not in self._programs:
                self._programs[key] = compiled
                self._size += _size(key, compiled)
            while self._size > _KEPT_BYTES:
                self._size -= _size(*self._programs.popitem(last=False))

    def after_fork(self) -> None:
        self._lock = threading.Lock()


def _size(key: tuple[Tier, bytes], compiled: Compiled) -> int:
    return len(key[1]) + len(compiled.program or b"") + 1000


_kept = _Kept()
os.register_at_fork(after_in_child=_kept.after_fork)


def compile_cpp(source: bytes, *, sandbox: Sandbox | None = None) -> Compiled:
    """Compile a C++ program.

    Raises:
        NoCompilerError: there is no g++.
        SandboxError: the sandbox failed.
        UserError: there is no sandbox.
    """
    path = find()
    sandbox = sandbox or shared(compiler=path)
    key = (sandbox.tier, source)
    compiled = _kept.get(key)
    if compiled is None:
        for standard in STANDARDS:
            compiled = _compile(path, source, standard, sandbox)
            if compiled.reason != "compile_error" or compiled.cpu_s > _RETRY_S:
                break
        assert compiled is not None
        _kept.put(key, compiled)
    return compiled


def _compile(path: str, source: bytes, standard: str, sandbox: Sandbox) -> Compiled:
    command = (path, *_FLAGS, f"-std={standard}", "-o", "main", "main.cpp")
    job = Job(mode="compile", program=source, arguments=command, source="main.cpp", produced="main")
    run = sandbox.run(job, LIMITS)
    if run.stopped:
        return Compiled(program=None, reason=f"compile_{run.stopped}_limit")
    if run.code != 0 or not run.stdout:
        return Compiled(program=None, reason="compile_error", detail=run.stderr, cpu_s=run.cpu_s)
    return Compiled(program=run.stdout)
