"""`r1 gc`: what nothing refers to any more: work folders, and files in DVC's cache.

A reference is a dvc.lock (the working tree's, the index's, the copy that `r1 stage` keeps, those of experiments that run
in temporary folders, and those of every commit behind any branch, tag, stash or experiment) or a run record: the newest
of each stage. What a process works in, or a job of a scheduler, is kept whatever refers to it; so is what a job finished
that nobody has published yet.

What stages keep for their later runs (`.r1/store`: sampled answers, results of curation by shard) is referred to by nothing
and costs only work to make again: its size is said, and it goes when that is asked for.

Not covered: a cache that lies outside the project, since other projects may use it; remotes (`dvc gc --cloud`).
"""

import fcntl
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from r1cli import console, execute, mend, params_file, pipeline, ready, runs, workfolder
from r1cli.dispatch import lease
from r1cli.git import git
from r1cli.project import Project
from stages.contract.errors import UserError
from stages.contract.store import lock_of

_MD5 = re.compile(rb"\bmd5: '?\"?([0-9a-f]{32}(?:\.dir)?)")
_STORES = ("files/md5", "runs")  # in DVC's cache
_USERS = {"exposure": "evaluate"}  # what a folder of .r1/store is of, where it has another name than its stage


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something to remove. `size`: of its files; `frees`: of those that have no other name once all items are gone."""

    kind: str  # work folder | cache file | run-cache entry | store
    path: Path
    why: str
    files: int
    size: int
    frees: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would be removed, how much would be kept, and what was not looked at (for the user)."""

    items: Sequence[Item]
    kept: Mapping[str, int]  # by kind
    notes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class References:
    """What is referred to: fingerprints of work folders, and MD5s of files in DVC's cache (with `.dir` for folders)."""

    fingerprints: frozenset[str]
    digests: frozenset[str]


