"""Faults around a run: other programs' half-written files, orphans, full and read-only disks, removed folders."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from ruamel.yaml import YAML

from r1cli import guard, mend
from r1cli.claims import Claim
from r1cli.dispatch.local import LocalExecutor
from r1cli.execute import run_stage
from r1cli.pipeline import STARTER
from r1cli.project import find_project
from stages.contract.errors import UserError
from tests.chaos import processes, wait_for_end
from tests.cli.conftest import PATIENCE_S, ROOT, Place, begun, environment, gone, worker_of

Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount something; undone at the end. Skips where that isn't allowed."""
    mounted: list[str] = []

    def do(*arguments: str) -> None:
        if subprocess.run(["mount", *arguments], capture_output=True).returncode != 0:
            pytest.skip("can't mount here")
        mounted.append(arguments[-1])

    yield do
    for path in reversed(mounted):
        subprocess.run(["umount", "-l", path], capture_output=True)


# -- what DVC and git leave half written ----------------------------------------------------------


@pytest.mark.parametrize("left", ["cut", "empty", "cut within a stage"])
def test_a_dvc_lock_cut_off_by_a_kill_is_put_right(place: Place, left: str) -> None:
    assert place.r1("run", "zero").returncode == 0
    lock = place.root / "dvc.lock"
    content = lock.read_bytes()
    cut = {"cut": len(content) // 2, "empty": 0, "cut within a stage": content.index(b"zero:") + 5}[left]
    lock.write_bytes(content[:cut])
    done = place.r1("run", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    # Half a file may by chance be a whole one of fewer entries: then DVC itself finds what is missing.
    assert left == "cut" or "dvc.lock was cut off by a kill" in done.stdout
    assert lock.read_bytes().startswith(content)
    assert place.calls() == ["prompts", "zero", "distillsmall", "distillbig"]  # nothing was computed twice


def test_a_first_dvc_lock_cut_off_is_written_anew(place: Place) -> None:
    project = find_project(place.root)
    mend.remember_lock(project)  # there is none
    (place.root / "dvc.lock").write_text("schema: '2.0'\nsta")
    assert [line for line in mend.mend(project) if "dvc.lock" in line]
    assert not (place.root / "dvc.lock").exists()


def test_a_dvc_lock_cut_anywhere_is_one_that_dvc_takes_or_is_known_as_broken() -> None:
    """What passes must be a lock for DVC, and each file in it known as it was: DVC would leave a smaller note as is."""
    content = (ROOT / "dvc.lock").read_bytes()
    content = content[: content.index(b"  cold_start:\n")]  # of the first stages: reading it takes its time
    whole = {
        (name, part, file["path"]): file
        for name, entry in YAML(typ="safe").load(content)["stages"].items()
        for part in ("deps", "outs")
        for file in entry.get(part, [])
    }
    ends = [end for end in range(len(content) + 1) if content[:end].endswith(b"\n") or end % 97 == 0]
    passed = [end for end in ends if mend._is_lock(content[:end])]
    assert passed[-1] == len(content) and 20 < len(passed) < len(ends)
    for end in passed:
        values = COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(content[:end]))
        for name, entry in values["stages"].items():
            for part in ("deps", "outs"):
                assert all(file == whole[name, part, file["path"]] for file in entry.get(part, []))


def test_a_broken_dvc_lock_of_which_there_is_no_copy_is_an_error(place: Place) -> None:
    (place.root / "dvc.lock").write_text("")
    with pytest.raises(UserError, match="no copy") as caught:
        mend.mend(find_project(place.root))
    assert caught.value.hint == "git checkout -- dvc.lock"


def test_a_broken_copy_is_never_made(place: Place) -> None:
    project = find_project(place.root)
    assert place.r1("run", "prompts").returncode == 0
    (place.root / "dvc.lock").write_text("{")
    mend.remember_lock(project)
    assert (place.root / ".r1" / "dvc.lock").read_bytes() == b""  # as it was before prompts ran


def test_locks_of_dead_processes_are_removed_and_those_of_living_ones_stay(place: Place) -> None:
    project = find_project(place.root)
    rwlock, index = place.root / ".dvc" / "tmp" / "rwlock", place.root / ".git" / "index.lock"
    rwlock.parent.mkdir(parents=True, exist_ok=True)
    rwlock.write_text('{"read": {')
    index.touch()
    with index.open() as held:
        assert len(mend.mend(project)) == 1 and not rwlock.exists() and index.exists()
        assert not held.closed
    rwlock.write_text("{}")  # as DVC leaves it
    assert len(mend.mend(project)) == 1 and rwlock.exists() and not index.exists()
    assert mend.mend(project) == []


def test_an_index_that_a_living_git_may_have_locked_stays_locked(place: Place) -> None:
    """`git commit` waits for its editor, with its lock closed; one that began later can't have locked it."""
    project, index = find_project(place.root), place.root / ".git" / "index.lock"
    waiting = subprocess.Popen(["git", "cat-file", "--batch"], cwd=place.root, stdin=subprocess.PIPE)
    time.sleep(0.2)
    index.touch()
    assert mend.mend(project) == [] and index.exists()
    waiting.communicate()
    index.touch()
    time.sleep(0.2)
    later = subprocess.Popen(["git", "cat-file", "--batch"], cwd=place.root, stdin=subprocess.PIPE)
    assert len(mend.mend(project)) == 1 and not index.exists()
    later.communicate()


def test_a_dead_dvc_that_nobody_has_reaped_blocks_no_run(place: Place) -> None:
    """DVC asks only whether there is a process of that number."""
    assert place.r1("run", "prompts").returncode == 0
    zombie = subprocess.Popen(["true"])
    living = subprocess.Popen(["sh", "-c", "sleep 60; : dvc"])
    while (Path("/proc") / str(zombie.pid) / "stat").read_text().split()[2] != "Z":
        time.sleep(0.01)
    rwlock = place.root / ".dvc" / "tmp" / "rwlock"
    infos = [{"pid": one.pid, "cmd": "dvc repro"} for one in (zombie, living)]
    prompts, other = str(place.root / "data" / "prompts"), str(place.root / "elsewhere")
    rwlock.write_text(json.dumps({"read": {prompts: [infos[0]], other: infos}, "write": {prompts: infos[0]}}))
    done = place.r1("run", "prompts", "-f")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DVC's list of running commands" in done.stdout
    assert json.loads(rwlock.read_text())["read"] == {other: [infos[1]]}
    living.kill()
    living.wait()
    zombie.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_plain_dvc_goes_on_after_a_kill_that_cut_its_files_off(place: Place, number: int) -> None:
    """The guard outlives DVC's whole group, and mends."""
    assert place.r1("run", "prompts").returncode == 0
    files = [place.root / name for name in ("dvc.lock", ".dvc/tmp/rwlock", ".git/index.lock")]
    whole = files[0].read_bytes()
    place.set_mode("hang")
    process = place.start(sys.executable, "-m", "dvc", "repro", "prompts", own_group=True)
    worker_of(place, calls=2)
    for path in files:
        path.write_bytes(whole[:100])
    time.sleep(0.2)  # a DVC that begins with the index's lock could be the one that holds it
    os.killpg(process.pid, number)
    process.communicate(timeout=PATIENCE_S)
    place.set_mode("ok")  # as it was
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "zero"],
        cwd=place.root, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.calls() == ["prompts", "prompts", "zero"]  # what was computed is published again
    wait_for_end(place.root)
    assert not list((place.root / ".r1" / "guards").iterdir())


