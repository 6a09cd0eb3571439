"""The commands that answer for rows: lineage, impact, forget, prove, verify, diff, export. Each is a few lines; what
they print for people is in show.py. Their modules are imported late: `r1 --help` must not wait for them."""

import contextlib
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from r1cli.project import find_project
from stages.contract.errors import UserError

Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Target = Annotated[
    str, typer.Argument(metavar="CKPT", help="A stage, a model, a checkpoint's folder, or its weights' digest.")
]
RowOrFilter = Annotated[
    str, typer.Argument(metavar="ROW_OR_FILTER", help="A row id or its beginning; or an SQL condition on columns.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in COMMANDS.items():
        app.command(name)(command)


@contextlib.contextmanager
def _progress_beside(answer_is_json: bool) -> Iterator[None]:
    """What runs meanwhile reports for people: what a program reads is the answer alone."""
    with contextlib.redirect_stdout(sys.stderr if answer_is_json else sys.stdout):
        yield


def lineage(
    target: Target,
    row: Annotated[str, typer.Option("--row", metavar="ID", help="One row's way to the checkpoint, instead.")] = "",
    as_json: Json = False,
) -> None:
    """Show what made a checkpoint: stages, params, rows, down to raw sources and licences."""
    from r1cli import console
    from r1cli.lineage import show, snapshot, tree, worktree
    from r1cli.lineage import story as stories

    root = find_project(Path.cwd()).root
    found = snapshot.opened(root)
    chosen = snapshot.checkpoint(found, target)
    if row:
        story = stories.story(found, chosen, row)
        if as_json:
            console.as_json(story.described())
            return
        show.row(story.id, story.places, story.content)
        show.ancestors(story.before)
        show.uses(story.used)
        if not story.used:
            console.say(f"no step that led to {chosen.path} took it in")
        return
    differences = worktree.differences(root, found)
    described = tree.describe(found, chosen, differences)
    if as_json:
        console.as_json(described)
        return
    console.outline(tree.draw(found, chosen, differences))
    names = found.upstream(chosen.artifact.name)
    console.say()
    show.sources(tree.sources(found, names))
    console.say()
    for line in [*tree.determinism(found, names), *snapshot.contradictions(found, chosen.artifact.name)]:
        console.say(line)
    console.say(f"weights {chosen.weights}\nlineage {described['lineage']}")


def impact(rows: RowOrFilter, as_json: Json = False) -> None:
    """Show what depends on rows: steps, rewards, rows made from them, checkpoints, scores; and where it is clean."""
    from r1cli import console
    from r1cli.lineage import impact as impacts
    from r1cli.lineage import revisions, show, snapshot
    from r1cli.lineage import rows as table_rows

    root = find_project(Path.cwd()).root
    found = snapshot.opened(root)
    places = table_rows.find(found, rows)
    result = impacts.impact(found, {place.id for place in places})
    scores = impacts.scores(result, revisions.metrics(root, revisions.WORKSPACE))
    if as_json:
        console.as_json(impacts.described(found, places, result, scores))
    else:
        show.impact(places, result, scores)


def forget(
    rows: Annotated[list[str], typer.Argument(metavar="ROW_OR_FILTER...", help="Row ids, or filters.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it: list them in params.yaml and run what must run.")] = False,
    no_run: Annotated[bool, typer.Option("--no-run", help="With --yes: only list them.")] = False,
    as_json: Json = False,
) -> None:
    """Show what must run again to be without rows; with --yes, do it."""
    from r1cli import console
    from r1cli.lineage import forget as forgetting
    from r1cli.lineage import rows as table_rows
    from r1cli.lineage import show, snapshot

    project = find_project(Path.cwd())
    found = snapshot.opened(project.root)
    plan = forgetting.plan(found, [place for wanted in rows for place in table_rows.find(found, wanted)])
    if as_json:
        console.as_json({"forget": plan.forget, "rerun": plan.rerun})
    with _progress_beside(as_json):
        if not as_json:
            show.forgetting(plan)
        if not yes:
            console.say("nothing was changed; to do it: the same command with --yes")
            return
        forgetting.list_in_params(project, plan)
        if no_run:
            console.say("params.yaml lists them: r1 run all")
            return
        forgetting.run_again(project, plan, found)
        _check_forgotten(project.root, {row_id for ids in plan.forget.values() for row_id in ids})


def _check_forgotten(root: Path, ids: Collection[str]) -> None:
    """Say what became of it, and where old copies remain."""
    from r1cli import console
    from r1cli.lineage import impact as impacts
    from r1cli.lineage import snapshot

    found = snapshot.opened(root)
    for name in found.artifacts:
        snapshot.whole(found, name)
    left = impacts.impact(found, ids)
    if left.effects:
        names = ", ".join(effect.artifact for effect in left.effects)
        raise UserError(f"still there: {names}", hint=f"r1 impact {next(iter(sorted(ids)))}")
    console.say(f"forgotten: {len(ids):,} rows are in no table and behind no checkpoint of the working tree")
    console.say(
        "old copies remain in the sidecars (with the reason), in data/imports, in DVC's cache and in .r1/work: "
        "dvc gc -w, rm -r .r1/work   (r1 gc keeps what older commits name)"
    )


def prove(
    row: Annotated[str, typer.Argument(metavar="ROW", help="A whole row id; it need not be here.")],
    target: Annotated[str, typer.Option("--checkpoint", metavar="CKPT", help="The checkpoint it is about.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Default: proof-ROW.json.")] = None,
    as_json: Json = False,
) -> None:
    """Write a proof that a row is, or is not, behind a checkpoint."""
    import json

    from r1cli import console
    from r1cli.lineage import prove as proving
    from r1cli.lineage import rows, snapshot

    found = snapshot.opened(find_project(Path.cwd()).root)
    chosen = snapshot.checkpoint(found, target)
    if not rows.is_whole(row):
        row = rows.one(found, row)[0].id
    proof = proving.prove(found, chosen, row)
    if as_json:
        console.as_json(proof)
        return
    path = out or Path(f"proof-{row[:12]}.json")
    path.write_text(json.dumps(proof, indent=1) + "\n")
    console.say(f"{chosen.path} {proof['verdict']} ({row})")
    console.say(f"proof: {path}; anybody with the manifests checks it: python tools/check_proof.py {path}")


def verify(
    target: Annotated[
        str, typer.Argument(metavar="[CKPT]", help="A checkpoint and all behind it; without it, everything.")
    ] = "",
    replay: Annotated[
        int, typer.Option("--replay", metavar="K", min=0, help="Also train the first K steps again and compare.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Read every byte again: files, rows, Merkle roots, ledgers, and that all that was used is there."""
    from r1cli import console
    from r1cli.dispatch.local import LocalExecutor
    from r1cli.lineage import replay as replays
    from r1cli.lineage import show, snapshot
    from r1cli.lineage import verify as verifying

    project = find_project(Path.cwd())
    if replay and not target:
        raise UserError("--replay needs a checkpoint", hint=f"r1 verify zero --replay {replay}")
    found = snapshot.workspace(project.root)
    if not found.artifacts and not found.broken:
        raise UserError("no artifact here has a manifest", hint="r1 run all")
    chosen = snapshot.checkpoint(found, target) if target else None
    report = verifying.checked(project.root, found, chosen)
    again = None
    if chosen and replay and not report.faults:
        with _progress_beside(as_json):
            again = replays.replay(project, found, chosen, replay, LocalExecutor())
    if as_json:
        faults = [vars(fault) for fault in report.faults]
        console.as_json({**vars(report), "faults": faults, "replay": vars(again) if again else None})
    else:
        show.verified(report, again)
    if report.faults:
        left_out = "; the replay was left out" if replay else ""
        hint = "dvc checkout -f   (brings back what the cache has whole)"
        raise UserError(f"{len(report.faults)} fault{'s' if len(report.faults) > 1 else ''}{left_out}", hint=hint)
    if again and not again.same:
        what = "weights" if again.entries else "samples"
        raise UserError(f"{again.artifact}: step {again.step} gave other {what}", hint=again.hint(found))


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A git revision or a DVC experiment.")] = "HEAD",
    after: Annotated[str, typer.Argument(metavar="B", help="Another; default: the working tree.")] = "workspace",
    as_json: Json = False,
) -> None:
    """Show what differs between two states: rows by stage, params, code, weights, metrics with their intervals."""
    from dataclasses import asdict

    from r1cli import console
    from r1cli.lineage import diff as diffs
    from r1cli.lineage import revisions, show

    root = find_project(Path.cwd()).root
    changes = diffs.differences(*(revisions.state(root, name) for name in (before, after)))
    figures = diffs.figures(*(revisions.metrics(root, name) for name in (before, after)))
    if as_json:
        metrics = {s: [{**asdict(f), "apart": f.apart} for f in listed] for s, listed in figures.items()}
        console.as_json({"stages": [asdict(change) for change in changes], "metrics": metrics})
    else:
        show.differences(changes, figures, before=before, after=after)


def export(
    target: Target, folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")], as_json: Json = False
) -> None:
    """Write a checkpoint as a Hugging Face folder with its model card and provenance."""
    from r1cli import console
    from r1cli.lineage import export as exporting
    from r1cli.lineage import show, snapshot

    project = find_project(Path.cwd())
    found = snapshot.opened(project.root)
    chosen = snapshot.checkpoint(found, target)
    written = exporting.export(project.root, found, chosen, folder, records=project.runs)
    if as_json:
        console.as_json({"folder": str(folder), "checkpoint": chosen.path, "files": written})
    else:
        show.files(folder, written)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "lineage": lineage,
    "impact": impact,
    "forget": forget,
    "prove": prove,
    "verify": verify,
    "diff": diff,
    "export": export,
}
