"""A stage's life on a real Slurm of two nodes: it succeeds, fails, is stopped, preempted, runs into its time limit, loses
its node, and its starter."""

import os
import signal
import subprocess

import pytest

from r1cli import runs
from tests.cli.conftest import Place, environment
from tests.dispatch.life import (
    as_here,
    attempts,
    counted,
    counting,
    ended,
    goes_on_after,
    in_order,
    r1,
    train_together,
    wait_for,
)
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm


def test_gives_the_lock_of_a_local_run_also_by_plain_dvc(project: Place) -> None:
    there = subprocess.run(
        ["dvc", "repro", "prompts"], cwd=project.root, env=environment(), capture_output=True, text=True
    )
    assert there.returncode == 0, there.stdout + there.stderr
    assert "prompts: job " in there.stdout
    assert project.calls()[0].isdecimal()
    assert as_here(project)
    run = runs.latest(project.root / ".r1" / "runs")["prompts"]
    assert run.exit_code == 0 and run.max_rss_mb is not None and run.max_rss_mb > 5


def test_brings_back_how_a_job_failed(project: Place, cluster: Cluster) -> None:
    project.set_mode("die")
    done = r1(project, "run", "prompts")
    assert done.returncode == 1
    assert "prompts died without a result (exit code 7)" in done.stderr and "last words" in done.stderr
    toml = project.root / "r1.toml"
    toml.write_text(toml.read_text().replace('"low"', '"none"'))
    done = r1(project, "run", "prompts")
    assert done.returncode == 1 and "error: Slurm refuses prompts:" in done.stderr and "artition" in done.stderr


def test_two_nodes_are_one_torchrun_and_the_node_that_fails_is_quoted(project: Place) -> None:
    train_together(project)
    toml = project.root / "r1.toml"
    toml.write_text(toml.read_text().replace("cpus_per_node = 2\n", "nodes = 2\ngpus_per_node = 1\n"))
    project.set_mode("ok")
    process = project.start("r1", "run", "prompts")
    out = ended(process)
    assert process.returncode == 0, out
    assert as_here(project) and "rank" in project.calls() and project.files("data/prompts")["rows.txt"] == "1ok"
    assert "rank 1 of 2" in r1(project, "logs", "prompts").stdout
    project.set_mode("die")
    process = project.start("r1", "run", "prompts")
    out = ended(process)
    assert process.returncode == 1 and ("last words" in out or "rank words" in out)


def test_a_stopped_job_saves_its_step_and_a_new_one_goes_on(project: Place, cluster: Cluster) -> None:
    process = counting(project)
    assert "is asked to stop" in r1(project, "stop", "prompts").stdout
    out = ended(process)
    said = "prompts was stopped by SIGTERM; nothing was published, its last step is saved"
    assert process.returncode == 1 and said in out
    wait_for(lambda: not cluster.jobs())
    assert r1(project, "stop", "prompts").returncode == 1
    (project.root / "hold").unlink()
    done = r1(project, "run", "prompts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert in_order(project) and attempts(project) == (2, 2) and as_here(project)


def test_a_preempted_job_goes_on_by_itself(project: Place, cluster: Cluster) -> None:
    process = counting(project)
    other = ["--nodes=2", "--cpus-per-task=2", "--mem=100", "--output=/dev/null", "--wrap=sleep 1"]
    cluster.ask("sbatch", "--partition=high", *other)
    goes_on_after(project, process)


def test_a_job_at_its_time_limit_goes_on_by_itself(project: Place) -> None:
    toml = project.root / "r1.toml"
    toml.write_text('time_limit = "1"\n' + toml.read_text())
    goes_on_after(project, counting(project))


def test_a_job_that_loses_its_node_goes_on_on_another(project: Place, cluster: Cluster) -> None:
    process = counting(project)
    node = cluster.jobs()[0].split()[-1]
    cluster.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    # Killed without a warning, the step under way may have been counted and not saved.
    goes_on_after(project, process, exact=False)
    found = counted(project)
    assert sorted(set(found)) == list(range(1, max(found) + 1)) and len(found) <= max(found) + 1


@pytest.mark.parametrize("handle", ["kept", "lost"])
def test_a_killed_starter_leaves_the_job_and_the_next_one_follows_it(
    project: Place, cluster: Cluster, handle: str
) -> None:
    process = counting(project)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    job = cluster.jobs()[0].split()[0]
    if handle == "lost":  # killed between sbatch's answer and the note of it
        (next((project.root / ".r1" / "work" / "prompts").iterdir()) / "handle.json").unlink()
    else:
        assert f"job {job} on slurm, running" in r1(project, "status").stdout
    again = project.start("r1", "run", "prompts")
    assert again.stdout is not None
    seen = iter(again.stdout.readline, "")
    assert any(f"prompts: job {job} on slurm" in line for line in seen)
    (project.root / "hold").unlink()
    out = ended(again)
    assert again.returncode == 0, out
    assert in_order(project) and project.calls() == [job] and as_here(project)


def test_a_detached_job_is_published_by_the_next_run(project: Place, cluster: Cluster) -> None:
    project.set_mode("count")
    script = r1(project, "run", "prompts", "--dry-run").stdout
    assert "#SBATCH --partition=low" in script and not cluster.jobs()
    assert "r1 run prompts follows and publishes it" in r1(project, "run", "prompts", "--detach").stdout
    assert not (project.root / "dvc.lock").exists()
    assert r1(project, "logs", "-f", "prompts").returncode == 0
    assert r1(project, "run", "prompts").returncode == 0
    assert in_order(project) and attempts(project) == (1, 1) and as_here(project)
