"""What a kill can leave half written in files that are not ours: DVC writes dvc.lock and its own locks in place, and a
killed `git add` leaves its lock behind. Each would stop the next run.

`r1 run` and `r1 doctor` put it right, and so does the guard (r1cli/guard.py) as soon as a DVC has ended. Nothing is
touched that a living process may be writing.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from r1cli.project import Project
from stages.contract.errors import UserError
from stages.contract.files import replace_file

_WAIT_S = 3.0  # for a DVC that is writing
_AGAIN_S = 0.1
_EARLIER_S = 0.05  # how exactly the beginning of a process and the age of a file are known


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


def prepare() -> None:
    """Load what `mend` needs, so that it is quick."""
    _is_lock(b"stages: {}")


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
    if _is_whole(path):
        return False
    with no_dvc_writes(project.root) as alone:
        if not alone or _is_whole(path):
            return False
        if not _kept(project).exists():
            raise UserError("dvc.lock is cut off, and there is no copy of it", hint="git checkout -- dvc.lock")
        content = _kept(project).read_bytes()
        if content:
            replace_file(path, content)
        else:
            path.unlink()
    return True


def _is_whole(path: Path) -> bool:
    return not path.exists() or _is_lock(path.read_bytes())


@contextmanager
def no_dvc_writes(root: Path) -> Iterator[bool]:
    """Hold the lock that DVC holds while it writes (zc.lockfile's). Yields whether it could be had."""
    end = time.monotonic() + _WAIT_S
    path = root / ".dvc" / "tmp" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    yield False
                    return
                time.sleep(_AGAIN_S)
                continue
            yield True
            return


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
            held_to_read, held_to_write = found.get("read", {}), found.get("write", {})
            read = {name: [one for one in held if not _only_seems_alive(one)] for name, held in held_to_read.items()}
            write = {name: one for name, one in held_to_write.items() if not (one and _only_seems_alive(one))}
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError, AttributeError):
            path.unlink()
            return True
        if (read, write) == (held_to_read, held_to_write):
            return False
        replace_file(path, json.dumps({"read": {name: held for name, held in read.items() if held}, "write": write}))
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
    try:
        since = path.stat().st_mtime
    except FileNotFoundError:
        return False
    if _is_open(path) or _may_be_of_a_living_one(project.root, since):
        return False
    path.unlink(missing_ok=True)
    return True


def _kept(project: Project) -> Path:
    return project.state / "dvc.lock"


def _is_lock(content: bytes) -> bool:
    """Whether this is a whole dvc.lock. DVC cuts the file to nothing and then writes it in pieces, so an empty one is
    not, nor is one that ends within a line, a list or what is said of a file. One that is cut off between two files is
    taken for whole: DVC runs what is missing in it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        values = YAML(typ="safe").load(content)
    except (YAMLError, ValueError):
        return False
    stages = values.get("stages") if isinstance(values, dict) else None
    return content.endswith(b"\n") and isinstance(stages, dict) and all(map(_is_entry, stages.values()))


def _is_entry(entry: object) -> bool:
    """Whether this is all that DVC notes of a stage (LOCK_FILE_STAGE_SCHEMA of dvc/schema.py; here without its 0.15 s
    of import)."""
    if not isinstance(entry, dict) or not isinstance(entry.get("cmd"), str | list):
        return False
    params, files = entry.get("params", {}), [entry.get("deps", []), entry.get("outs", [])]
    return (
        isinstance(params, dict)
        and all(isinstance(values, dict) for values in params.values())
        and all(isinstance(listed, list) and all(map(_is_file, listed)) for listed in files)
    )


def _is_file(listed: object) -> bool:
    if not isinstance(listed, dict) or not isinstance(listed.get("path"), str) or len(listed) == 1:
        return False
    if listed.get("hash") != "md5":
        return True  # from elsewhere: what is known of it differs
    md5 = listed.get("md5")
    return isinstance(md5, str) and "size" in listed and ("nfiles" in listed or not md5.endswith(".dir"))


def _may_be_of_a_living_one(root: Path, since: float) -> bool:
    """Whether a git or a DVC works in the project that had begun when the index was locked (seconds since the epoch):
    `git commit` keeps its lock, closed, while a message is written."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inside = Path(os.readlink(process / "cwd")).is_relative_to(root.resolve())
            words = (process / "cmdline").read_bytes().split(b"\0")[:3] if inside else []
            late = bool(words) and _began(process) > since + _EARLIER_S
        except OSError:
            continue
        if not late and any(word.rpartition(b"/")[2] in (b"git", b"dvc") for word in words):
            return True
    return False


def _began(process: Path) -> float:
    """When a process began, in seconds since the epoch."""
    ticks = int((process / "stat").read_text().rpartition(")")[2].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


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
