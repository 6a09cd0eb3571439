"""What happened when a stage ran on this machine. Beside the results, never in them: two identical runs differ here."""

import datetime
import json
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from stages.contract.files import replace_file


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a stage. `exit_code` is None while it runs, and stays None if `r1 stage` itself was killed."""

    stage: str
    fingerprint: str
    started: str  # UTC, ISO 8601
    host: str
    exit_code: int | None = None
    seconds: float = 0.0
    max_rss_mb: float | None = None
    error: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)  # the last ones reported


def begin(folder: Path, *, stage: str, fingerprint: str) -> tuple[Path, Run]:
    """Record that a run has begun; returns the record's file."""
    now = datetime.datetime.now(datetime.UTC)
    run = Run(
        stage=stage, fingerprint=fingerprint, started=now.isoformat(timespec="seconds"), host=socket.gethostname()
    )
    path = folder / f"{now:%Y%m%dT%H%M%S.%f}-{stage}-{fingerprint}.json"
    write(path, run)
    return path, run


def write(path: Path, run: Run) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(asdict(run), indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> Run | None:
    """A record, or None if it can't be read: it carries no result."""
    try:
        return Run(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def latest(folder: Path) -> dict[str, Run]:
    """The newest run of each stage."""
    found = [run for path in sorted(folder.glob("*.json")) if (run := read(path)) is not None]
    return {run.stage: run for run in found}
