"""A stage's work folder, `.r1/work/STAGE/FINGERPRINT`: who is in it on this machine, how it ended, what is kept.

Among machines that share its file system, r1cli/dispatch/lease.py says who may write into it.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from r1cli import console
from r1cli.dispatch import lease
from r1cli.dispatch.job import Handle
from stages.contract.files import replace_file

KEPT = 2  # finished work folders of a stage


@contextmanager
def locked(work: Path, name: str) -> Iterator[int]:
    """Hold a work folder's lock; its file descriptor is for the worker, so that an orphan holds it too."""
    while True:
        work.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(work / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                console.say(f"{name}: another process works on exactly this; waiting for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # The folder may have been pruned between opening and locking.
            if holds(work, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def busy(work: Path) -> bool:
    """Whether a process works in a folder now."""
    try:
        descriptor = os.open(work / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def finished(work: Path) -> bool:
    """Whether a worker has finished its work here."""
    ended = result(work)
    return ended is not None and ended.get("ok") is True


def clear(work: Path) -> None:
    """Remove what an earlier attempt would have published. What an unfinished one resumes from stays; where one had
    finished, the stage is computed again because the user insists, and then from the beginning."""
    if finished(work):
        shutil.rmtree(work / "steps", ignore_errors=True)
    for name in ("out", "plots"):
        shutil.rmtree(work / name, ignore_errors=True)
    for name in ("metrics.json", "result.json", "events.jsonl"):
        (work / name).unlink(missing_ok=True)


def prune(folder: Path) -> None:
    """Remove all but the newest finished work folders of a stage. Those in use stay."""
    done = [path for path in folder.iterdir() if finished(path)]
    for path in sorted(done, key=lambda p: (p / "result.json").stat().st_mtime, reverse=True)[KEPT:]:
        if not busy(path) and submitted(path) is None and not lease.living(path / "lease"):
            shutil.rmtree(path, ignore_errors=True)


def remember(handle: Handle) -> None:
    """Note a job that goes on without the process that submitted it."""
    replace_file(handle.work / "handle.json", json.dumps({"executor": handle.executor, "id": handle.id}))


def submitted(work: Path) -> Handle | None:
    """The job that was submitted for a work folder and not yet seen to its end."""
    try:
        return Handle(**json.loads((work / "handle.json").read_text()), work=work)
    except (FileNotFoundError, NotADirectoryError):
        return None


def forget(work: Path) -> None:
    """The submitted job was seen to its end."""
    (work / "handle.json").unlink(missing_ok=True)


def holds(work: Path, descriptor: int) -> bool:
    """Whether an open file is still the folder's lock."""
    try:
        return os.path.samestat(os.fstat(descriptor), (work / "lock").stat())
    except FileNotFoundError:
        return False


def result(work: Path) -> dict[str, object] | None:
    """What the worker wrote down at its end (stages/contract/job.py), or None."""
    try:
        found = json.loads((work / "result.json").read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None
