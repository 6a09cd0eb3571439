"""Jobs that outlive the process that submitted them, and the commands that look after them. Without a scheduler."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from r1cli import params_file
from r1cli.dispatch import keeper, places
from r1cli.dispatch.job import Handle, JobSpec, State
from r1cli.dispatch.local import LocalExecutor
from r1cli.dispatch.logs import last_words, tail
from r1cli.execute import run_stage, submit_stage
from r1cli.project import find_project
from r1cli.workfolder import submitted
from stages.contract.errors import UserError
from tests.cli.conftest import Place, Run, dvc, environment, gone


class Elsewhere:
    """An executor as another package would bring it: its jobs are processes of their own."""

    outlives = True

    def __init__(self, table: Mapping[str, object]) -> None:
        self.table = table
        self.started: list[subprocess.Popen[bytes]] = []
        self.polled = 0
        self.fifth: Callable[[], None] = lambda: None  # called when a job is asked for the fifth time: it is followed

    def render(self, spec: JobSpec) -> str:
        return f"elsewhere: {spec.name}\n"

    def submit(self, spec: JobSpec) -> Handle:
        job = str(len(self.started) + 1)
        with spec.log.open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", keeper.__name__, "--job", job, str(spec.work), "--", *spec.argv],
                cwd=spec.cwd,
                env={**os.environ, **spec.env},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(child)
        return Handle(executor="elsewhere", id=job, work=spec.work)

    def poll(self, handle: Handle) -> State:
        self.polled += 1
        if self.polled == 5:
            self.fifth()
        end = keeper.end_of(handle.work, handle.id)
        return end.state if end else State(phase="running")

    def logs(self, handle: Handle, *, follow: bool) -> Iterator[str]:
        yield from tail(handle.log, follow=follow, ended=lambda: self.poll(handle).phase == "ended")

    def cancel(self, handle: Handle, *, force: bool = False) -> None:
        self.started[int(handle.id) - 1].send_signal(signal.SIGKILL if force else signal.SIGTERM)


def looping(place: Place) -> None:
    """Return when the stage is in its loop."""
    deadline = time.monotonic() + 60
    while not any("begun" in path.read_text() for path in (place.root / ".r1").glob("work/prompts/*/events.jsonl")):
        assert time.monotonic() < deadline, "the stage did not start"
        time.sleep(0.05)


@pytest.fixture
def elsewhere(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    executor = Elsewhere({})

    class Point:
        name = "elsewhere"

        def load(self) -> object:
            return lambda table: executor

    monkeypatch.setattr(places, "entry_points", lambda group: [Point()] if group == "r1.executors" else [])
    text = (place.root / "dvc.yaml").read_text().replace("params: [seed]\n", "params: [seed]\n    meta: {gpus: 1}\n", 1)
    (place.root / "dvc.yaml").write_text(text)
    (place.root / "r1.toml").write_text('executor = "elsewhere"\n[elsewhere]\nqueue = "x"\n')
    yield executor
    for child in executor.started:
        child.kill()
        child.wait()


def test_a_stage_runs_where_r1_toml_says(place: Place, elsewhere: Elsewhere) -> None:
    project = find_project(place.root)
    run_stage(project, "prompts")
    run_stage(project, "zero")  # asks for no GPU
    assert len(elsewhere.started) == 1 and place.calls() == ["prompts", "zero"]
    assert place.files("data/prompts")["rows.txt"] == "1ok"
    [work] = (place.root / ".r1" / "work" / "prompts").iterdir()
    assert submitted(work) is None


def test_a_job_under_way_is_followed_and_not_started_again(
    place: Place, elsewhere: Elsewhere, capsys: pytest.CaptureFixture[str]
) -> None:
    place.set_mode("loop")
    project = find_project(place.root)
    handle = submit_stage(project, "prompts", executor=elsewhere)
    assert handle is not None and submit_stage(project, "prompts", executor=elsewhere) == handle
    looping(place)
    elsewhere.polled, elsewhere.fifth = 0, lambda: elsewhere.cancel(handle)
    with pytest.raises(
        UserError, match="prompts was stopped by SIGTERM; nothing was published, its last step is saved"
    ):
        run_stage(project, "prompts", executor=LocalExecutor())
    assert "prompts: job 1 on elsewhere" in capsys.readouterr().out
    assert place.calls() == ["prompts"] and gone(elsewhere.started[0].pid)


def test_ending_the_follower_leaves_the_job(place: Place, elsewhere: Elsewhere) -> None:
    place.set_mode("loop")
    project = find_project(place.root)
    elsewhere.fifth = lambda: os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(UserError, match="job 1 of prompts goes on without this process") as caught:
        run_stage(project, "prompts")
    assert caught.value.code == 128 + signal.SIGTERM and "r1 stop prompts" in caught.value.hint
    assert elsewhere.started[0].poll() is None


def test_commands_for_a_job(place: Place, elsewhere: Elsewhere, r1: Run) -> None:
    place.set_mode("loop")
    code, out, _ = r1("run", "prompts", "--dry-run")
    assert code == 0 and out.endswith("# prompts\nelsewhere: prompts\n")
    code, out, _ = r1("run", "prompts", "--detach")
    assert code == 0 and "prompts: job 1 on elsewhere; r1 run prompts follows and publishes it" in out
    looping(place)
    code, out, _ = r1("status")
    assert "job 1 on elsewhere, running" in out
    code, out, _ = r1("stop", "prompts")
    assert code == 0 and "prompts: job 1 on elsewhere is asked to stop" in out
    assert r1("logs", "-f", "prompts")[0] == 0
    assert (place.root / "saved").exists()
    code, _, err = r1("stop", "prompts")
    assert code == 1 and "error: nothing of prompts runs" in err


def test_gc_keeps_what_a_job_works_in(place: Place, elsewhere: Elsewhere, r1: Run) -> None:
    """No process of this machine holds the folder's lock, and neither a dvc.lock nor a run record names it."""
    place.set_mode("loop")
    assert r1("run", "prompts", "--detach")[0] == 0
    looping(place)
    [work] = (place.root / ".r1" / "work" / "prompts").iterdir()
    handle = (work / "handle.json").read_text()
    assert r1("gc", "--yes")[1] == "nothing to remove: everything is referred to\n"
    (work / "handle.json").unlink()  # its lease says so too
    assert r1("gc", "--yes")[0] == 0 and work.exists()
    elsewhere.started[0].send_signal(signal.SIGTERM)
    elsewhere.started[0].wait()
    (work / "handle.json").write_text(handle)  # it has ended without a result
    assert r1("gc", "--yes")[0] == 0 and not work.exists()