def test_one_dvc_has_one_guard(place: Place) -> None:
    place.set_mode("hang")
    process = place.start(sys.executable, "-m", "dvc", "repro", "zero", own_group=True)
    worker_of(place)
    project = find_project(place.root)
    guard.start(project, process.pid)
    assert len(processes(place.root)["guard"]) == 1
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    wait_for_end(place.root)


def test_a_lock_that_dvc_is_writing_is_left_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place.r1("run", "prompts").returncode == 0
    monkeypatch.setattr(mend, "_WAIT_S", 0.2)
    (place.root / "dvc.lock").write_text("sta")
    with (place.root / ".dvc" / "tmp" / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert mend.mend(find_project(place.root)) == []
    assert len(mend.mend(find_project(place.root))) == 1


def test_doctor_mends_and_says_so(place: Place) -> None:
    assert place.r1("run", "prompts").returncode == 0
    (place.root / "dvc.lock").write_text("sta")
    assert "dvc.lock was cut off by a kill" in place.r1("doctor").stdout


# -- orphans --------------------------------------------------------------------------------------


def test_a_run_that_was_overtaken_publishes_nothing(place: Place) -> None:
    """A first run of seed 1 still works when one of seed 2 has begun, worked and published."""
    parents = iter([os.getppid()])
    project = find_project(place.root)

    def overtaken() -> int:
        found = next(parents, 0)
        if not found:  # the check before publishing
            params = place.root / "params.yaml"
            params.write_text(params.read_text().replace("seed: 1", "seed: 2"))
            run_stage(project, "prompts", executor=LocalExecutor())
            return os.getppid()
        return found

    with pytest.raises(UserError, match="a later run of prompts has taken over"):
        run_stage(project, "prompts", executor=LocalExecutor(), parent=overtaken)
    assert place.files("data/prompts")["rows.txt"] == "2ok"


def test_claims_of_other_folders_and_stages_do_not_meet(tmp_path: Path) -> None:
    first = Claim(tmp_path, Path("/a"), "zero")
    Claim(tmp_path, Path("/b"), "zero")
    Claim(tmp_path, Path("/a"), "grpo")
    with first.held():
        pass
    Claim(tmp_path, Path("/a"), "zero")
    with pytest.raises(UserError, match="taken over"), first.held():
        pass


def test_a_stage_whose_dvc_is_gone_before_it_starts_does_nothing(place: Place) -> None:
    """Its parent is then a process of another session."""
    process = subprocess.Popen(
        ["r1", "stage", "prompts"],
        cwd=place.root,
        env={**environment(), "DVC_STAGE": "prompts"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1 and "the dvc that started prompts has ended" in said
    assert place.calls() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_killed_r1_takes_dvc_and_the_stage_along(place: Place, number: int) -> None:
    place.set_mode("hang")
    process = place.start("r1", "run", "prompts", own_group=True)
    worker = worker_of(place)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0 and gone(worker)
    wait_for_end(place.root)
    place.set_mode("ok")
    assert place.r1("run", "prompts").returncode == 0


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_r1_run_asked_to_stop_ends_in_order_when_the_step_is_saved(place: Place, jobs: str) -> None:
    place.set_mode("loop")
    process = place.start("r1", "run", "prompts", "-j", jobs, own_group=True)
    worker_of(place)
    begun(place)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143, said
    assert (place.root / "saved").exists() and not any(processes(place.root).values())
    place.set_mode("ok")
    done = place.r1("run", "prompts")  # DVC ended in order too: there is nothing to mend
    assert done.returncode == 0 and "DVC's list" not in done.stdout


@pytest.mark.parametrize(("target", "number"), [("group", signal.SIGTERM), ("dvc", signal.SIGKILL)])
def test_r1_run_outlives_a_stage_that_saves_its_step(place: Place, target: str, number: signal.Signals) -> None:
    """As Slurm ends a job: every process is signalled, and what is left when the first one has ended is killed."""
    place.set_mode("loop")
    process = place.start("r1", "run", "prompts", own_group=True)
    worker_of(place)
    begun(place)
    if target == "group":
        os.killpg(process.pid, number)
    else:
        os.kill(processes(place.root)["dvc"][0], number)
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (143 if target == "group" else 1), said
    assert (place.root / "saved").exists() and not any(processes(place.root).values())


def test_a_stage_that_r1_run_inherits_before_it_starts_does_nothing(place: Place) -> None:
    """Its dvc was killed meanwhile: then its parent is the `r1 run` above."""
    given = {**environment(), "DVC_STAGE": "prompts", STARTER: str(os.getpid())}
    done = subprocess.run(["r1", "stage", "prompts"], cwd=place.root, env=given, capture_output=True, text=True)
    assert done.returncode == 1 and "the dvc that started prompts has ended" in done.stderr
    assert place.calls() == []


def test_a_stage_killed_alone_leaves_no_worker_and_the_next_run_works(place: Place) -> None:
    place.set_mode("hang")
    process = place.start(sys.executable, "-m", "dvc", "repro", "prompts", own_group=True)
    worker = worker_of(place)
    (stage,) = processes(place.root)["stage"]
    os.kill(stage, signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 255 and gone(worker)
    place.set_mode("ok")
    assert place.r1("run", "prompts").returncode == 0


# -- disks and folders ----------------------------------------------------------------------------


def test_a_removed_work_folder_is_an_error_and_the_next_run_begins_again(place: Place) -> None:
    place.set_mode("hang")
    process = place.start("r1", "stage", "prompts")
    worker = worker_of(place)
    shutil.rmtree(place.root / ".r1")
    os.kill(worker, signal.SIGTERM)
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1 and "the work folder of prompts was removed while it ran" in out
    place.set_mode("ok")
    assert place.r1("run", "prompts").returncode == 0
    assert place.files("data/prompts")["rows.txt"] == "1ok"


def test_a_read_only_cache_loses_nothing(place: Place, mount: Mount) -> None:
    cache = place.root / ".dvc" / "cache"
    cache.mkdir(parents=True)
    mount("--bind", str(cache), str(cache))
    subprocess.run(["mount", "-o", "remount,bind,ro", str(cache)], check=True)
    done = place.r1("run", "prompts")
    assert done.returncode == 1 and "Read-only file system" in done.stdout + done.stderr
    subprocess.run(["umount", str(cache)], check=True)
    done = place.r1("run", "prompts")
    assert done.returncode == 0 and "computed before" in done.stdout
    assert place.calls() == ["prompts"]


def test_a_full_disk_is_an_error_and_the_next_run_works(place: Place, mount: Mount) -> None:
    state = place.root / ".r1"
    state.mkdir()
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(state))
    full = state / "full"
    with full.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    done = place.r1("run", "prompts")
    assert done.returncode == 1 and "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    full.unlink(missing_ok=True)
    done = place.r1("run", "prompts")
    assert done.returncode == 0, done.stdout + done.stderr
