"""A state of the pipeline's outs: the working tree's, or another revision's out of DVC's cache."""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from stages.contract.errors import UserError
from stages.contract.manifest import NAME, Manifest, parse_manifest

UNDESCRIBED = ("data/imports", "data/metrics", "data/plots")  # inputs that no stage's manifest describes


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """What a stage wrote: its folder (as `data/zero`) and its manifest."""

    folder: str
    manifest: Manifest
    digest: str  # SHA-256 of the manifest's file

    @property
    def name(self) -> str:
        return self.manifest.name

    def kept_tables(self) -> list[str]:
        """The tables' file names, sidecars of dropped rows left out."""
        return [name for name, rows in self.manifest.tables.items() if not rows.schema.endswith("_rejected")]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Files by their paths in the project (`data/zero/manifest.json`), with where their bytes lie."""

    label: str
    files: Mapping[str, Path]
    artifacts: Mapping[str, Artifact]  # by stage name; an artifact stands after those it was made from
    broken: Mapping[str, str] = field(default_factory=dict)  # manifests that can't be read, and why

    @cached_property
    def producers(self) -> dict[str, dict[str, list[str]]]:
        """Of each artifact, the artifacts behind each of its inputs: name -> input -> names."""
        return {
            name: {path: behind(path, self.artifacts.values()) for path in artifact.manifest.inputs}
            for name, artifact in self.artifacts.items()
        }

    def parents(self, name: str) -> list[str]:
        """The artifacts that one was made from directly, in order."""
        found = {parent for names in self.producers[name].values() for parent in names}
        return [other for other in self.artifacts if other in found]

    def upstream(self, name: str) -> list[str]:
        """An artifact and everything that leads to it, in order."""
        found = {name}
        for other in reversed(list(self.artifacts)):
            if other in found:
                found.update(self.parents(other))
        return [other for other in self.artifacts if other in found]

    def file(self, artifact: Artifact, name: str) -> Path:
        """Where an artifact's file lies.

        Raises:
            UserError: it isn't here.
        """
        path = f"{artifact.folder}/{name}"
        if path not in self.files:
            raise UserError(f"{path} is not here ({self.label})", hint="dvc checkout   (or: dvc pull)")
        return self.files[path]


def behind(path: str, artifacts: Iterable[Artifact]) -> list[str]:
    """The artifacts whose files a path names: it lies in their folder, or holds it."""
    return [
        artifact.name
        for artifact in artifacts
        if f"{path}/".startswith(f"{artifact.folder}/") or artifact.folder.startswith(f"{path}/")
    ]


def workspace(root: Path) -> Snapshot:
    """The outs as they lie in the project folder now."""
    data = root / "data"
    found = {path.relative_to(root).as_posix(): path for path in sorted(data.rglob("*")) if path.is_file()}
    return snapshot("working tree", found)


def snapshot(label: str, files: Mapping[str, Path]) -> Snapshot:
    """A snapshot of these files. Manifests that can't be read are set apart."""
    found: dict[str, Artifact] = {}
    broken: dict[str, str] = {}
    for name, path in files.items():
        if name.rpartition("/")[2] != NAME:
            continue
        try:
            content = path.read_bytes()
            manifest = parse_manifest(content.decode())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            broken[name] = f"{type(error).__name__}: {error}"
            continue
        artifact = Artifact(folder=name.rpartition("/")[0], manifest=manifest, digest=sha256(content).hexdigest())
        found[artifact.name] = artifact
    return Snapshot(label=label, files=files, artifacts=_ordered(found), broken=broken)