def plan(project: Project, *, store: bool = False) -> Plan:
    """Look for what nothing refers to, and with `store` for what stages keep for later runs. Nothing is changed."""
    known = references(project)
    kept: Counter[str] = Counter()
    found: list[tuple[str, Path, str]] = []
    newest = {run.fingerprint for run in runs.latest(project.runs).values()}
    for work in sorted(project.work.glob("*/*")):
        used = work.name in known.fingerprints | newest or workfolder.busy(work) or _of_a_job(project, work)
        why = "" if used else _why_stale(work)
        found += [("work folder", work, why)] if why else []
        kept["work folder"] += not why
    cache = pipeline.cache_folder(project.root).parents[1]
    notes = []
    for folder in _stores(project):
        if store:
            found.append(("store", folder, "only saves work in later runs"))
        else:
            size = console.amount(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
            notes.append(f"{project.shown(folder)} saves work in later runs ({size}): r1 gc --store removes it, too")
    if cache.resolve().is_relative_to(project.root.resolve()):
        stale = list(_stale_in_cache(cache, known))
        found += stale
        total = sum(1 for store in _STORES for path in (cache / store).rglob("*") if path.is_file())
        kept["cache file"] = total - len(stale)
    else:
        notes.append(f"DVC's cache lies outside the project ({cache}): dvc gc --all-commits --projects ...")
    return Plan(items=_sized(found), kept=kept, notes=notes)


def collect(project: Project, *, store: bool = False) -> tuple[Plan, list[Item]]:
    """Remove what nothing refers to, and with `store` what stages keep for later runs. Returns the plan, and what was in use meanwhile and stayed.

    Raises:
        UserError: a DVC is writing.
    """
    with mend.no_dvc_writes(project.root) as alone:
        if not alone:
            raise UserError("a DVC is writing to the cache at this moment", hint="r1 status ; r1 gc --yes")
        chosen = plan(project, store=store)
        stayed = [item for item in chosen.items if not _remove(project, item)]
    return chosen, stayed


def references(project: Project) -> References:
    """Everything that any dvc.lock or .dvc file names.

    Raises:
        UserError: one of them can't be read; without all references nothing may be removed.
    """
    entries: set[str] = set()  # most are the same in most commits
    digests: set[str] = set()
    for name, content in _texts(project):
        digests |= {match.decode() for match in _MD5.findall(content)}
        if name.endswith("dvc.lock"):
            entries.update(pipeline.entries_of(content.decode())[1].values())
    cache = pipeline.cache_folder(project.root)
    for digest in [digest for digest in digests if digest.endswith(".dir")]:
        digests |= _listed(cache / digest[:2] / digest[2:])
    return References(fingerprints=frozenset(map(_fingerprint, entries)), digests=frozenset(digests))


def described(project: Project, found: Plan, stayed: Sequence[Item], *, removed: bool) -> dict[str, object]:
    """For programs."""
    items = [{**vars(item), "path": project.shown(item.path)} for item in found.items if item not in stayed]
    return {
        "removed": removed,
        "items": items,
        "frees": sum(item.frees for item in found.items if item not in stayed),
        "in_use": [project.shown(item.path) for item in stayed],
        "kept": dict(found.kept),
        "notes": list(found.notes),
    }


def cells(project: Project, found: Plan) -> list[list[str]]:
    """For people: each work folder and store, and what lies in the cache together."""
    rows = [
        [project.shown(item.path), item.why, f"{item.files:,}", console.amount(item.size), console.amount(item.frees)]
        for item in found.items
        if item.kind in ("work folder", "store")
    ]
    for kind, name in (("cache file", "DVC's cache"), ("run-cache entry", "DVC's run cache")):
        items = [item for item in found.items if item.kind == kind]
        if items:
            sizes = [
                console.amount(sum(item.size for item in items)),
                console.amount(sum(item.frees for item in items)),
            ]
            rows.append([name, items[0].why, f"{len(items):,}", *sizes])
    return rows


def _texts(project: Project) -> Iterator[tuple[str, bytes]]:
    """The names and contents of all dvc.lock and .dvc files, in all states that something names."""
    root = project.root
    for path in (*root.rglob("dvc.lock"), *root.rglob("*.dvc"), project.state / "dvc.lock"):
        if path.is_file():
            yield str(path), path.read_bytes()
    listed = git(root, "rev-list", "--objects", "--all", "HEAD", "--", "*dvc.lock", "*.dvc").splitlines()
    blobs = {line[:40].decode(): line[41:].decode() for line in listed if line[41:].endswith((b"dvc.lock", b".dvc"))}
    for line in git(root, "ls-files", "--stage", "--", "*dvc.lock", "*.dvc").splitlines():
        entry, _, name = line.decode().partition("\t")
        blobs[entry.split()[1]] = name
    yield from zip(blobs.values(), _blobs(root, list(blobs)), strict=True)


def _blobs(root: Path, digests: Sequence[str]) -> Iterator[bytes]:
    answer = git(root, "cat-file", "--batch", given="\n".join(digests).encode())
    at = 0
    for _ in digests:
        head, _, _ = answer[at:].partition(b"\n")
        at += len(head) + 1
        size = int(head.split()[2])
        yield answer[at : at + size]
        at += size + 1


def _fingerprint(lines: str) -> str:
    """The name of the work folder that an entry of a dvc.lock was computed in."""
    try:
        (entry,) = params_file.read_text(lines, "dvc.lock").values()
        assert isinstance(entry, dict)
        params = entry.get("params", {}).get("params.yaml", {})
        deps = {dep["path"]: dep["md5"] for dep in entry.get("deps", []) if "md5" in dep}
        return ready.fingerprint_of(entry["cmd"], params_file.nested(params), deps)
    except (AssertionError, ValueError, KeyError, TypeError, AttributeError) as error:
        first = lines.strip().partition(":")[0]
        raise UserError(f"a dvc.lock has an entry that can't be read ({first})", hint="git log -- dvc.lock") from error


def _listed(path: Path) -> set[str]:
    """The MD5s that a folder's list in the cache names."""
    try:
        return {str(entry["md5"]) for entry in json.loads(path.read_text())}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _of_a_job(project: Project, work: Path) -> bool:
    """Whether a scheduler's job works in a folder, or will, or has finished it and was not published yet."""
    if lease.living(work / "lease"):
        return True
    if workfolder.submitted(work) is None:
        return False
    try:
        return workfolder.finished(work) or execute.living(project, work) is not None
    except UserError:
        return True  # its scheduler doesn't answer


def _why_stale(work: Path) -> str:
    return "finished, in no dvc.lock" if workfolder.finished(work) else "unfinished, and not its stage's last run"


def _stale_in_cache(cache: Path, known: References) -> Iterator[tuple[str, Path, str]]:
    gone: set[bytes] = set()
    for path in sorted((cache / "files" / "md5").rglob("*")):
        digest = path.parent.name + path.name
        if path.is_file() and digest not in known.digests:
            gone.add(digest.encode())
            yield "cache file", path, "in no dvc.lock"
    for path in sorted((cache / "runs").rglob("*")):
        if path.is_file() and not gone.isdisjoint(_MD5.findall(path.read_bytes())):
            yield "run-cache entry", path, "of results that are removed"


def _sized(found: Sequence[tuple[str, Path, str]]) -> list[Item]:
    """Items with their sizes. A file frees its space with its last name: counted for the item that holds it last."""
    files = {path: [f for f in (path.rglob("*") if path.is_dir() else [path]) if f.is_file()] for _, path, _ in found}
    names: Counter[tuple[int, int]] = Counter()
    items = []
    for kind, path, why in found:
        size = frees = 0
        for file in files[path]:
            stat = file.lstat()
            names[stat.st_dev, stat.st_ino] += 1
            size += stat.st_size
            frees += stat.st_size if names[stat.st_dev, stat.st_ino] == stat.st_nlink else 0
        items.append(Item(kind=kind, path=path, why=why, files=len(files[path]), size=size, frees=frees))
    return items


def _stores(project: Project) -> list[Path]:
    return [path for path in sorted((project.state / "store").glob("*")) if path.is_dir()]


def _stored_for(project: Project, store: Path) -> Iterator[Path]:
    """The work folders of the stage that uses a store."""
    stage = _USERS.get(store.name, store.name)
    return (path for pattern in (f"{stage}/*", f"{stage}@*/*") for path in project.work.glob(pattern))


def _remove(project: Project, item: Item) -> bool:
    """Remove an item, unless it is a folder that somebody has begun to work in."""
    if item.kind not in ("work folder", "store"):
        item.path.unlink()
        return True
    store = item.kind == "store"
    # Whoever uses a store holds this lock; a job on a machine that doesn't see it has a lease.
    lock = lock_of(item.path) if store else item.path / "lock"
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Jobs are submitted under a work folder's lock.
        if any(_of_a_job(project, work) for work in (_stored_for(project, item.path) if store else (item.path,))):
            return False
        shutil.rmtree(item.path)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
