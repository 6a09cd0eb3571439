"""`r1 run -j N`: stages that don't need one another, side by side, each under a DVC of its own.

DVC runs one stage at a time. Several DVCs can each run a single one (`dvc repro --single-item`) if they wait for each
other's lock instead of failing; what they write is the same. Only the order of dvc.lock's entries is that in which
stages happened to end: it is put back to what a serial run leaves, also by the next `r1 run` if this one was killed.

Not covered: memory and processors. N stages need N times as much.
"""

import json
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from r1cli import console, pipeline
from r1cli.dispatch.local import orphans_awaited
from r1cli.project import Project
from stages.contract.files import replace_file

_POLL_S = 0.05


def repro(project: Project, names: Sequence[str], *, jobs: int, force: bool) -> int:
    """Bring stages up to date, at most `jobs` at once, in the order that they need one another; the exit code is DVC's,
    or 128 and the number of the signal that stopped it.

    After a failure or a signal no further stage is started, and those that run are waited for.
    """
    upstream = pipeline.load(project.root).upstream
    remember_order(project)
    code, waiting = 0, list(names)
    running: dict[str, subprocess.Popen[str]] = {}
    with pipeline.stoppable(running) as heard, orphans_awaited(), console.board() as shown:
        while running or (waiting and not code and not heard):
            needed = {*waiting, *running}
            ready = [name for name in waiting if needed.isdisjoint(upstream[name])] if not (code or heard) else []
            for name in ready[: jobs - len(running)]:
                waiting.remove(name)
                # From this thread: the kernel ends a child when the thread that started it does.
                running[name] = pipeline.start(
                    project.root, "repro", "--single-item", *(["--force"] if force else []), name
                )
                lines = running[name].stdout
                threading.Thread(target=console.relay, args=(lines, shown), daemon=True).start()
            time.sleep(_POLL_S)
            for name in [name for name, child in running.items() if child.poll() is not None]:
                code = running.pop(name).returncode or code
    restore_order(project)
    return 128 + heard[0] if heard and (code or waiting) else code


def remember_order(project: Project) -> None:
    """Note the order of dvc.lock's entries before the first of them is added out of turn."""
    path = _noted(project)
    if path.exists():
        return  # that of a parallel run that was killed counts
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(pipeline.lock_order(project.root)))


def restore_order(project: Project) -> None:
    """Sort dvc.lock as serial runs would have: entries that were there keep their place, new ones follow in the DAG's
    order. Does nothing if no parallel run is to be cleaned up after."""
    path = _noted(project)
    if not path.exists():
        return
    before = cast(list[str], json.loads(path.read_text()))
    pipeline.sort_lock(project.root, [*before, *(n for n in pipeline.serial_order(project.root) if n not in before)])
    path.unlink()


def _noted(project: Project) -> Path:
    return project.state / "lock-order.json"