def _ordered(found: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """Artifacts after those that they were made from; otherwise by name."""
    parents = {
        name: {p for path in artifact.manifest.inputs for p in behind(path, found.values())} - {name}
        for name, artifact in found.items()
    }
    ordered: dict[str, Artifact] = {}
    while len(ordered) < len(found):
        ready = [name for name in sorted(found) if name not in ordered and parents[name] <= ordered.keys()]
        if not ready:  # manifests of different runs can contradict each other
            ready = [name for name in sorted(found) if name not in ordered]
        ordered.update({name: found[name] for name in ready})
    return ordered


def opened(root: Path) -> Snapshot:
    """The working tree's snapshot, for questions that need whole manifests.

    Raises:
        UserError: there are none, or one can't be read.
    """
    found = workspace(root)
    if found.broken:
        name, why = next(iter(found.broken.items()))
        raise UserError(f"{name} is no manifest of this r1 ({why})", hint="r1 verify")
    if not found.artifacts:
        raise UserError("no artifact here has a manifest", hint="r1 run all")
    return found


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model in an artifact: its folder there, and the digest that rows name it by."""

    artifact: Artifact
    folder: str
    weights: str

    @property
    def path(self) -> str:
        return f"{self.artifact.folder}/{self.folder}"


def checkpoint(found: Snapshot, target: str) -> Checkpoint:
    """The checkpoint that a stage, a model's name, a path or (the beginning of) a weights digest names.

    Raises:
        UserError: none or several.
    """
    known = [
        Checkpoint(artifact=artifact, folder=folder, weights=weights)
        for artifact in found.artifacts.values()
        for folder, weights in artifact.manifest.checkpoints.items()
    ]
    wanted = target.removeprefix("./").rstrip("/")
    chosen = [
        one
        for one in known
        if wanted in (one.artifact.name, one.artifact.name.replace("@", "-"), one.path, one.artifact.folder)
        or f"data/{wanted}" in (one.path, one.artifact.folder)
        or (len(wanted) >= 6 and one.weights.startswith(wanted))
    ]
    if not chosen:
        names = [one.artifact.name if len(one.artifact.manifest.checkpoints) == 1 else one.path for one in known]
        near = difflib.get_close_matches(wanted, names, n=1)
        raise UserError(
            f"no checkpoint is called {target!r}"
            + (f" (did you mean {near[0]}?)" if near else f" (there are: {', '.join(names)})"),
            hint="r1 run all" if not known else f"r1 lineage {known[-1].artifact.name}",
        )
    if len(chosen) > 1:
        raise UserError(
            f"{target!r} names {len(chosen)} checkpoints: {', '.join(one.path for one in chosen)}",
            hint=f"r1 lineage {chosen[0].path}",
        )
    return chosen[0]


def contradictions(found: Snapshot, name: str) -> list[str]:
    """Where an artifact, or one behind it, was made from other files than those that lie here with their manifests:
    what is said of their rows is then not about the rows that it was made from."""
    listed = []
    for reader in found.upstream(name):
        for path, known in found.artifacts[reader].manifest.inputs.items():
            files = {f"{path}/{file}": digest for file, digest in known.files.items()} or {path: known.sha256}
            for producer in (found.artifacts[other] for other in found.producers[reader][path]):
                for file, digest in files.items():
                    own = file.removeprefix(f"{producer.folder}/")
                    if own in (file, NAME):
                        continue  # another artifact's, or a manifest, which may change without its rows
                    if own not in producer.manifest.files or producer.manifest.files[own].sha256 != digest:
                        listed.append(f"{reader} was made from another {file} than lies here")
            if path.startswith("data/") and path not in UNDESCRIBED and not found.producers[reader][path]:
                listed.append(f"nothing here says where {path} came from, which {reader} was made from")
    return listed


def whole(found: Snapshot, name: str) -> None:
    """Check that an artifact was made from what lies here.

    Raises:
        UserError: it wasn't.
    """
    if wrong := contradictions(found, name):
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UserError(f"{wrong[0]}{more}", hint=f"r1 run {name}   (or go back: git checkout, dvc checkout)")


def lineage_digest(found: Snapshot, name: str) -> str:
    """One digest for an artifact and all that led to it: over the manifests' paths and digests."""
    listed = {f"{found.artifacts[n].folder}/{NAME}": found.artifacts[n].digest for n in found.upstream(name)}
    return sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