def test_gc_keeps_what_a_job_waits_for_or_finished(place: Place, elsewhere: Elsewhere, r1: Run) -> None:
    assert r1("run", "prompts", "--detach")[0] == 0
    [work] = (place.root / ".r1" / "work" / "prompts").iterdir()
    elsewhere.started[0].wait()
    assert r1("gc", "--yes")[0] == 0 and work.exists()  # finished and not published
    (work / "result.json").unlink()
    (work / "end-1.json").unlink()  # as if it had not begun
    assert r1("gc", "--yes")[0] == 0 and work.exists()
    (work / "handle.json").write_text('{"executor": "nowhere", "id": "1"}')
    assert r1("gc", "--yes")[0] == 0 and work.exists()  # there is nobody to ask
    (work / "handle.json").unlink()
    assert r1("gc", "--yes")[0] == 0 and not work.exists()


def test_what_runs_here_can_be_stopped_but_not_detached(place: Place, r1: Run) -> None:
    code, _, err = r1("run", "prompts", "--detach")
    assert code == 1 and "error: prompts runs on this machine, where it ends with r1" in err and "hint:" in err
    code, _, err = r1("logs", "prompts")
    assert code == 1 and "error: prompts has not run here" in err
    place.set_mode("loop")
    process = place.start("r1", "run", "prompts")
    looping(place)
    code, out, _ = r1("stop", "prompts")
    assert code == 0 and "is asked to stop" in out
    said, _ = process.communicate(timeout=60)
    assert "prompts was stopped by SIGTERM" in said and (place.root / "saved").exists()


