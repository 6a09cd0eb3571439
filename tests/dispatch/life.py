"""A stage whose life on a real scheduler tests follow: it counts, and tells in files what it was and what it did."""

import shutil
import subprocess
import time
from collections.abc import Callable

from r1cli import code_lock
from tests.cli.conftest import Place, environment

STAGE = '''\
"""A stage for a scheduler."""

import json
import os
import sys
import time

from stages.contract.job import start


def job():
    """Of Slurm, Ray, or none."""
    ray = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")).get("metadata", {})
    return os.environ.get("SLURM_JOB_ID") or ray.get("job_submission_id", "here")


def main(params, paths, report):
    project = paths.data.parent
    mode = (project / "mode.txt").read_text().strip()
    with (project / "calls.log").open("a") as calls:
        calls.write(job() + "\\n")
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
SECONDS = 300  # on a machine that does much else
_LOCKS: dict[tuple[str, str], bytes] = {}  # by mode and dvc.yaml


def send_prompts(place: Place, toml: str) -> None:
    """Give a project this stage as `prompts`; it asks for a GPU, so that it goes where r1.toml says."""
    (place.root / "stages" / "prompts.py").write_text(STAGE)
    text = (place.root / "dvc.yaml").read_text()
    (place.root / "dvc.yaml").write_text(
        text.replace("    params: [seed]\n", "    params: [seed]\n    meta: {gpus: 1}\n", 1)
    )
    (place.root / "r1.toml").write_text(toml)
    code_lock.write(place.root, code_lock.out_of_date(place.root, ["prompts"]))
    subprocess.run(["git", "commit", "-qam", "a scheduler"], cwd=place.root, check=True)


def train_together(project: Place) -> None:
    """Make `prompts` a training of several processes."""
    for name, old, new in (
        (
            "dvc.yaml",
            "params: [seed]\n    meta: {gpus: 1}",
            "params: [seed, trainer]\n    meta: {gpus: 1, distributed: true}",
        ),
        ("params.yaml", "seed:", "trainer: {engine: deepspeed}\nseed:"),
    ):
        text = (project.root / name).read_text()
        assert old in text
        (project.root / name).write_text(text.replace(old, new, 1))
    # Nothing of DeepSpeed runs here, but manifests say its version.
    installed = project.root / "deepspeed-0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: deepspeed\nVersion: 0\n")


def r1(project: Place, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["r1", *arguments], cwd=project.root, env=environment(), capture_output=True, text=True, timeout=SECONDS
    )


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def ended(process: "subprocess.Popen[str]") -> str:
    out, _ = process.communicate(timeout=SECONDS)
    return out


def counted(project: Place) -> list[int]:
    """What the stage has counted in all its attempts: each number once, if each went on where the one before ended. It
    counts while the file `hold` is there."""
    log = project.root / "counted.log"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def as_here(project: Place) -> bool:
    """Whether the dvc.lock is that of a local run of the same project. Each mode is run here once."""
    mode = (project.root / "mode.txt").read_text(), (project.root / "dvc.yaml").read_text()
    if mode not in _LOCKS:
        twin = Place(root=project.root.parent / "twin")
        left = ("hold", "calls.log", "counted.log", "r1.toml", "dvc.lock", "data", "cache", ".r1")
        shutil.copytree(project.root, twin.root, symlinks=True, ignore=shutil.ignore_patterns(*left))
        done = r1(twin, "run", "prompts", "--on", "local")
        assert done.returncode == 0 and twin.calls() == ["here"], done.stdout + done.stderr
        _LOCKS[mode] = (twin.root / "dvc.lock").read_bytes()
    return (project.root / "dvc.lock").read_bytes() == _LOCKS[mode]


def counting(project: Place) -> "subprocess.Popen[str]":
    """A run whose stage counts until the file `hold` is removed."""
    project.set_mode("count")
    (project.root / "hold").touch()
    process = project.start("r1", "run", "prompts", own_group=True)
    wait_for(lambda: len(counted(project)) > 5)
    return process


def in_order(project: Place) -> bool:
    found = counted(project)
    return len(found) >= 10 and found == list(range(1, len(found) + 1))


def attempts(project: Place) -> tuple[int, int]:
    """How often a stage was begun, and by how many jobs."""
    return len(project.calls()), len(set(project.calls()))


def goes_on_after(project: Place, process: "subprocess.Popen[str]", *, exact: bool = True) -> None:
    """The job is started again, goes on where it was, and is published."""
    wait_for(lambda: attempts(project)[0] > 1)
    (project.root / "hold").unlink()
    out = ended(process)
    assert process.returncode == 0, out
    assert attempts(project)[1] == 1 and out.count("goes on from") == attempts(project)[0]
    assert as_here(project)
    if exact:
        assert in_order(project)
