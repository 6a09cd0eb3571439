"""A job as values: what is to be started, what was started, how it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What is to be started. Standard output and error both go to `log`."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    log: Path
    inherited: tuple[int, ...] = field(default=())  # open files that the job keeps open, such as a lock


@dataclass(frozen=True, kw_only=True)
class Handle:
    """A started job, as its executor names it (a process id)."""

    id: str


@dataclass(frozen=True, kw_only=True)
class State:
    """How a job stands. A negative `exit_code` is the signal that ended it, as in `subprocess`."""

    phase: Literal["running", "ended"]
    exit_code: int | None = None
    max_rss_mb: float | None = None