def test_an_unknown_place_is_refused_before_anything_happens(place: Place, r1: Run) -> None:
    code, _, err = r1("run", "prompts", "--on", "slrum")
    assert code == 1 and "error: --on: 'slrum' is not one of local, slurm, ray, sky (did you mean slurm?)" in err
    (place.root / "r1.toml").write_text("nodez = 2\n")
    code, _, err = r1("run", "prompts")
    assert code == 1 and "error: r1.toml: unknown key nodez (did you mean nodes?)" in err
    assert place.calls() == []


def test_a_skypilot_task_computes_what_a_run_here_would(place: Place, tmp_path: Path) -> None:
    """Its `run` part, in a clone that shares nothing with the project but a remote; then the result is taken over."""
    text = (place.root / "dvc.yaml").read_text()
    (place.root / "dvc.yaml").write_text(
        text.replace("outs: [data/zero]\n", "outs: [data/zero]\n    meta: {gpus: 1}\n")
    )
    assert dvc(place, "remote", "add", "-d", "shared", str(tmp_path / "remote")).returncode == 0
    assert place.r1("run", "prompts").returncode == 0 and dvc(place, "push").returncode == 0
    subprocess.run(["git", "commit", "-qam", "prompts"], cwd=place.root, check=True)
    there, twin = Place(root=tmp_path / "there"), Place(root=tmp_path / "twin")
    for clone in (there, twin):
        subprocess.run(["git", "clone", "-q", place.root, clone.root], check=True)
    task = params_file.read_text(place.r1("run", "zero", "--single", "--on", "sky", "--dry-run").stdout, "task.yaml")
    script = task["run"]
    assert isinstance(script, str) and "dvc pull data/prompts\n" in script
    done = subprocess.run(["bash", "-c", script], cwd=there.root, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert there.calls() == ["zero"]
    shutil.copy(there.root / "dvc.lock", place.root)  # as docs/cluster.md says
    for part in ("data/metrics", "data/plots"):
        shutil.copytree(there.root / part, place.root / part, dirs_exist_ok=True)
    assert dvc(place, "pull", "zero").returncode == 0
    assert place.r1("run", "zero", "--on", "local").returncode == 0 and place.calls() == ["prompts"]
    assert dvc(twin, "pull", "prompts").returncode == 0 and twin.r1("run", "zero", "--on", "local").returncode == 0
    assert (place.root / "dvc.lock").read_bytes() == (twin.root / "dvc.lock").read_bytes()
    assert place.files("data/zero") == twin.files("data/zero")


def test_several_nodes_are_for_stages_of_several_processes(place: Place) -> None:
    (place.root / "r1.toml").write_text("nodes = 2\n")
    text = (place.root / "dvc.yaml").read_text()
    for meta, said in (
        ("gpus: 1", "error: prompts is one process, and r1.toml gives it 2 nodes"),
        (
            "gpus: 1, distributed: true",
            "error: prompts is one process, and r1.toml gives it 2 nodes",
        ),  # by DeepSpeed alone
        ("gpus: 1, workers: true", "error: prompts asks for 2 nodes, and this is one machine"),
    ):
        with_meta = text.replace("params: [seed]\n", f"params: [seed]\n    meta: {{{meta}}}\n", 1)
        (place.root / "dvc.yaml").write_text(with_meta)
        done = place.r1("run", "prompts")
        assert done.returncode == 1 and said in done.stderr and "hint: r1.toml: nodes = 1" in done.stderr
        assert not (place.root / "data" / "prompts").exists()
    (place.root / "dvc.yaml").write_text(text)
    assert place.r1("run", "prompts").returncode == 0  # asks for no GPU


def test_the_words_of_the_node_that_failed_first() -> None:
    log = "0: step 1\n1: step 1\n1: no memory\nsrun: error: n2: task 1: Exited with exit code 1\n0: killed\n0: bye\n"
    assert last_words(log, 2) == ["1: step 1", "1: no memory"]
    assert last_words("one\ntwo\nslurmstepd: error: killed\n", 1) == ["two"]
    assert last_words("srun: only this", 3) == ["srun: only this"]
    torchrun = "1: no memory\n1: E1125 api.py:1002] failed (exitcode: 7) local_rank: 0\n1: Traceback\n1:   much more\n"
    assert last_words(torchrun + "srun: error: n2: task 1: Exited with exit code 1", 2)[0] == "1: no memory"
