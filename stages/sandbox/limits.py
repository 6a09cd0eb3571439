"""What one run may use, and how the kernel is told. Standard library only: the zygote has it too."""

import math
import resource
from dataclasses import dataclass

from stages.sandbox.seccomp import MAX_FILES

MEGABYTE = 1 << 20
_STACK_PYTHON, _STACK_NATIVE = 100 * MEGABYTE, 128 * MEGABYTE  # of the main thread
_SLACK_PYTHON, _SLACK_NATIVE = 128 * MEGABYTE, 320 * MEGABYTE  # of address space, for stacks that are mostly untouched
MAX_INODES = 4096


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one run.

    `cpu_s` is the time limit. A run that sleeps ends `GRACE_S` after as much wall time; one that is busy may take
    `STARVED` times as much, so that a loaded machine doesn't fail a program that is fast enough. `memory` bounds the
    resident bytes, checked at the end; the address space is capped a little above it.
    """

    cpu_s: float = 10.0
    memory: int = 512 * MEGABYTE
    disk: int = 64 * MEGABYTE
    output: int = 16 * MEGABYTE  # bytes on stdout
    processes: int = 128  # threads included
    may_sleep: bool = False  # the first process waits for others that work, as a compiler's does: only `wall_s` counts

    @property
    def idle_wall_s(self) -> float:
        return self.wall_s if self.may_sleep else self.cpu_s + GRACE_S

    @property
    def wall_s(self) -> float:
        return STARVED * self.cpu_s + GRACE_S


GRACE_S = 1.0
STARVED = 4.0


def apply(limits: Limits, *, profile: str, base: int, count_processes: bool) -> None:
    """Set the resource limits of this process. `base`: bytes of address space that it has as a copy of the zygote."""
    native = profile == "native"
    slack = _SLACK_NATIVE if native else _SLACK_PYTHON
    for what, value in {
        resource.RLIMIT_AS: base + limits.memory + slack,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: math.ceil(limits.cpu_s) + 1,  # the zygote's clock is finer, and comes first
        resource.RLIMIT_FSIZE: limits.disk,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_NOFILE: MAX_FILES,
        resource.RLIMIT_STACK: _STACK_NATIVE if native else _STACK_PYTHON,
    }.items():
        _lower(what, value)
    if count_processes:
        _lower(resource.RLIMIT_NPROC, limits.processes)


def _lower(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))
