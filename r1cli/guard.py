"""Plain `dvc repro` after a kill: a small process that outlives DVC, and mends what DVC left half written.

DVC reads those files before it runs anything of ours, so the next one can't be helped from within. `r1 stage` starts one
guard for each DVC that it is run by; the guard waits for that DVC's end, looks (r1cli/mend.py), and ends.

Not covered: what ends all processes at once, such as a power cut or the kill of a whole container. `r1 run` and
`r1 doctor` mend then.
"""

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from r1cli import mend
from r1cli.project import Project
from stages.contract.stopping import SIGNALS

_POLL_S = 0.05


def start(project: Project, dvc: int) -> None:
    """Have a process guard the project until the process `dvc` has ended, unless one does already."""
    if sys.platform != "linux" or project.state.parent != project.root:
        return  # an experiment in a temporary folder has files of its own
    path = _mark(project, dvc)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        # The guard inherits the lock, and so holds it as long as it lives.
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(project.root), str(dvc)],
            cwd=project.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what ends DVC's group must not end the guard
            pass_fds=(mark.fileno(),),
        )


def guard(project: Project, dvc: int) -> None:
    """Wait for a process's end, then put right what it left."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    mend.prepare()  # the next DVC may read these files half a second later
    _wait(dvc)
    try:
        done = mend.mend(project)
        with (project.state / "mended.log").open("a") as log:
            log.writelines(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {line}\n" for line in done)
    finally:
        _mark(project, dvc).unlink(missing_ok=True)


def _mark(project: Project, dvc: int) -> Path:
    return project.state / "guards" / str(dvc)


def _wait(process: int) -> None:
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    except OSError:  # a kernel before 5.3
        while Path(f"/proc/{process}").exists():
            time.sleep(_POLL_S)
        return
    select.select([descriptor], [], [])


if __name__ == "__main__":
    root = Path(sys.argv[1])
    guard(Project(root=root, state=root / ".r1"), int(sys.argv[2]))
