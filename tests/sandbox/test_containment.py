"""Hostile programs are contained and benign ones pass: one program a test, then in every tier, as root and not."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.sandbox.pool import TIERS, Tier
from stages.sandbox.probe import probe, strongest
from tests.sandbox import benign, hostile
from tests.sandbox.benign import Benign
from tests.sandbox.ground import PROJECT, Ground, contained
from tests.sandbox.hostile import Hostile

HAS_COMPILER = shutil.which("g++") is not None
NOBODY = 65534
DEADLINE_S = 40.0  # for one program, on a busy machine; the slowest is a compile bomb


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    found = strongest()[-1]
    if not found.works:
        pytest.skip(f"no sandbox works here: {found.detail}")
    ground = Ground(found.tier)
    before = traces()
    yield ground
    assert not ground.mark.exists()
    assert ground.boxes.run is not None and ground.boxes.run.num_failures == 0
    ground.close()
    assert traces() == before


def traces() -> set[str]:
    """What a run could leave on the host: mounts, files in shared folders, processes below this one."""
    found = set(Path("/proc/self/mounts").read_text().splitlines())
    for folder in ("/tmp", "/dev/shm", "/var/tmp"):
        found |= {f"{folder}/{name}" for name in os.listdir(folder) if name.startswith("r1-sandbox")}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if b"stages.sandbox.zygote" in Path("/proc", entry, "cmdline").read_bytes():
                    status = Path("/proc", entry, "stat").read_text()
                    parent = status.rpartition(")")[2].split()[1]
                    found |= {f"process {entry}"} if parent == str(os.getpid()) else set()
            except OSError:
                continue
    return found


@pytest.mark.parametrize("case", hostile.CASES, ids=lambda case: case.name)
def test_hostile(ground: Ground, case: Hostile) -> None:
    if case.language == "cpp" and not HAS_COMPILER:
        pytest.skip("no g++")
    began = time.monotonic()
    verdict = ground.attack(case)
    assert contained(verdict), verdict
    assert time.monotonic() - began < DEADLINE_S


@pytest.mark.parametrize("case", benign.CASES, ids=lambda case: case.name)
def test_benign(ground: Ground, case: Benign) -> None:
    if case.language == "cpp" and not HAS_COMPILER:
        pytest.skip("no g++")
    verdict = ground.solve(case)
    assert verdict.status == "correct", verdict
    assert verdict.parts["passed"] == 1.0


def run_elsewhere(tier: Tier, *, prefix: list[str], python: str, user: int | None) -> dict[str, str]:
    done = subprocess.run(
        [*prefix, python, "-m", "tests.sandbox.ground", tier],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("tier", TIERS[1:])
def test_weaker_tiers(tier: Tier) -> None:
    """The strongest tier is tested above, program by program."""
    found = probe(tier)
    if not found.works:
        pytest.skip(found.detail)
    assert run_elsewhere(tier, prefix=[], python=sys.executable, user=None) == {}


@pytest.mark.parametrize("tier", TIERS)
def test_as_a_plain_user(tier: Tier) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become another user; run as a plain user, every test above is this test")
    for python in (sys.executable, "/usr/bin/python3"):
        # It must be one that nobody can run, and as new as ours; a pyenv in root's home is not.
        code = f"import sys; raise SystemExit(sys.version_info < (3, 11)); open({str(PROJECT / 'pyproject.toml')!r})"
        try:
            ran = subprocess.run([python, "-c", code], user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")
        except OSError:
            continue
        if ran.returncode == 0:
            break
    else:
        pytest.skip("no interpreter that a plain user can run")
    assert run_elsewhere(tier, prefix=[], python=python, user=NOBODY) == {}


def test_in_a_container() -> None:
    """Root of a user namespace, process 1 of a process namespace, with one user and its own /proc."""
    prefix = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"]).returncode:
        pytest.skip("no user namespaces")
    command = [*prefix, sys.executable, "-m", "stages.sandbox.probe"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)[-1]["works"], done
