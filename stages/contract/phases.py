"""What a process is busy with: one of a few named phases, since when, and how long each took until now.

A process has one `phases`, as it has one clock: loops and engines say what they begin, stages/contract/watchdog.py
watches it, and benchmarks read the times. Only the main thread says anything.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Sampling, grading, bringing new weights to the engine, updates, waiting for other ranks, writing a state.
PHASES = ("generate", "reward", "weights", "train", "collective", "save")
BETWEEN = ""  # what belongs to none of them


@dataclass(frozen=True, kw_only=True)
class Now:
    phase: str
    since: float  # time.monotonic()


class Phases:
    """`told` hears of each change. `spent`: seconds by phase, the present one not included."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.now = Now(phase=BETWEEN, since=time.monotonic())
        self.told: Callable[[Now], None] = lambda now: None

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Be in a phase. Within another, that one pauses, and begins anew afterwards."""
        outer = self.now.phase
        self._begin(phase)
        try:
            yield
        finally:
            self._begin(outer)

    def _begin(self, phase: str) -> None:
        moment = time.monotonic()
        self.spent[self.now.phase] += moment - self.now.since
        self.now = Now(phase=phase, since=moment)
        self.told(self.now)


phases = Phases()
