"""Numbered folders that are there whole or not at all: written beside, synced to disk, named by one rename.

Each holds a MANIFEST.json with its files' SHA-256, so that one that broke afterwards is told from a good one.

Not covered: a disk that answers fsync before the data is safe.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "MANIFEST.json"
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A committed folder. `saved_at` is in seconds since the epoch."""

    number: int
    folder: Path
    saved_at: float

    def read(self, name: str) -> object:
        """A JSON file's value."""
        return json.loads((self.folder / name).read_text())


def commit(parent: Path, number: int, write: Callable[[Path], None], *, by: str = "") -> None:
    """Have `write` fill a folder, and make it `parent`/`number` at once. `parent` must exist. `by` names the process
    where several may commit the same number.

    Raises:
        OSError: the disk is full, or `parent` was removed meanwhile; no folder of that number is there then.
    """
    part = parent / f"{number}.part{by}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()  # never its parents: a work folder that somebody removed must not come back
    try:
        write(part)
        files = {path.name: _digest(path) for path in sorted(part.iterdir())}
        write_json(part / MANIFEST, {"number": number, "files": files})
        sync(part)
        os.rename(part, parent / str(number))
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _sync_path(parent)


def numbers(parent: Path) -> list[int]:
    """The committed numbers, ascending."""
    return sorted(int(path.name) for path in parent.iterdir() if path.name.isdecimal()) if parent.is_dir() else []


def opened(parent: Path, number: int) -> Commit | None:
    """A committed folder, if all of it is there as it was written."""
    folder = parent / str(number)
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        whole = manifest["number"] == number and manifest["files"] == {
            path.name: _digest(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST
        }
        return Commit(number=number, folder=folder, saved_at=(folder / MANIFEST).stat().st_mtime) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def newest(parent: Path) -> tuple[Commit | None, list[int]]:
    """The newest folder that is whole, and the numbers of newer ones that are not; those are removed."""
    broken: list[int] = []
    for number in reversed(numbers(parent)):
        found = opened(parent, number)
        if found is not None:
            return found, broken
        broken.append(number)
        shutil.rmtree(parent / str(number))
    return None, broken


def keep_newest(parent: Path, count: int) -> None:
    """Remove all but the newest `count` folders."""
    for number in numbers(parent)[:-count]:
        shutil.rmtree(parent / str(number))


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Numbers come back as they were: JSON holds floats to the last digit, and integers as integers."""
    path.write_text(json.dumps(value, ensure_ascii=False))


def sync(folder: Path) -> None:
    """Return when all files of a folder, and their names, are on the disk."""
    for path in [*folder.rglob("*"), folder]:
        _sync_path(path)


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
