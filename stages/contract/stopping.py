"""A process that is asked to end (SIGTERM, SIGHUP, SIGINT) ends its step, commits its state, and ends.

It has a grace period for that; then the kernel ends it. A second signal ends it at once, and so does the first where
no loop is under way, since nothing would be lost.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from stages.contract.errors import StoppedError

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
# One wish to stop often arrives several times: Slurm signals every process of a job, and each passes it on.
SAME_S = 1.0
_PR_SET_PDEATHSIG = 1


class Stopping:
    """Hears nothing until `listen` is called. `number` is the first signal that was heard, or 0."""

    def __init__(self) -> None:
        self.number = 0
        self._under_way = False
        self._heard_at = 0.0

    def listen(self, *, grace_s: float, asked: Callable[[int], None], end: Callable[[int], None]) -> None:
        """Hear signals from now on. One that is ignored already stays so: `nohup` means it.

        `asked` is told the signal when a step is first to be ended and committed, `end` ends the process at once.
        """

        def hear(number: int, frame: FrameType | None) -> None:
            now = time.monotonic()
            if self.number and now - self._heard_at < SAME_S:
                return
            if self.number or not self._under_way:
                end(number)
            self.number, self._heard_at = number, now
            # By the kernel, whatever this process is busy with.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, grace_s)
            asked(number)

        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, hear)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """While this lasts, a wish to stop waits for the next commit."""
        self._under_way = True
        try:
            yield
        finally:
            self._under_way = False
        self.committed()  # what was under way ended with a commit

    def deaf(self) -> None:
        """Hear no more: the work is done, and only its result is to be written down."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def committed(self) -> None:
        """Something was committed.

        Raises:
            StoppedError: it was waited for.
        """
        if self.number:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise StoppedError(self.number)


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel send SIGTERM to this process when its parent ends (Linux; elsewhere nothing happens), more
    precisely the parent's thread that started it. With `parent`, end at once if that has happened already.

    Without it a killed `dvc` leaves its stage running, and the next one would start a second trainer; and torchrun gives
    each process a session of its own, so that who kills torchrun does not reach them.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        os._exit(128 + signal.SIGTERM)
