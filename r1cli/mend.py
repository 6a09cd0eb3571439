"""What a kill can leave half written in files that are not ours: DVC writes dvc.lock and its own locks in place, and a
killed `git add` leaves its lock behind. Each would stop the next run.

Not covered: plain `dvc repro` after such a kill, which stops with DVC's own error; `r1 run` puts it right.
"""

import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from r1cli.project import Project
from stages.contract.errors import UserError

_AGAIN_S = 0.3  # who writes the file at this moment has finished then


def remember_lock(project: Project) -> None:
    """Keep a copy of dvc.lock as it stands before a stage runs, if it is whole. No dvc.lock is kept as an empty one."""
    if project.state.parent != project.root:
        return  # an experiment in a temporary folder, with a dvc.lock of its own
    path = project.root / "dvc.lock"
    content = path.read_bytes() if path.exists() else b""
    if not content or _is_lock(content):
        scratch = _kept(project).with_name(f"dvc.lock.{os.getpid()}.part")
        scratch.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(content)
        os.replace(scratch, _kept(project))


def mend(project: Project) -> list[str]:
    """Put right what a killed run left half written. Returns what was done, in lines for the user.

    Raises:
        UserError: dvc.lock is broken, and there is no copy.
    """
    tried = {
        "dvc.lock was cut off by a kill: it is as it was before the stage that ran then": _mend_lock,
        "DVC's list of running commands was cut off by a kill, or named dead ones: put right": _mend_rwlock,
        "a killed git had locked the index: unlocked": _mend_index,
    }
    return [told for told, work in tried.items() if work(project)]


def _mend_lock(project: Project) -> bool:
    path = project.root / "dvc.lock"
    if not path.exists() or _is_lock(path.read_bytes()):
        return False
    time.sleep(_AGAIN_S)
    if _is_lock(path.read_bytes()):
        return False
    if not _kept(project).exists():
        raise UserError("dvc.lock is cut off, and there is no copy of it", hint="git checkout -- dvc.lock")
    content = _kept(project).read_bytes()
    if content:
        scratch = path.with_name("dvc.lock.part")
        scratch.write_bytes(content)
        os.replace(scratch, path)
    else:
        path.unlink()
    return True


def _mend_rwlock(project: Project) -> bool:
    """DVC drops entries of processes that are gone, but takes for living what only nobody has reaped yet (in a
    container often for good), and what has the same number now."""
    path = project.root / ".dvc" / "tmp" / "rwlock"
    if not path.exists():
        return False
    with path.with_name("rwlock.lock").open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # as DVC itself does to read and write it
        try:
            found = json.loads(path.read_text())
            kept = {
                "read": {
                    name: [entry for entry in held if not _only_seems_alive(entry)]
                    for name, held in found["read"].items()
                },
                "write": {name: entry for name, entry in found["write"].items() if not _only_seems_alive(entry)},
            }
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError, AttributeError):
            path.unlink()
            return True
        kept["read"] = {name: held for name, held in kept["read"].items() if held}
        if kept == found:
            return False
        path.write_text(json.dumps(kept))
        return True


def _only_seems_alive(entry: Mapping[str, object]) -> bool:
    """Whether a process that DVC noted has ended, though there is one of its number."""
    process = Path("/proc") / str(entry["pid"])
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        return state in ("Z", "X") or b"dvc" not in (process / "cmdline").read_bytes()
    except OSError:
        return False  # no such process, or no /proc: DVC finds out itself


def _mend_index(project: Project) -> bool:
    path = project.root / ".git" / "index.lock"
    if not path.exists() or _is_open(path):
        return False
    path.unlink(missing_ok=True)
    return True


def _kept(project: Project) -> Path:
    return project.state / "dvc.lock"


def _is_lock(content: bytes) -> bool:
    """Whether this is a whole dvc.lock. DVC cuts the file to nothing before it writes, so an empty one is not."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        values = YAML(typ="safe").load(content)
    except (YAMLError, ValueError):
        return False
    stages = values.get("stages") if isinstance(values, dict) else None
    return isinstance(stages, dict) and all(isinstance(entry, dict) and "cmd" in entry for entry in stages.values())


def _is_open(path: Path) -> bool:
    """Whether a process has a file open; where that can't be told (no /proc), as if one had."""
    processes = Path("/proc")
    if not processes.is_dir():
        return True
    wanted = path.resolve()
    for link in processes.glob("[0-9]*/fd/*"):
        try:
            if Path(os.readlink(link)) == wanted:
                return True
        except OSError:
            continue
    return False
