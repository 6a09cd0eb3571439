"""The process that decides what takes algebra: one job a line on stdin, one verdict a line on stdout.

Started clean by `pool`, never forked from the caller. It limits its own address space and CPU time, so that a job
that is stuck dies even if the caller is gone; between jobs a closed stdin ends it. (A parent-death signal would
instead kill it with the caller's thread that happened to start it.)
"""

import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from stages.contract.stacks import hear_abort

CPU_S = 4  # of one job; the caller's deadline comes sooner
MEMORY_MB = 512  # of address space, beyond what the interpreter has at start
MAX_JOBS = 5000
MAX_RSS_MB = 400
SAME, DIFFERENT, FAILED, READY = b"same", b"different", b"failed", b"ready"
LOADING, LOADED = b"loading", b"loaded"  # around an import, which is not the job's time
LAST = b" last"  # behind a verdict: the process ends after it


def main() -> None:
    from stages.rewards.algebra import AllLeaves
    from stages.rewards.match import matches

    hear_abort()
    limit_memory()
    sys.setrecursionlimit(20_000)  # trees are at most as deep as the parser's bounds; the caller's stack may be deep
    answers = sys.stdout.buffer
    _put(answers, READY)

    @contextmanager
    def loading() -> Iterator[None]:
        _put(answers, LOADING)
        yield
        _put(answers, LOADED)
        limit_cpu()

    leaves = AllLeaves(loading)
    for number, line in enumerate(sys.stdin.buffer, start=1):
        limit_cpu()
        try:
            gold, answer = json.loads(line)
            verdict = SAME if matches(gold, answer, leaves) else DIFFERENT
        except Exception:  # counted by the caller as unknown; the reason is the input's, whatever it is
            verdict = FAILED
        last = number >= MAX_JOBS or _bytes(1) > MAX_RSS_MB << 20
        _put(answers, verdict + LAST if last else verdict)
        if last:
            return


def _put(stream: BinaryIO, answer: bytes) -> None:
    stream.write(answer + b"\n")
    stream.flush()


def limit_memory() -> None:
    """Cap the address space at what it is now and MEMORY_MB more, and write no core files."""
    limit = _bytes(0) + (MEMORY_MB << 20)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _bytes(field: int) -> int:
    """This process's memory: field 0 the address space, 1 what is resident. (The kernel's peak, ru_maxrss, would be
    that of whoever started this process: it survives an exec.)"""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[field]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 1 << 30 if field == 0 else 0  # no /proc: more than an interpreter has, and no reason to end


def limit_cpu() -> None:
    """Let this process use CPU_S seconds more; SIGXCPU, not handled here, ends it then."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(usage.ru_utime + usage.ru_stime) + CPU_S
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


if __name__ == "__main__":
    main()
