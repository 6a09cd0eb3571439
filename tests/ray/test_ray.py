"""A stage's life on a real Ray cluster of two nodes: it succeeds, fails, is stopped, loses its node, and its starter."""

import os
import signal
import subprocess
import time

import pytest

from r1cli import runs
from tests.cli.conftest import Place, environment
from tests.dispatch.life import (
    as_here,
    attempts,
    counted,
    counting,
    ended,
    in_order,
    r1,
    train_together,
    wait_for,
)
from tests.ray.cluster import Cluster

pytestmark = pytest.mark.ray


def edit(project: Place, old: str, new: str) -> None:
    toml = project.root / "r1.toml"
    assert old in toml.read_text()
    toml.write_text(toml.read_text().replace(old, new))


def test_gives_the_lock_of_a_local_run_also_by_plain_dvc(project: Place) -> None:
    there = subprocess.run(
        ["dvc", "repro", "prompts"], cwd=project.root, env=environment(), capture_output=True, text=True
    )
    assert there.returncode == 0, there.stdout + there.stderr
    assert "prompts: job r1-prompts-" in there.stdout and project.calls()[0].startswith("r1-prompts-")
    assert as_here(project)
    run = runs.latest(project.root / ".r1" / "runs")["prompts"]
    assert run.exit_code == 0 and run.max_rss_mb is not None and run.max_rss_mb > 5


def test_brings_back_how_a_job_failed(project: Place) -> None:
    project.set_mode("die")
    done = r1(project, "run", "prompts")
    assert done.returncode == 1
    assert "prompts died without a result (exit code 7)" in done.stderr and "last words" in done.stderr
    project.set_mode("ok")  # a further job of the same folder's name is another one
    assert r1(project, "run", "prompts").returncode == 0 and as_here(project)


def test_what_fails_before_the_stage_is_told(project: Place) -> None:
    edit(project, "poll_s = 0.5\n", 'poll_s = 0.5\nsetup = ["echo no such module >&2; exit 3"]\n')
    done = r1(project, "run", "prompts")
    assert done.returncode == 1 and "exit code 3" in done.stderr and "no such module" in done.stderr
    assert "no such module" in r1(project, "logs", "prompts").stdout


def test_says_where_it_looked_for_ray(project: Place, cluster: Cluster) -> None:
    edit(project, cluster.address, "http://127.0.0.1:9")
    done = r1(project, "run", "prompts")
    assert done.returncode == 1 and "error: Ray does not answer at http://127.0.0.1:9 (" in done.stderr


def test_two_nodes_are_one_torchrun_and_the_node_that_fails_is_quoted(project: Place) -> None:
    train_together(project)
    edit(project, "cpus_per_node = 1\n", "cpus_per_node = 1\nnodes = 2\n")
    done = r1(project, "run", "prompts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert as_here(project) and "rank" in project.calls()
    assert r1(project, "logs", "prompts").stdout in ("0: rank 1 of 2\n", "1: rank 1 of 2\n")
    project.set_mode("die")
    done = r1(project, "run", "prompts")
    assert done.returncode == 1 and ("last words" in done.stderr or "rank words" in done.stderr)


def test_a_stopped_job_saves_its_step_and_a_new_one_goes_on(project: Place) -> None:
    process = counting(project)
    assert "is asked to stop" in r1(project, "stop", "prompts").stdout
    out = ended(process)
    said = "prompts was stopped by SIGTERM; nothing was published, its last step is saved"
    assert process.returncode == 1 and said in out
    assert r1(project, "stop", "prompts").returncode == 1
    (project.root / "hold").unlink()
    done = r1(project, "run", "prompts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert in_order(project) and attempts(project) == (2, 2) and as_here(project)


def test_a_job_that_loses_its_node_goes_on_on_another(project: Place, cluster: Cluster) -> None:
    edit(project, "poll_s = 0.5\n", 'poll_s = 0.5\nresources = ["away=1"]\n')
    process = counting(project)
    cluster.lose()
    time.sleep(1)
    cluster.add()
    wait_for(lambda: attempts(project)[0] > 1)
    (project.root / "hold").unlink()
    out = ended(process)
    assert process.returncode == 0, out
    assert "was lost" in out and attempts(project) == (2, 2) and as_here(project)
    # Killed without a warning, the step under way may have been counted and not saved.
    found = counted(project)
    assert sorted(set(found)) == list(range(1, max(found) + 1)) and len(found) <= max(found) + 1


def test_a_killed_starter_leaves_the_job_and_the_next_one_follows_it(project: Place) -> None:
    process = counting(project)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    [job] = project.calls()
    assert f"job {job} on ray, running" in r1(project, "status").stdout
    # Killed between Ray's answer and the note of it.
    (next((project.root / ".r1" / "work" / "prompts").iterdir()) / "handle.json").unlink()
    again = project.start("r1", "run", "prompts")
    assert again.stdout is not None
    seen = iter(again.stdout.readline, "")
    assert any(f"prompts: job {job} on ray" in line for line in seen)
    (project.root / "hold").unlink()
    out = ended(again)
    assert again.returncode == 0, out
    assert in_order(project) and project.calls() == [job] and as_here(project)


def test_a_detached_job_is_published_by_the_next_run(project: Place) -> None:
    project.set_mode("count")
    assert '"entrypoint_num_gpus": 1' in r1(project, "run", "prompts", "--dry-run").stdout
    assert "r1 run prompts follows and publishes it" in r1(project, "run", "prompts", "--detach").stdout
    assert not (project.root / "dvc.lock").exists()
    assert "Traceback" not in r1(project, "logs", "-f", "prompts").stdout
    assert r1(project, "run", "prompts").returncode == 0
    assert in_order(project) and attempts(project) == (1, 1) and as_here(project)
