"""What a running stage tells its starter: JSON lines, one event each, appended to a file.

The console draws them. They hold speeds and times, so they never enter an artifact.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Reporter(Protocol):
    """Where a stage reports its progress."""

    def phase(self, name: str, *, total: int = 0) -> None:
        """A new phase of `total` steps begins (0: unknown)."""

    def step(
        self, done: int, figures: Mapping[str, float] | None = None, *, why: Mapping[str, int] | None = None
    ) -> None:
        """`done` steps of the phase are finished. `why` counts the reasons behind the rewards."""

    def note(self, text: str) -> None:
        """One line the user should read."""


class EventLog:
    """Appends events to a file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._start = time.monotonic()

    def _write(self, kind: str, **fields: object) -> None:
        event = {"event": kind, "t": round(time.monotonic() - self._start, 3), **fields}
        self._file.write(json.dumps(event, ensure_ascii=False) + "\n")

    def phase(self, name: str, *, total: int = 0) -> None:
        self._write("phase", name=name, total=total)

    def step(
        self, done: int, figures: Mapping[str, float] | None = None, *, why: Mapping[str, int] | None = None
    ) -> None:
        self._write("step", done=done, figures=dict(figures or {}), why=dict(why or {}))

    def note(self, text: str) -> None:
        self._write("note", text=text)


class Silent:
    """Reports nowhere (tests)."""

    def phase(self, name: str, *, total: int = 0) -> None: ...

    def step(
        self, done: int, figures: Mapping[str, float] | None = None, *, why: Mapping[str, int] | None = None
    ) -> None: ...

    def note(self, text: str) -> None: ...
