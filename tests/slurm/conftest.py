"""A project whose stage goes to a real Slurm of two nodes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from r1cli import code_lock
from tests.cli.conftest import Place, place, template  # noqa: F401
from tests.slurm import cluster as clusters
from tests.slurm.cluster import Cluster

STAGE = '''\
"""A stage for Slurm."""

import os
import sys
import time

from stages.contract.job import start


def main(params, paths, report):
    project = paths.data.parent
    mode = (project / "mode.txt").read_text().strip()
    with (project / "calls.log").open("a") as calls:
        calls.write(os.environ.get("SLURM_JOB_ID", "here") + "\\n")
    if mode == "die":
        sys.stderr.write("last words\\n")
        os._exit(7)
    if mode == "count":
        kept = paths.attempt.folder / "count"
        done = int(kept.read_text()) if kept.exists() else 0
        report.note(f"goes on from {done}")
        with paths.attempt.stopping.under_way():
            while done < 10 or (project / "hold").exists():
                time.sleep(0.1)
                done += 1
                with (project / "counted.log").open("a") as counted:
                    counted.write(f"{done}\\n")
                kept.with_suffix(".part").write_text(str(done))
                os.replace(kept.with_suffix(".part"), kept)
                paths.attempt.stopping.committed()
    (paths.out / "rows.txt").write_text(f"{params.seed}{mode}")
    paths.write_metrics({"rows": params.seed})


def worker(rank):
    """What every process but the first does in a stage of many."""
    print(f"rank {rank} of {os.environ['WORLD_SIZE']}", flush=True)
    with open("calls.log", "a") as calls:
        calls.write(f"rank {rank}\\n")
    if open("mode.txt").read().strip() == "die":
        print("rank words", flush=True)
        os._exit(9)


rank = int(os.environ.get("RANK", 0))
worker(rank) if rank else start(main)
'''
TOML = """\
executor = "slurm"
cpus_per_node = 2
memory_gb = 1

[slurm]
partition = "low"
poll_s = 0.5
lease_s = 12.0
"""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    lacking = clusters.missing()
    if lacking:
        pytest.skip(f"no Slurm on this machine ({', '.join(lacking)}); CONTRIBUTING.md says how to install it")
    with clusters.started(tmp_path_factory.mktemp("slurm")) as found:
        yield found


@pytest.fixture
def project(place: Place, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:  # noqa: F811
    """The stage `prompts` asks for a GPU, so that it goes where r1.toml says."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    (place.root / "stages" / "prompts.py").write_text(STAGE)
    text = (place.root / "dvc.yaml").read_text()
    (place.root / "dvc.yaml").write_text(
        text.replace("    params: [seed]\n", "    params: [seed]\n    meta: {gpus: 1}\n", 1)
    )
    (place.root / "r1.toml").write_text(TOML)
    code_lock.write(place.root, code_lock.out_of_date(place.root, ["prompts"]))
    subprocess.run(["git", "commit", "-qam", "slurm"], cwd=place.root, check=True)
    yield place
    cluster.mend()


def counted(project: Place) -> list[int]:  # noqa: F811
    """What the stage has counted in all its attempts: each number once, if each went on where the one before ended. It
    counts while the file `hold` is there."""
    log = project.root / "counted.log"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def lock(root: Path) -> bytes:
    return (root / "dvc.lock").read_bytes()
