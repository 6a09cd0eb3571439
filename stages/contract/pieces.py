"""Work in numbered pieces that any number of processes share, on any machines that see the same folder.

A piece that nobody has taken is an empty file `N`; to take it is to rename it to `N.WORKER`, which only one of several
can do. Who holds a piece touches its file every few seconds. A piece whose file is silent for `ttl_s`, by the clock of
the one who looks, is of a dead worker, and taken over by another rename. So a file system need do no more than rename.

A worker that was only slow, and is overtaken, makes the same piece a second time: what a piece is depends on its number
alone, and it is committed whole by the first.
"""

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

TTL_S = 60.0
_BEATS = 12  # in a `ttl_s`
WORKER = "R1_WORKER"  # in the environment: 1 and above for those that only help (r1cli/dispatch/workers.py)


def helps(environment: Mapping[str, str]) -> bool:
    """Whether a process only helps another one with its pieces, and writes nothing else."""
    return environment.get(WORKER, "0") != "0"


class Pieces:
    """The pieces in `folder`, as one worker sees them."""

    def __init__(self, folder: Path, *, ttl_s: float = TTL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._ttl_s = ttl_s
        self._clock = clock
        self._me = f"{socket.gethostname()}-{os.getpid()}"
        self._mine: set[str] = set()  # what this process holds; a file of its name else is of an earlier one's
        self._seen: dict[str, tuple[float, float]] = {}  # a held piece's file -> when it was touched, when we saw that

    def offer(self, numbers: Iterable[int]) -> None:
        """Put the pieces out, unless another worker has: a whole folder is named by one rename."""
        if self._folder.exists():
            return
        scratch = self._folder.with_name(f"{self._folder.name}.{self._me}")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        for number in numbers:
            (scratch / str(number)).touch()
        try:
            scratch.rename(self._folder)
        except OSError:
            if not self._folder.exists():
                raise
            shutil.rmtree(scratch)

    def take(self) -> int | None:
        """The lowest piece that is free or whose holder is dead, now this worker's; None if there is none now."""
        names = sorted(os.listdir(self._folder), key=lambda name: int(name.partition(".")[0]))
        for name in names:
            number, _, holder = name.partition(".")
            taken = f"{number}.{self._me}"
            if (not holder or self._dead(name, holder)) and self._rename(name, taken):
                self._mine.add(taken)
                return int(number)
        return None

    @contextmanager
    def held(self, number: int) -> Iterator[None]:
        """Hold a piece that was taken, and give it up: as done, or, after an error, to whoever comes."""
        mine = self._folder / f"{number}.{self._me}"
        ended = threading.Event()

        def touch() -> None:
            while not ended.wait(self._ttl_s / _BEATS):
                with suppress(OSError):  # overtaken, or the folder is gone
                    os.utime(mine)

        beat = threading.Thread(target=touch, daemon=True)
        beat.start()
        try:
            yield
        except BaseException:
            self._rename(mine.name, str(number))
            raise
        else:
            mine.unlink(missing_ok=True)
        finally:
            self._mine.discard(mine.name)
            ended.set()
            beat.join()

    def left(self) -> bool:
        """Whether some piece is not done yet."""
        return bool(os.listdir(self._folder))

    def _rename(self, old: str, new: str) -> bool:
        """False if another worker was quicker."""
        try:
            os.rename(self._folder / old, self._folder / new)
            os.utime(self._folder / new)
        except FileNotFoundError:
            return False
        return True

    def _dead(self, name: str, holder: str) -> bool:
        host, _, process = holder.rpartition("-")
        if holder == self._me:
            return name not in self._mine
        if host == socket.gethostname() and not Path(f"/proc/{process}").exists() and Path("/proc/self").exists():
            return True
        try:
            touched = (self._folder / name).stat().st_mtime
        except FileNotFoundError:
            return False
        before = self._seen.get(name)
        if before is None or before[0] != touched:
            self._seen[name] = touched, self._clock()
            return False
        return self._clock() - before[1] >= self._ttl_s
