"""A job's log: followed as it grows, and the lines of it that say why the job died."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_POLL_S = 0.5
# Whose end came first, as `srun --label` and srun's own message have it, and r1cli/dispatch/spread.py.
_FIRST_TO_FAIL = re.compile(r"(?:srun: error: \S+|spread: error): task (\d+):")
_SCHEDULERS = ("srun: ", "slurmstepd", "scancel: ", "spread: ")
_TORCHRUNS_REPORT = "failed (exitcode: "  # what follows is torchrun's own traceback


def tail(path: Path, *, follow: bool, ended: Callable[[], bool]) -> Iterator[str]:
    """The lines of a log, with `follow` those too that are added until `ended`."""
    position, rest = 0, b""
    while True:
        last = not follow or ended()
        try:
            with path.open("rb") as file:
                if path.stat().st_size < position:  # begun anew
                    position, rest = 0, b""
                file.seek(position)
                added = file.read()
        except FileNotFoundError:
            added = b""
        position += len(added)
        *whole, rest = (rest + added).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
        if last:
            break
        time.sleep(_POLL_S)
    if rest:
        yield rest.decode(errors="replace")


def last_words(log: str, count: int) -> list[str]:
    r"""The last lines of a log; where several nodes wrote it, those of the one that failed first.

    >>> last_words("0: fine\n1: out of memory\nsrun: error: n2: task 1: Exited with exit code 1\n0: stopped", 2)
    ['1: out of memory']
    """
    lines = log.strip().splitlines()
    first = _FIRST_TO_FAIL.search(log)
    own = [line for line in lines if re.match(rf"\s*{first[1]}: ", line)] if first else []
    said = own or [line for line in lines if not line.startswith(_SCHEDULERS)] or lines
    reported = next((place for place, line in enumerate(said) if _TORCHRUNS_REPORT in line), len(said))
    return said[: reported + 1][-count:]
