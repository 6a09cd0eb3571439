"""A stage that hangs ends, and says where: the phase, the rank, the stacks of all its processes."""

import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.phases import PHASES
from stages.contract.watchdog import LATE
from tests.stages import small


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `zero` reads."""
    root = tmp_path_factory.mktemp("data")
    for stage in ("prompts", "base"):
        paths = Paths(data=root, out=root / stage, metrics=root / f"{stage}.json", plots=root / "plots")
        paths.out.mkdir()
        importlib.import_module(f"stages.{stage}").main(small.params(), paths, Silent())
    return root


def _hang(data: Path, work: Path, phase: str, rank: int = 0) -> "subprocess.Popen[str]":
    """Start a stage that hangs in a phase, and is not to stay in it for more than a second or two."""
    work.mkdir(exist_ok=True)
    params = {name: value for name, value in asdict(small.params()).items() if value is not None}
    often = {"every_s": 1e9, "every_steps": 1, "keep": 2, "grace_s": 5.0}
    deadlines = {phase: 1.0 if rank == 0 else 60.0}
    job = {"stage": "zero", "params": params, "data": str(data), "checkpoints": often, "deadlines": deadlines}
    (work / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-m", "tests.stages.hanging", phase, str(work)]
    environment = {**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    return subprocess.Popen(command, cwd=small.ROOT, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_that_hangs_ends_the_stage_and_is_named(data: Path, tmp_path: Path, phase: str) -> None:
    work = tmp_path / "work"
    stage = _hang(data, work, phase)
    said = stage.communicate(timeout=60)[1]
    assert stage.returncode == LATE, said
    result = json.loads((work / "result.json").read_text())
    assert not result["ok"] and result["error"].startswith(f"rank 0 has been in {phase} for ")
    stacks = work / "ranks" / "stacks-0.txt"
    assert str(stacks) in result["hint"] and "in planted" in stacks.read_text()


def test_a_rank_that_others_wait_for_is_the_one_named(data: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    slow = _hang(data, work, "generate", rank=1)
    deadline = time.monotonic() + 60
    while not _in_phase(work / "ranks" / "rank-1.json", "generate") and time.monotonic() < deadline:
        time.sleep(0.1)
    waits = _hang(data, work, "collective")
    assert [one.wait(60) for one in (waits, slow)] == [LATE, LATE]  # the scheduler gets both nodes back
    error = json.loads((work / "result.json").read_text())["error"]
    assert error.startswith("rank 1 (") and f"process {slow.pid}) has been in generate for " in error
    assert "rank 0 has waited" in error
    assert all("in planted" in (work / "ranks" / f"stacks-{rank}.txt").read_text() for rank in (0, 1))


def _in_phase(mark: Path, phase: str) -> bool:
    return mark.exists() and f'"phase": "{phase}"' in mark.read_text()


def test_the_stacks_of_helper_processes_are_written_too(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from stages.contract.params import Deadlines
from stages.contract.phases import phases
from stages.contract.watchdog import Watchdog
from stages.rewards.pool import Worker
Watchdog(phases, Deadlines(reward=0.5), Path(sys.argv[1]), late=lambda said, stacks: print(said)).start()
worker = Worker()
with phases("reward"):
    time.sleep(60)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=small.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == LATE and "rank 0 has been in reward" in done.stdout, done.stderr
    stacks = (tmp_path / "stacks-0.txt").read_text()
    assert "Fatal Python error: Aborted" in stacks and "rewards/worker.py" in stacks


def test_also_where_python_s_lock_is_never_let_go(tmp_path: Path) -> None:
    code = """
import re, sys
from pathlib import Path
from stages.contract import watchdog
from stages.contract.params import Deadlines
from stages.contract.phases import phases
watchdog._HELD_S = 0.5
watchdog.Watchdog(phases, Deadlines(reward=0.5), Path(sys.argv[1]), late=lambda said, stacks: None).start()
with phases("reward"):
    re.match("(a+)+$", "a" * 40 + "b")
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=small.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "in match" in (tmp_path / "stacks-0.txt").read_text(), done.stderr
