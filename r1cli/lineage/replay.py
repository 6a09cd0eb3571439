"""Do a training's first steps again and compare: the same rows, the same samples, the same weights to the bit."""

import importlib.metadata
import shutil
import sys
from dataclasses import dataclass

from r1cli import follow, ready
from r1cli.dispatch.executor import Executor
from r1cli.lineage.snapshot import Checkpoint, Snapshot
from r1cli.project import Project
from r1cli.workfolder import locked
from stages.contract.errors import UserError
from stages.contract.manifest import Head, read_head
from stages.contract.params import parse


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What came of it. `entries`: whether the steps took in the same rows; `weights`: whether they led to the same."""

    artifact: str
    step: int
    entries: bool
    weights: bool

    @property
    def same(self) -> bool:
        return self.entries and self.weights

    def hint(self, found: Snapshot) -> str:
        """What may be the reason where it is not the same."""
        then = found.artifacts[self.artifact].manifest.determinism.libraries
        others = [f"{name} {then[name]} then, {here} now" for name in then if (here := _version(name)) != then[name]]
        return "; ".join(others) or "another kind of processor?   (r1 doctor shows this one)"


def replay(project: Project, found: Snapshot, chosen: Checkpoint, steps: int, executor: Executor) -> Replay:
    """Train from the same start for the last recorded step that is at most `steps`: 1, 2, 4, 8, ...

    Raises:
        UserError: the checkpoint was not trained here, or the code is another.
    """
    artifact = chosen.artifact
    manifest = artifact.manifest
    name, head = _ledger(chosen)
    lock = project.root / "stages" / "code.lock" / manifest.stage
    if not lock.is_file() or lock.read_text().strip() != manifest.code:
        raise UserError(f"{artifact.name} was made by other code ({manifest.code[:8]})", hint=f"r1 run {artifact.name}")
    step = max(int(s) for s in head.weights if int(s) <= max(1, steps))
    work = project.work / "replay" / artifact.name
    job = {
        "stage": manifest.stage,
        "item": manifest.item,
        "params": manifest.params,
        "data": str(project.data),
        "replay": step,
    }
    with locked(work, "replay") as descriptor:
        spec = ready.job_spec(
            f"replay {artifact.name}",
            work,
            job,
            cwd=project.root,
            env=ready.environment(parse(manifest.params), manifest.item),
            inherited=(descriptor,),
        )
        outcome = follow.compute(spec, job, executor=executor)
        follow.check(outcome, work, artifact.name)
        again = read_head(work / "out" / name.replace(".parquet", ".json"))
    shutil.rmtree(work, ignore_errors=True)
    return Replay(
        artifact=artifact.name,
        step=step,
        entries=again.head == _link(found, chosen, name, step),
        weights=again.weights.get(str(step)) == head.weights[str(step)],
    )


def _version(library: str) -> str:
    if library == "python":
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _ledger(chosen: Checkpoint) -> tuple[str, Head]:
    ledgers = chosen.artifact.manifest.ledgers
    for name, head in ledgers.items():
        if head.trains == chosen.folder and head.weights:
            if name != next(iter(ledgers)):
                raise UserError(
                    f"{chosen.path} is trained after {next(iter(ledgers.values())).trains}: only a stage's first model "
                    "is replayed",
                    hint=f"r1 verify {chosen.artifact.folder}/{next(iter(ledgers.values())).trains} --replay 1",
                )
            return name, head
    raise UserError(f"{chosen.path} was not trained here", hint=f"r1 verify {chosen.artifact.name}")


def _link(found: Snapshot, chosen: Checkpoint, name: str, step: int) -> str:
    """The chain's link after a step."""
    import polars as pl

    ledger = pl.scan_parquet(found.file(chosen.artifact, name)).filter(pl.col("step") == step)
    return str(ledger.select("chain").head(1).collect().item())
