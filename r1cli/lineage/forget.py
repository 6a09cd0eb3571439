"""Forgetting rows: which stage drops them, what runs again without them.

Each stage that writes rows has a list of ids to drop in its own section of params.yaml (`prompts.forget`), so that DVC
sees exactly the stages concerned as stale, the list is part of git, dvc.lock and every manifest, and a profile keeps it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from r1cli import params_file, run
from r1cli.lineage.rows import Place
from r1cli.lineage.snapshot import Snapshot
from r1cli.project import Project
from stages.contract.errors import UserError
from stages.contract.files import replace_file

WRITERS = ("prompts", "cold_start", "rejection", "reward_model")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The ids that each section must list, and the stages that run again, in order."""

    forget: Mapping[str, Sequence[str]]
    rerun: Sequence[str]

    def leaves(self, found: Snapshot) -> list[str]:
        """Those of the stages to run that no other of them reads from."""
        read = {parent for name in self.rerun for parent in found.parents(name)}
        return [name for name in self.rerun if name not in read]


def plan(found: Snapshot, places: Sequence[Place]) -> Plan:
    """What forgetting the rows takes.

    Raises:
        UserError: one of them can't be dropped by itself, or is dropped already.
    """
    kept = [place for place in places if place.dropped is None]
    if not kept:
        reasons = ", ".join(sorted({str(place.dropped).partition(":")[0] for place in places}))
        raise UserError(f"no table holds these rows: they were dropped already ({reasons})", hint="r1 status")
    writers = [place for place in kept if place.artifact in WRITERS]
    if missing := sorted({place.id for place in kept} - {place.id for place in writers}):
        raise UserError(
            f"{missing[0]} is a sample of {next(p.artifact for p in kept if p.id == missing[0])}: it is gone once its "
            "task is, or its model is trained again",
            hint=f"r1 lineage {next(p.artifact for p in kept if p.id == missing[0])} --row {missing[0]}   (names the task)",
        )
    sections: dict[str, list[str]] = {}
    for place in writers:
        sections.setdefault(place.artifact, []).append(place.id)
    changed = {f"{found.artifacts[place.artifact].folder}/{place.table}" for place in writers}
    for artifact in (found.artifacts[name] for name in sections):
        if any(head.table in changed for head in artifact.manifest.ledgers.values()):  # it trains on its own table
            changed |= {f"{artifact.folder}/{folder}" for folder in artifact.manifest.checkpoints}
    return Plan(
        forget={name: sorted(set(ids)) for name, ids in sections.items()},
        rerun=_rerun(found, changed, set(sections)),
    )


def _rerun(found: Snapshot, changed: set[str], writers: Collection[str]) -> list[str]:
    """The stages that read a changed file, or a folder that holds one; all that such a stage writes changes too."""
    names = []
    for name, artifact in found.artifacts.items():
        touched = any(
            path.startswith(f"{dep}/") or f"{dep}/".startswith(f"{path}/")
            for dep in artifact.manifest.inputs
            for path in changed
        )
        if name in writers or touched:
            names.append(name)
        if touched:
            changed.add(artifact.folder)
    return names


def merged(values: Mapping[str, object], plan: Plan) -> list[tuple[tuple[str, ...], object]]:
    """The edits of params.yaml: ids that are listed already stay."""
    edits: list[tuple[tuple[str, ...], object]] = []
    for section, ids in plan.forget.items():
        own = values.get(section)
        before = own.get("forget") if isinstance(own, Mapping) else None
        listed = [str(row_id) for row_id in before] if isinstance(before, list) else []
        edits.append(((section, "forget"), [*listed, *(row_id for row_id in ids if row_id not in listed)]))
    return edits


def list_in_params(project: Project, plan: Plan) -> None:
    """Have params.yaml list the ids, after checking that what must run can run.

    Raises:
        UserError: it can't; params.yaml is as it was.
    """
    run.prepare(project, "all", [], run.Options())
    edits = merged(params_file.read_params(project.params), plan)
    replace_file(project.params, params_file.edit(project.params.read_text(), edits))


def run_again(project: Project, plan: Plan, found: Snapshot) -> None:
    """Run the stages that must be without the rows."""
    for name in plan.leaves(found):
        run.repro(project, name, run.Options())
