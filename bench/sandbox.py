"""Sandbox runs a second beside a bare `python -c pass`, in one process, in turns, one run at a time.

Prints medians over the turns. The bare subprocess has no isolation, no limits, and no program to run; `-I -S` is the
quickest start that an interpreter has.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Callable

from stages.sandbox.compiler import NoCompilerError, compile_cpp
from stages.sandbox.pool import TIERS, Job, Sandbox
from stages.sandbox.probe import probe

TURNS, RUNS = 5, 40
PYTHON = os.path.realpath("/proc/self/exe")
SUM = b"print(sum(map(int, input().split())))"
CPP = b'#include <cstdio>\nint main(){ int a, b; scanf("%d %d", &a, &b); printf("%d\\n", a + b); }'


def timed(work: Callable[[], object]) -> float:
    """Milliseconds a run."""
    began = time.perf_counter()
    for _ in range(RUNS):
        work()
    return (time.perf_counter() - began) / RUNS * 1e3


def ours(sandbox: Sandbox, job: Job) -> Callable[[], None]:
    def work() -> None:
        assert sandbox.run(job).stdout == b"7\n"

    return work


def main() -> None:
    works: dict[str, Callable[[], object]] = {
        "bare python -c pass": lambda: subprocess.run([PYTHON, "-c", "pass"], check=True),
        "bare python -I -S -c pass": lambda: subprocess.run([PYTHON, "-I", "-S", "-c", "pass"], check=True),
    }
    for tier in TIERS:
        if probe(tier).works:
            works[f"sandbox, {tier}"] = ours(Sandbox(tier, size=1), Job(mode="script", program=SUM, given=b"3 4\n"))
            try:
                program = compile_cpp(CPP).program
            except NoCompilerError:
                continue
            assert program is not None
            works[f"sandbox, {tier}, C++"] = ours(
                Sandbox(tier, size=1), Job(mode="native", program=program, given=b"3 4\n")
            )
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(TURNS + 1):
        for name, work in works.items():
            took = timed(work)
            if turn:  # the first turn warms up
                times[name].append(took)
    bare = statistics.median(times["bare python -c pass"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name}: {median:.1f} ms, {1e3 / median:.0f} runs/s, {median / bare:.2f} of bare (median of {TURNS})")


if __name__ == "__main__":
    main()
