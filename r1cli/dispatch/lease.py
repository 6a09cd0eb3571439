"""Who may write into a work folder, among processes on any machines that share its file system.

`flock` can't tell: over a network it may hold on one machine only. A lease needs no more of a file system than that
`link` makes a name once. Leases are numbered files in WORK/lease; the highest number holds. Its holder renews it every
few seconds. A claimant takes the next number when the one before was given back, or has not been renewed for `ttl_s` by
the claimant's own clock. A holder that finds a higher number, or could not renew in half of `ttl_s`, ends what it runs.
So no clocks are compared, and two claimants can't both follow the same lease.

Not covered: a holder's process that is held (SIGSTOP, a suspended machine) for longer than `ttl_s` may write for the
moment until it sees that it was overtaken. What it then writes is what its successor computes too: a work folder is of
one fingerprint, and states are renamed in whole.
"""

import contextlib
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stages.contract.files import replace_file

TTL_S = 60.0
DEAD_S = 3600.0  # silent for so long: what it held may be removed. No lease is given so much time
_BEATS = 12  # in a `ttl_s`


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a lease. `job` and `attempt` are a scheduler's; both are empty for a process of this machine."""

    host: str
    process: int
    job: str = ""
    attempt: int = 0  # how often the scheduler has started the job again
    beat: int = 0
    released: bool = False


class HeldError(Exception):
    """Another one holds the folder, and gives signs of life."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"{'job ' + holder.job if holder.job else f'process {holder.process}'} on {holder.host}")
        self.holder = holder


@contextmanager
def held(
    folder: Path,
    holder: Holder,
    *,
    lost: Callable[[], None],
    gone: Callable[[Holder], bool] = lambda other: False,
    wait: Callable[[Holder], None] | None = None,
    ttl_s: float = TTL_S,
) -> Iterator[None]:
    """Hold a work folder. `lost` is called, in another thread, when somebody else has taken it over.

    A later attempt of a job overtakes the one before it, which its scheduler has given up, and waits until it has ended
    what it ran. `gone` says of a holder that it is known to have ended. `wait` is told once of a living one that is
    then waited for; without it that is a HeldError.
    """
    number, before = _claim(folder, holder, gone=gone, wait=wait, ttl_s=ttl_s)
    ended = threading.Event()
    keeper = threading.Thread(target=_renew, args=(folder, number, holder, ended, lost, ttl_s), daemon=True)
    keeper.start()
    try:
        if before:
            _watch(folder, before, ttl_s)  # overtaken: until it has ended what it ran
        yield
    finally:
        ended.set()
        keeper.join()
        with contextlib.suppress(OSError):
            if (folder / str(number)).exists():  # not if the work folder was removed and made again
                _write(folder, number, replace(holder, released=True))


def current(folder: Path) -> Holder | None:
    """The holder of a work folder, if one has not given it back. Whether it still lives is another question."""
    number = _highest(folder)
    found = _read(folder, number) if number else None
    return found if found is not None and not found.released else None


def living(folder: Path) -> bool:
    """Whether somebody on another machine, or a scheduler's job, holds a folder, as far as can be told at once. For
    processes of this machine there is the folder's lock.

    Both times that are compared are the file system's own.
    """
    holder = current(folder)
    if holder is None or (not holder.job and holder.host == socket.gethostname()):
        return False
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".now-") as now:
            silent_s = os.fstat(now.fileno()).st_mtime - (folder / str(_highest(folder))).stat().st_mtime
    except FileNotFoundError:  # the folder is gone, or the lease was followed by another one just now
        return folder.exists()
    return silent_s < DEAD_S


def _claim(
    folder: Path,
    holder: Holder,
    *,
    gone: Callable[[Holder], bool],
    wait: Callable[[Holder], None] | None,
    ttl_s: float,
) -> tuple[int, int]:
    """The number that was taken, and that of an overtaken holder which must end first (or 0)."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        number = _highest(folder)
        other = _read(folder, number) if number else None
        overtaken = other is not None and bool(other.job) and other.job == holder.job and other.attempt < holder.attempt
        if other is not None and not (other.released or gone(other) or overtaken):
            if _watch(folder, number, ttl_s, patient=wait is not None, living=wait):
                continue  # it was given back, or somebody was quicker: look again
        if _take(folder, number + 1, holder):
            for old in range(number - 1, 0, -1):
                if not (folder / str(old)).exists():
                    break
                (folder / str(old)).unlink(missing_ok=True)
            return number + 1, number if overtaken and other is not None and not other.released else 0


def _watch(
    folder: Path,
    number: int,
    ttl_s: float,
    *,
    patient: bool = True,
    living: Callable[[Holder], None] | None = None,
) -> bool:
    """Wait for a holder's end: True if it gave its lease back or was followed by another, False if it fell silent.

    Raises:
        HeldError: it lives, and we are not patient.
    """
    first = last = _read(folder, number)
    silent_since = time.monotonic()
    while time.monotonic() - silent_since < ttl_s:
        time.sleep(ttl_s / _BEATS / 2)
        now = _read(folder, number)
        if now is None or now.released or (folder / str(number + 2)).exists():
            return True
        if now != last:
            if not patient:
                raise HeldError(now)
            if living and last == first:
                living(now)
            last, silent_since = now, time.monotonic()
    return False


def _renew(
    folder: Path, number: int, holder: Holder, ended: threading.Event, lost: Callable[[], None], ttl_s: float
) -> None:
    renewed_at, beat = time.monotonic(), 0
    while not ended.wait(ttl_s / _BEATS):
        overtaken = False
        try:
            overtaken = _highest(folder) != number  # also where the folder is gone
            if not overtaken:
                beat += 1
                _write(folder, number, replace(holder, beat=beat))
                renewed_at = time.monotonic()
        except OSError:
            pass  # a file system that is away for a moment
        if overtaken or time.monotonic() - renewed_at > ttl_s / 2:
            lost()
            return


def _take(folder: Path, number: int, holder: Holder) -> bool:
    """Make a lease that is not there yet; False if it is."""
    scratch = folder / f".{holder.host}-{holder.process}"
    scratch.write_text(json.dumps(asdict(holder)))
    try:
        os.link(scratch, folder / str(number))
    except FileExistsError:
        return False
    finally:
        scratch.unlink()
    return True


def _write(folder: Path, number: int, holder: Holder) -> None:
    replace_file(folder / str(number), json.dumps(asdict(holder)))


def _read(folder: Path, number: int) -> Holder | None:
    try:
        return Holder(**json.loads((folder / str(number)).read_text()))
    except FileNotFoundError:
        return None


def _highest(folder: Path) -> int:
    try:
        return max((int(name) for name in os.listdir(folder) if name.isdecimal()), default=0)
    except FileNotFoundError:
        return 0
