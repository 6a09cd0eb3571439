"""`r1 gc` removes what nothing refers to, and never what a dvc.lock of any kind or a last run names."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from r1cli import gc, ready, runs
from r1cli.project import Project, find_project
from stages.contract.errors import UserError
from tests.cli.conftest import Place, Run, dvc

LOCK = """\
schema: '2.0'
stages:
  zero:
    cmd: exec r1 stage zero
    deps:
    - path: mode.txt
      hash: md5
      md5: {dep}
      size: 2
    params:
      params.yaml:
        seed: {seed}
        students.small:
          lr: 1e-06
    outs:
    - path: data/zero
      hash: md5
      md5: {folder}
      size: 2
      nfiles: 1
"""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """What a run of a seed left: its lock, its files in the cache, its work folder."""

    lock: str
    files: tuple[Path, ...]
    work: Path

    def there(self) -> set[bool]:
        return {path.exists() for path in (*self.files, self.work)}


def plant(root: Path, seed: int) -> Planted:
    cache = root / ".dvc" / "cache"

    def put(content: bytes, suffix: str = "") -> tuple[str, Path]:
        digest = hashlib.md5(content).hexdigest() + suffix
        path = cache / "files" / "md5" / digest[:2] / digest[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return digest, path

    file, first = put(f"weights of {seed}".encode())
    folder, second = put(json.dumps([{"md5": file, "relpath": "w"}]).encode(), ".dir")
    dep, third = put(f"dep of {seed}".encode())
    values = {"seed": seed, "students": {"small": {"lr": 1e-6}}}
    work = root / ".r1" / "work" / "zero" / ready.fingerprint_of("exec r1 stage zero", values, {"mode.txt": dep})
    (work / "out").mkdir(parents=True)
    os.link(first, work / "out" / "w")
    (work / "result.json").write_text('{"ok": true}')
    lock = LOCK.format(seed=seed, dep=dep, folder=folder)
    run = cache / "runs" / "ab" / f"{seed}"
    run.parent.mkdir(parents=True, exist_ok=True)
    run.write_text(lock)
    return Planted(lock=lock, files=(first, second, third, run), work=work)


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(root: Path, planted: Planted) -> None:
    (root / "dvc.lock").write_text(planted.lock)
    git(root, "add", "dvc.lock")
    git(root, "commit", "-qm", "run")


@pytest.fixture
def planted(place: Place) -> dict[str, Planted]:
    """A run for each kind of reference, by its name, and one that nothing names."""
    root = place.root
    kinds = ("old commit", "branch", "tag", "experiment", "stash", "index", "working tree", "copy", "temporary", "none")
    found = {kind: plant(root, seed) for seed, kind in enumerate(kinds)}
    commit(root, found["old commit"])
    start = git(root, "rev-parse", "HEAD")
    for kind, command in {
        "branch": ["branch", "other"],
        "tag": ["tag", "-a", "v1", "-m", "one"],
        "experiment": ["update-ref", "refs/exps/ab/cdef/ruddy-name", "HEAD"],
    }.items():
        commit(root, found[kind])
        git(root, *command)
        git(root, "reset", "-q", "--hard", start)
    (root / "dvc.lock").write_text(found["stash"].lock)
    git(root, "stash", "-q")
    (root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    git(root, "commit", "-qam", "none")
    (root / "dvc.lock").write_text(found["index"].lock)
    git(root, "add", "dvc.lock")
    (root / "dvc.lock").write_text(found["working tree"].lock)
    (root / ".r1" / "dvc.lock").write_text(found["copy"].lock)
    temporary = root / ".dvc" / "tmp" / "exps" / "standalone" / "x"
    temporary.mkdir(parents=True)
    (temporary / "dvc.lock").write_text(found["temporary"].lock)
    return found


def test_all_that_is_named_stays_and_the_rest_goes(place: Place, planted: dict[str, Planted], r1: Run) -> None:
    code, said, _ = r1("gc")
    assert code == 0 and "nothing was changed" in said and planted["none"].there() == {True}
    assert ".r1/work/zero/" + planted["none"].work.name in said and said.count(".r1/work/zero/") == 1
    code, said, _ = r1("gc", "--yes", "--json")
    told = json.loads(said)
    assert code == 0 and told["removed"] and len(told["items"]) == 5
    assert {kind for kind, one in planted.items() if one.there() == {True}} == set(planted) - {"none"}
    assert planted["none"].there() == {False}
    assert r1("gc")[1] == "nothing to remove: everything is referred to\n"


def test_what_is_named_no_more_goes(place: Place, planted: dict[str, Planted], r1: Run) -> None:
    git(place.root, "tag", "-d", "v1")
    git(place.root, "update-ref", "-d", "refs/exps/ab/cdef/ruddy-name")
    assert r1("gc", "--yes")[0] == 0
    assert {kind for kind, one in planted.items() if one.there() == {False}} == {"none", "tag", "experiment"}


def test_linked_files_free_their_space_once(place: Place, planted: dict[str, Planted]) -> None:
    items = gc.plan(find_project(place.root)).items
    weights = len("weights of 9")
    assert sum(item.size for item in items) - sum(item.frees for item in items) == weights
    shutil.copyfile(planted["none"].files[0], place.root / "x")
    os.link(planted["none"].files[0], place.root / "data-in-use")
    items = gc.plan(find_project(place.root)).items
    assert sum(item.size for item in items) - sum(item.frees for item in items) == 2 * weights


def unfinished(project: Project, name: str, *, run: bool = True) -> Path:
    work = project.work / "zero" / name
    (work / "steps").mkdir(parents=True)
    (work / "lock").touch()
    if run:
        runs.begin(project.runs, stage="zero", fingerprint=name)
    return work


def test_what_the_next_run_would_resume_stays(place: Place, r1: Run) -> None:
    project = find_project(place.root)
    git(place.root, "commit", "-q", "--allow-empty", "-m", "x")
    older, running, last = (unfinished(project, name) for name in ("older", "running", "last"))
    with (running / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, said, _ = r1("gc", "--yes")
    assert code == 0 and "unfinished, and not its stage's last run" in said
    assert (older.exists(), running.exists(), last.exists()) == (False, True, True)


def test_a_work_folder_that_is_taken_meanwhile_stays(place: Place) -> None:
    project = find_project(place.root)
    work = unfinished(project, "taken", run=False)
    (item,) = gc.plan(project).items
    with (work / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not gc._remove(project, item) and work.exists()
    assert gc._remove(project, item) and not work.exists()


def test_without_all_references_nothing_is_removed(place: Place, planted: dict[str, Planted], r1: Run) -> None:
    for break_it in (
        lambda: (place.root / ".git" / "HEAD").write_text("nonsense"),
        lambda: (place.root / "dvc.lock").write_text("stages:\n  zero:\n    cmd: [\n"),
    ):
        kept = (place.root / ".git" / "HEAD").read_text()
        (place.root / ".r1" / "dvc.lock").unlink(missing_ok=True)
        break_it()
        code, _, said = r1("gc", "--yes")
        assert code == 1 and said.startswith("error: ") and "hint: " in said
        assert planted["none"].there() == {True}
        (place.root / ".git" / "HEAD").write_text(kept)


def test_a_cache_outside_the_project_is_not_touched(place: Place, planted: dict[str, Planted], r1: Run) -> None:
    outside = place.root.parent / "shared"
    shutil.move(place.root / ".dvc" / "cache", outside)
    dvc(place, "cache", "dir", "--local", str(outside))
    code, said, _ = r1("gc", "--yes")
    assert code == 0 and "lies outside the project" in said
    assert len([path for path in outside.rglob("*") if path.is_file()]) == 4 * len(planted)


def test_a_dvc_that_writes_is_not_disturbed(place: Place, planted: dict[str, Planted]) -> None:
    with (place.root / ".dvc" / "tmp" / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="a DVC is writing"):
            gc.collect(find_project(place.root))


def test_after_gc_everything_recorded_is_still_there(place: Place, r1: Run) -> None:
    """With real runs: another seed's results are on a branch, a third's nowhere."""
    for seed, keep in (("2", True), ("3", False)):
        assert place.r1("run", "zero", "--set", f"seed={seed}").returncode == 0
        if keep:
            git(place.root, "checkout", "-qb", "other")
            git(place.root, "add", "-A")
            git(place.root, "commit", "-qm", "two")
            git(place.root, "checkout", "-q", "main")
    assert place.r1("run", "zero", "--set", "seed=1").returncode == 0
    code, said, _ = r1("gc", "--yes")
    assert code == 0 and "freed" in said
    git(place.root, "add", "-A")
    git(place.root, "commit", "-qm", "one")
    git(place.root, "checkout", "-q", "other")
    shutil.rmtree(place.root / "data" / "prompts")
    done = dvc(place, "checkout", "-f", "prompts", "zero")
    assert done.returncode == 0, done.stderr
    assert (place.root / "data" / "prompts" / "rows.txt").read_text() == "2ok"


def keep(root: Path, *names: str) -> None:
    """What stages keep for later runs, with the lock that they hold meanwhile."""
    for name in names:
        folder = root / ".r1" / "store" / name / "shard"
        folder.mkdir(parents=True)
        (folder / "kept.parquet").write_bytes(b"x" * 3000)
        (root / ".r1" / "store" / f"{name}.lock").touch()


def stored(root: Path) -> set[str]:
    return {path.name for path in (root / ".r1" / "store").iterdir() if path.is_dir()}


def test_what_stages_keep_is_named_and_goes_only_when_that_is_asked_for(place: Place, r1: Run) -> None:
    keep(place.root, "rejection", "exposure")
    git(place.root, "commit", "-q", "--allow-empty", "-m", "x")
    code, said, _ = r1("gc", "--yes")
    assert code == 0 and stored(place.root) == {"rejection", "exposure"}
    assert ".r1/store/rejection saves work in later runs (3.0 kB): r1 gc --store removes it, too" in said
    code, said, _ = r1("gc", "--store")
    assert code == 0 and ".r1/store/exposure" in said and "r1 gc --store --yes removes it" in said
    assert stored(place.root) == {"rejection", "exposure"}
    told = json.loads(r1("gc", "--store", "--yes", "--json")[1])
    assert told["frees"] == 6000 and [item["kind"] for item in told["items"]] == ["store"] * 2
    assert stored(place.root) == set()
    assert r1("gc", "--store")[1] == "nothing to remove: everything is referred to\n"


def test_a_store_that_a_run_uses_stays(place: Place, r1: Run) -> None:
    keep(place.root, "rejection", "exposure", "cold_start")
    git(place.root, "commit", "-q", "--allow-empty", "-m", "x")
    leased = place.root / ".r1" / "work" / "evaluate@base" / "fingerprint"
    leased.mkdir(parents=True)
    with (place.root / ".r1" / "store" / "rejection.lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_SH)  # as stages/assembly/curation.py does
        patch.setattr("r1cli.dispatch.lease.living", lambda path: path.is_relative_to(leased))  # on another machine
        code, said, _ = r1("gc", "--store", "--yes")
    assert code == 0 and "in use meanwhile, so it stayed: .r1/store/rejection" in said
    assert stored(place.root) == {"rejection", "exposure"}
