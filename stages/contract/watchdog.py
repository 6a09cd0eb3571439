"""Ends a process that hangs: when a phase lasts longer than its deadline, the Python stacks of all processes of the
stage are written down, the phase and the rank are named, and the stage ends, so that a scheduler frees its nodes.

Ranks tell one another what they are in through small files in a folder that all of them see. A rank that waits in a
collective for one that hangs elsewhere is not the one to be named.

Not covered: a process that somebody stopped (SIGSTOP, `scontrol suspend`) for longer than its deadline is ended when it
is continued; it goes on from its last state, as after a kill.
"""

import contextlib
import faulthandler
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.contract.files import replace_file
from stages.contract.params import Deadlines
from stages.contract.phases import BETWEEN, Now, Phases
from stages.contract.stacks import STACKS

LATE = 3  # exit code
_MARK = 400  # bytes of a rank's mark; a host's name has at most 64
_DUMPED_S = 1.0  # for other processes to write their stacks
_APART_S = 300.0  # between the starts of a stage's ranks, at most
_HELD_S = 60.0  # later than the deadline: a thread that never lets go of Python's lock keeps our thread from looking


@dataclass(frozen=True, kw_only=True)
class Rank:
    """What a rank is in, as its mark says. `since`: seconds since the epoch."""

    rank: int
    host: str
    pid: int
    phase: str
    since: float


class Watchdog:
    """Watches one process's phases. `late` is told what happened and where the stacks are; then the process ends."""

    def __init__(
        self,
        phases: Phases,
        deadlines: Deadlines,
        folder: Path,
        *,
        late: Callable[[str, Path], None],
        rank: int = 0,
    ) -> None:
        self._phases = phases
        self._limits: dict[str, float] = vars(deadlines)
        self._folder = folder
        self._late = late
        self._rank = rank
        self._stacks = folder / f"stacks-{rank}.txt"
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._over = threading.Event()
        self._started = time.time()
        self._me = {"rank": rank, "host": socket.gethostname(), "pid": os.getpid()}

    def start(self) -> None:
        """Begin; what an earlier attempt left in the folder goes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in (self._stacks, self._folder / "late.txt"):
            path.unlink(missing_ok=True)
        os.environ[STACKS] = str(self._stacks)
        os.environ.setdefault("PYTHONFAULTHANDLER", "1")  # helpers that aren't ours write theirs to the stage's log
        self._file = (self._folder / f"rank-{self._rank}.json").open("wb", buffering=0)
        self._held = self._stacks.open("a")
        self._phases.told = self._tell
        self._tell(self._phases.now)
        self._thread.start()

    def stop(self) -> None:
        """The work is done."""
        self._over.set()
        faulthandler.cancel_dump_traceback_later()
        self._phases.told = lambda now: None
        (self._folder / f"rank-{self._rank}.json").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            if not self._stacks.stat().st_size:
                self._stacks.unlink()

    def _tell(self, now: Now) -> None:
        mine = json.dumps({**self._me, "phase": now.phase, "since": time.time()})
        os.pwrite(self._file.fileno(), mine.ljust(_MARK).encode(), 0)  # blanks cover what a longer one left
        if now.phase == BETWEEN:
            faulthandler.cancel_dump_traceback_later()
        else:
            faulthandler.dump_traceback_later(self._limits[now.phase] + _HELD_S, exit=True, file=self._held)

    def _watch(self) -> None:
        often = min(1.0, *(limit / 5 for limit in self._limits.values()))
        while not self._over.wait(often):
            now = self._phases.now
            lasted = time.monotonic() - now.since
            if now.phase != BETWEEN and lasted > self._limits[now.phase]:
                self._report(_said(self._ranks(), self._rank, now.phase, lasted, self._limits[now.phase]))
            elif (self._folder / "late.txt").exists():
                self._report((self._folder / "late.txt").read_text())

    def _report(self, said: str) -> None:
        with self._stacks.open("a") as file:
            file.write(f"rank {self._rank}, process {os.getpid()}: {said}\n")
            file.flush()
            faulthandler.dump_traceback(file, all_threads=True)
        if not (self._folder / "late.txt").exists():
            replace_file(self._folder / "late.txt", said)  # the other ranks write their stacks and end too
        for pid in _descendants(os.getpid()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGABRT)
        time.sleep(_DUMPED_S)
        self._late(said, self._stacks)
        os._exit(LATE)

    def _ranks(self) -> list[Rank]:
        found = []
        for path in sorted(self._folder.glob("rank-*.json")):
            with contextlib.suppress(ValueError, TypeError):  # one that is just being written
                found.append(Rank(**json.loads(path.read_text())))
        return [one for one in found if one.since > self._started - _APART_S]  # others are of a killed attempt


def _said(ranks: Sequence[Rank], rank: int, phase: str, lasted: float, limit: float) -> str:
    """Who is late, as far as this rank sees."""
    elsewhere = [one for one in ranks if one.rank != rank and one.phase not in (phase, BETWEEN)]
    if phase == "collective" and elsewhere:
        slow = min(elsewhere, key=lambda one: one.since)
        where = f"rank {slow.rank} ({slow.host}, process {slow.pid})"
        waited = f"rank {rank} has waited {lasted:.0f} s for it in a collective (deadlines.collective: {limit:g} s)"
        return f"{where} has been in {slow.phase} for {time.time() - slow.since:.0f} s; {waited}"
    return f"rank {rank} has been in {phase} for {lasted:.0f} s (deadlines.{phase}: {limit:g} s)"


def _descendants(pid: int) -> list[int]:
    """The processes below one, nearest first."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, listed.read_text().split()):
                found += [child, *_descendants(child)]
    return found
