"""The keeper runs a job in its folder, and says how it ended."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from r1cli.dispatch import keeper, lease


def keep(work: Path, *command: str, job: str = "7", attempt: int = 0) -> "subprocess.Popen[bytes]":
    which = ["--job", job, "--attempt", str(attempt)]
    return subprocess.Popen(
        [sys.executable, "-m", "r1cli.dispatch.keeper", *which, "--lease-s", "1", str(work), "--", *command]
    )


def test_says_how_the_command_ended(tmp_path: Path) -> None:
    assert keeper.end_of(tmp_path, "7") is None
    assert keep(tmp_path, "sh", "-c", "exit 5").wait(30) == 5
    end = keeper.end_of(tmp_path, "7")
    assert end is not None and (end.exit_code, end.stopped) == (5, False) and end.max_rss_mb
    assert lease.current(tmp_path / "lease") is None


def test_a_signal_is_told_as_one(tmp_path: Path) -> None:
    assert keep(tmp_path, "sh", "-c", "kill -9 $$").wait(30) == 128 + 9
    end = keeper.end_of(tmp_path, "7")
    assert end is not None and end.exit_code == -9


def test_what_an_earlier_attempt_left_is_cleared_but_its_states(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "steps").mkdir()
    (tmp_path / "log.txt").write_text("so far")
    assert keep(tmp_path, "true").wait(30) == 0
    assert not (tmp_path / "out").exists() and (tmp_path / "steps").exists() and (tmp_path / "log.txt").exists()


def test_a_finished_attempt_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"ok": True}))
    assert keep(tmp_path, "false", attempt=1).wait(30) == 0
    assert (tmp_path / "result.json").exists()


def test_a_second_job_in_the_same_folder_does_nothing(tmp_path: Path) -> None:
    first = keep(tmp_path, "sleep", "30")
    while lease.current(tmp_path / "lease") is None:
        time.sleep(0.05)
    assert keep(tmp_path, "touch", str(tmp_path / "written"), job="8").wait(30) == keeper.HELD
    end = keeper.end_of(tmp_path, "8")
    assert end is not None and end.reason.startswith("job 7 on ") and not (tmp_path / "written").exists()
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 128 + signal.SIGTERM


def test_a_later_attempt_ends_what_the_earlier_runs(tmp_path: Path) -> None:
    """The node was given up, but its processes live on."""
    earlier = keep(tmp_path, "sh", "-c", f"trap '' TERM; while :; do date >> {tmp_path}/beats; sleep 0.1; done")
    while not (tmp_path / "beats").exists():
        time.sleep(0.05)
    later = keep(tmp_path, "sh", "-c", f"sleep 0.3; wc -l < {tmp_path}/beats > {tmp_path}/seen", attempt=1)
    assert later.wait(30) == 0 and earlier.wait(30) == keeper.LOST
    beats = len((tmp_path / "beats").read_text().splitlines())
    assert int((tmp_path / "seen").read_text()) == beats
