"""Another revision's outs: dvc.lock from git, the files from DVC's cache. Nothing is checked out or downloaded."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from r1cli import params_file, pipeline
from r1cli.git import git
from r1cli.lineage import snapshot
from r1cli.lineage.snapshot import Snapshot
from stages.contract.errors import UserError

Metrics = Mapping[str, Mapping[str, float]]  # metrics file's stem -> name -> value
WORKSPACE = "workspace"


def state(root: Path, name: str) -> Snapshot:
    """The outs of the working tree, or of a git revision or DVC experiment."""
    return snapshot.opened(root) if name == WORKSPACE else revision(root, name)


def revision(root: Path, name: str) -> Snapshot:
    """The outs of a git revision or DVC experiment.

    Raises:
        UserError: there is no such revision, it has no dvc.lock, or its outs are not in the cache.
    """
    commit = pipeline.resolve_revision(root, name)
    stages = params_file.read_text(git(root, "show", f"{commit}:dvc.lock").decode(), f"{name}:dvc.lock").get("stages")
    cache = pipeline.cache_folder(root)
    files: dict[str, Path] = {}
    known = pipeline.names(root, commit)
    entries = [entry for stage, entry in (stages if isinstance(stages, dict) else {}).items() if stage in known]
    for entry in entries:
        for path, digest in pipeline.paths_of(entry, "outs").items():
            files |= _cached(cache, path, digest, name)
    found = snapshot.snapshot(name, files)
    if not found.artifacts:
        raise UserError(f"{name} has no artifact with a manifest in the cache", hint=f"dvc fetch --rev {name}")
    return found


def _cached(cache: Path, path: str, digest: str, name: str) -> dict[str, Path]:
    place = cache / digest[:2] / digest[2:]
    if not digest.endswith(".dir"):
        return {path: place} if place.is_file() else {}
    if not place.is_file():
        raise UserError(f"{path} of {name} is not in DVC's cache", hint="dvc fetch --all-commits")
    listed = cast(list[dict[str, str]], json.loads(place.read_text()))
    files = {f"{path}/{entry['relpath']}": cache / entry["md5"][:2] / entry["md5"][2:] for entry in listed}
    missing = [file for file, where in files.items() if not where.is_file()]
    if missing:
        raise UserError(f"{missing[0]} of {name} is not in DVC's cache", hint="dvc fetch --all-commits")
    return files


def metrics(root: Path, name: str) -> Metrics:
    """All metrics files of a revision, or of the working tree."""
    if name == WORKSPACE:
        texts = {path.name: path.read_text() for path in sorted((root / "data" / "metrics").glob("*.json"))}
    else:
        commit = pipeline.resolve_revision(root, name)
        listed = git(root, "ls-tree", "--name-only", commit, "data/metrics/").decode().split()
        texts = {path.rpartition("/")[2]: git(root, "show", f"{commit}:{path}").decode() for path in listed}
    return {file.removesuffix(".json"): json.loads(text) for file, text in texts.items()}
