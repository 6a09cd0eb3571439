"""`r1 run -j N`: stages that don't need one another, side by side, each under a DVC of its own.

DVC runs one stage at a time. Several DVCs can each run a single one (`dvc repro --single-item`) if they wait for each
other's lock instead of failing; what they write is the same. Only the order of dvc.lock's entries is that in which
stages happened to end: it is put back to what a serial run leaves, also by the next `r1 run` if this one was killed.

Not covered: memory and processors. N stages need N times as much.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import cast

from r1cli import console, pipeline
from r1cli.project import Project

_POLL_S = 0.05


def repro(project: Project, names: Sequence[str], *, jobs: int, force: bool) -> int:
    """Bring stages up to date, at most `jobs` at once, in the order that they need one another; DVC's exit code.

    After a failure no further stage is started, and those that run are waited for.
    """
    upstream = pipeline.load(project.root).upstream
    remember_order(project)
    code, waiting = 0, list(names)
    running: dict[str, subprocess.Popen[str]] = {}
    with _signals_for(running), console.board() as shown:
        while running or (waiting and not code):
            needed = {*waiting, *running}
            ready = [name for name in waiting if needed.isdisjoint(upstream[name])]
            for name in ready[: jobs - len(running)] if not code else []:
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
    return code


def remember_order(project: Project) -> None:
    """Note the order of dvc.lock's entries before the first of them is added out of turn."""
    path = _noted(project)
    if path.exists():
        return  # that of a parallel run that was killed counts
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.part")
    scratch.write_text(json.dumps(pipeline.lock_order(project.root)))
    os.replace(scratch, path)


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


@contextmanager
def _signals_for(running: Mapping[str, subprocess.Popen[str]]) -> Iterator[None]:
    """Pass signals on to the children; Ctrl-C reaches them from the terminal."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        for child in list(running.values()):
            child.send_signal(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
