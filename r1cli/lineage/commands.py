"""The commands that answer for rows: lineage, impact, forget, prove, verify, diff, export."""

import contextlib
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from r1cli.project import find_project
from stages.contract.errors import UserError

if TYPE_CHECKING:
    from r1cli.lineage.impact import Effect, Impact
    from r1cli.lineage.rows import Place
    from r1cli.lineage.snapshot import Checkpoint, Snapshot
    from r1cli.lineage.uses import Use

SHOWN_STEPS = 12
SHOWN_ENTRIES = 8
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


def lineage(
    target: Target,
    row: Annotated[str, typer.Option("--row", metavar="ID", help="One row's way to the checkpoint, instead.")] = "",
    as_json: Json = False,
) -> None:
    """Show what made a checkpoint: stages, params, rows, down to raw sources and licences."""
    from r1cli import console
    from r1cli.lineage import snapshot, tree, worktree

    root = find_project(Path.cwd()).root
    found = snapshot.opened(root)
    chosen = snapshot.checkpoint(found, target)
    if row:
        _lineage_of_row(found, chosen, row, as_json)
        return
    differences = worktree.differences(root, found)
    described = tree.describe(found, chosen, differences)
    if as_json:
        console.as_json(described)
        return
    console.outline(tree.draw(found, chosen, differences))
    names = found.upstream(chosen.artifact.name)
    console.say()
    console.table(
        ["source", "revision", "license", "rows"],
        [[s.source, s.revision[:12], s.license or tree.UNKNOWN, f"{s.rows:,}"] for s in tree.sources(found, names)],
    )
    console.say(f"\nweights {chosen.weights}\nlineage {described['lineage']}")


def _lineage_of_row(found: "Snapshot", chosen: "Checkpoint", row: str, as_json: bool) -> None:
    from r1cli import console
    from r1cli.lineage import rows, uses

    places = rows.find(found, row)
    row_id = places[0].id
    names = found.upstream(chosen.artifact.name)
    made = rows.descendants(found, [row_id])
    used = uses.uses(found, {row_id, *made["id"].to_list()}, names)
    before = rows.ancestors(found, places[0])
    if as_json:
        console.as_json(
            {
                "row": row_id,
                "places": [vars(place) for place in places],
                "content": rows.content(found, places[0]),
                "made_from": [{**vars(place), "content": content} for place, content in before],
                "checkpoint": chosen.path,
                "used": _uses_for_programs(used),
            }
        )
        return
    console.say(f"row {row_id}")
    for place in places:
        console.say(f"  in {place.artifact} {place.table}, row {place.row}{_dropped(place)}")
    for key, value in rows.content(found, places[0]).items():
        if key not in ("r1_id", "states") and value not in (None, "", []):
            console.say(f"  {key}: {value}")
    for place, content in before:
        origin = " · ".join(str(content[key]) for key in ("source", "revision", "license") if content.get(key))
        console.say(f"made from {place.id} in {place.artifact} {place.table}, row {place.row}: {origin}")
        console.say(f"  {content.get('prompt', content.get('text', ''))}")
    if not used:
        console.say(f"no step that led to {chosen.path} took it in")
    _show_uses(used)


def _dropped(place: "Place") -> str:
    return f" (dropped: {place.dropped})" if place.dropped else ""


def _uses_for_programs(used: "Sequence[Use]") -> list[dict[str, object]]:
    return [
        {"artifact": u.artifact, "trains": u.trains, "steps": u.steps, "entries": u.entries.to_dicts()} for u in used
    ]


def _show_uses(used: "Sequence[Use]") -> None:
    from r1cli import console

    for use in used:
        steps = ", ".join(map(str, use.steps[:SHOWN_STEPS])) + (" ..." if len(use.steps) > SHOWN_STEPS else "")
        console.say(f"{use.artifact} ({use.trains}) took it in at {len(use.steps)} steps: {steps}")
        if "reward" in use.entries.columns:
            columns = [
                "step",
                "row_id",
                "policy",
                "accuracy",
                "format",
                "language",
                "preference",
                "reward",
                "advantage",
            ]
            shown = use.entries.select([*columns, "masked"]).head(SHOWN_ENTRIES)
            console.table(
                shown.columns,
                [
                    ["-" if v is None else f"{v:.3g}" if isinstance(v, float) else str(v) for v in row]
                    for row in shown.rows()
                ],
            )
            if len(use.entries) > SHOWN_ENTRIES:
                console.say(f"... {len(use.entries)} samples in all: --json")


def impact(rows: RowOrFilter, as_json: Json = False) -> None:
    """Show what depends on rows: steps, rewards, rows made from them, checkpoints, scores; and where it is clean."""
    from r1cli import console
    from r1cli.lineage import impact as impacts
    from r1cli.lineage import rows as table_rows
    from r1cli.lineage import snapshot

    root = find_project(Path.cwd()).root
    found = snapshot.opened(root)
    places = table_rows.find(found, rows)
    ids = {place.id for place in places}
    result = impacts.impact(found, ids)
    scores = _scores(root, result.effects)
    if as_json:
        console.as_json(_impact_for_programs(places, result, scores, found))
        return
    kept = [place for place in places if place.dropped is None]
    console.say(f"{len(ids):,} rows, {len(kept):,} times in a table and {len(places) - len(kept):,} times dropped")
    if not result.effects:
        console.say("nothing depends on them")
        return
    headers = ["artifact", "holds", "made from them", "steps that took them in", "through"]
    console.table(headers, [_effect_cells(effect) for effect in result.effects])
    if len(ids) == 1:
        _show_uses(result.uses)
    for model, figures in scores.items():
        name = next(iter(figures))
        console.say(f"score that depends on them: {model} {name} {figures[name]:.3f}")
    for line in _rewinds(found, result):
        console.say(line)


def _effect_cells(effect: "Effect") -> list[str]:
    steps = f"{len(effect.steps):,} (first {effect.steps[0]})" if effect.steps else ""
    return [
        effect.artifact,
        f"{effect.holds:,}" if effect.holds else "",
        f"{effect.made:,}" if effect.made else "",
        steps,
        ", ".join(effect.through),
    ]


def _rewinds(found: "Snapshot", result: "Impact") -> list[str]:
    if not result.rewinds:
        return ["no training took them in: every checkpoint is clean"]
    return [
        f"last clean: {one.artifact} ({one.checkpoint}) after step {one.step}"
        + (", which is what it started from" if one.step == 0 else "")
        for one in result.rewinds
    ]


def _scores(root: Path, effects: "Sequence[Effect]") -> dict[str, Mapping[str, float]]:
    """The headline metrics of the evaluations that depend on the rows; where only the judge does, what it judged."""
    from r1cli.lineage.revisions import WORKSPACE, metrics

    known = metrics(root, WORKSPACE)
    found: dict[str, Mapping[str, float]] = {}
    for effect in effects:
        figures = known.get(effect.artifact.replace("@", "-"), {})
        if effect.artifact.startswith("evaluate@") and effect.learned and figures:
            judged = effect.through == ("reward_model",) and not effect.made
            found[effect.artifact] = {k: v for k, v in figures.items() if k == "preference" or not judged}
    return found


def _impact_for_programs(
    places: "Sequence[Place]", result: "Impact", scores: Mapping[str, Mapping[str, float]], found: "Snapshot"
) -> dict[str, object]:
    affected = {effect.artifact for effect in result.effects if effect.learned}
    return {
        "rows": [vars(place) for place in places],
        "artifacts": [vars(effect) for effect in result.effects],
        "checkpoints": [
            f"{artifact.folder}/{folder}"
            for name, artifact in found.artifacts.items()
            if name in affected
            for folder in artifact.manifest.checkpoints
        ],
        "clean_checkpoints": [
            f"{artifact.folder}/{folder}"
            for name, artifact in found.artifacts.items()
            if name not in affected
            for folder in artifact.manifest.checkpoints
        ],
        "descendants": result.made.to_dicts(),
        "used": _uses_for_programs(result.uses),
        "scores": scores,
        "last_clean": [vars(rewind) for rewind in result.rewinds],
    }


def forget(
    rows: Annotated[list[str], typer.Argument(metavar="ROW_OR_FILTER...", help="Row ids, or filters.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it: list them in params.yaml and run what must run.")] = False,
    no_run: Annotated[bool, typer.Option("--no-run", help="With --yes: only list them.")] = False,
    as_json: Json = False,
) -> None:
    """Show what must run again to be without rows; with --yes, do it."""
    from r1cli import console, params_file, run
    from r1cli.lineage import forget as forgetting
    from r1cli.lineage import rows as table_rows
    from r1cli.lineage import snapshot

    project = find_project(Path.cwd())
    found = snapshot.opened(project.root)
    places = [place for wanted in rows for place in table_rows.find(found, wanted)]
    plan = forgetting.plan(found, places)
    if as_json:
        console.as_json({"forget": plan.forget, "rerun": plan.rerun})
    else:
        for section, ids in plan.forget.items():
            more = f" and {len(ids) - 3:,} more" if len(ids) > 3 else ""
            console.say(f"{section} drops {len(ids):,}: {', '.join(ids[:3])}{more}")
        console.say(f"then run again: {', '.join(plan.rerun)}")
    if not yes:
        if not as_json:
            console.say("nothing was changed; to do it: the same command with --yes")
        return
    run.prepare(project, "all", [], run.Options())
    text = project.params.read_text()
    edits = forgetting.merged(params_file.read_params(project.params), plan)
    params_file.write_text(project.params, params_file.edit(text, edits))
    if no_run:
        console.say("params.yaml lists them: r1 run all")
        return
    for name in plan.leaves(found):
        run.repro(project, name, run.Options())
    _check_forgotten(project.root, {row_id for ids in plan.forget.values() for row_id in ids})


def _check_forgotten(root: Path, ids: Collection[str]) -> None:
    """Say what became of it, and where old copies remain."""
    from r1cli import console
    from r1cli.lineage import impact as impacts
    from r1cli.lineage import snapshot

    left = impacts.impact(snapshot.opened(root), ids)
    if left.effects:
        names = ", ".join(effect.artifact for effect in left.effects)
        raise UserError(f"still there: {names}", hint=f"r1 impact {next(iter(sorted(ids)))}")
    console.say(f"forgotten: {len(ids):,} rows are in no table and behind no checkpoint of the working tree")
    console.say(
        "old copies remain in the sidecars (with the reason), in data/imports, in DVC's cache and in .r1/work: "
        "dvc gc -w, rm -r .r1/work"
    )


def prove(
    row: Annotated[str, typer.Argument(metavar="ROW", help="A whole row id; it need not be here.")],
    target: Annotated[str, typer.Option("--checkpoint", metavar="CKPT", help="The checkpoint it is about.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Default: proof-ROW.json.")] = None,
    as_json: Json = False,
) -> None:
    """Write a proof that a row is, or is not, behind a checkpoint."""
    import json
    import re

    from r1cli import console
    from r1cli.lineage import prove as proving
    from r1cli.lineage import rows, snapshot

    found = snapshot.opened(find_project(Path.cwd()).root)
    chosen = snapshot.checkpoint(found, target)
    if re.fullmatch(f"[0-9a-f]{{{rows.WHOLE}}}", row) is None:
        row = rows.find(found, row)[0].id
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
    from r1cli import console, pipeline
    from r1cli.dispatch.local import LocalExecutor
    from r1cli.lineage import replay as replays
    from r1cli.lineage import snapshot
    from r1cli.lineage import verify as verifying

    project = find_project(Path.cwd())
    found = snapshot.workspace(project.root)
    if not found.artifacts and not found.broken:
        raise UserError("no artifact here has a manifest", hint="r1 run all")
    chosen = snapshot.checkpoint(found, target) if target else None
    names = found.upstream(chosen.artifact.name) if chosen else list(found.artifacts)
    report = verifying.verify(project.root, found, names)
    faults = list(report.faults)
    if not target:
        faults += verifying.absent(project.root, found)
        faults += verifying.check_cache(project.root, pipeline.cache_folder(project.root))
    again = None
    if replay and not faults:
        if chosen is None:
            raise UserError("--replay needs a checkpoint", hint=f"r1 verify zero --replay {replay}")
        # Progress is for people: what a program reads is the answer alone.
        with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
            again = replays.replay(project, found, chosen, replay, LocalExecutor())
    if as_json:
        counts = {k: v for k, v in vars(report).items() if k != "faults"}
        console.as_json(
            {**counts, "faults": [vars(fault) for fault in faults], "replay": vars(again) if again else None}
        )
    else:
        for fault in faults:
            console.say(f"{fault.level}: {fault.where} {fault.what}")
        if again:
            same = "the same" if again.entries and again.weights else "NOT the same"
            console.say(f"replay: {again.artifact} led to {same} after step {again.step}")
        console.say(
            f"{report.files:,} files ({report.bytes / 1e6:,.1f} MB), {report.rows:,} rows and {report.steps:,} steps "
            f"of {len(names)} artifacts read: {f'{len(faults)} faults' if faults else 'all as it was'}"
        )
    if again and not (again.entries and again.weights):
        what = "samples" if not again.entries else "weights"
        raise UserError(f"{again.artifact}: step {again.step} gave other {what}", hint="r1 doctor   (other versions?)")
    if faults:
        raise UserError(f"{len(faults)} faults", hint="dvc checkout -f   (brings back what the cache has whole)")


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A git revision or a DVC experiment.")] = "HEAD",
    after: Annotated[str, typer.Argument(metavar="B", help="Another; default: the working tree.")] = "workspace",
    as_json: Json = False,
) -> None:
    """Show what differs between two states: rows by stage, params, code, weights, metrics with their intervals."""
    from dataclasses import asdict

    from r1cli import console
    from r1cli.lineage import diff as diffs
    from r1cli.lineage import revisions, snapshot

    root = find_project(Path.cwd()).root
    sides = [
        snapshot.opened(root) if name == revisions.WORKSPACE else revisions.revision(root, name)
        for name in (before, after)
    ]
    changes = diffs.differences(*sides)
    figures = diffs.figures(revisions.metrics(root, before), revisions.metrics(root, after))
    if as_json:
        metrics = {s: [{**asdict(f), "apart": f.apart} for f in listed] for s, listed in figures.items()}
        console.as_json({"stages": [asdict(change) for change in changes], "metrics": metrics})
        return
    for change in changes:
        _show_change(change)
    rows = [
        [stage, f.metric, _value(f.before, f.intervals[0]), _value(f.after, f.intervals[1]), _APART[f.apart]]
        for stage, listed in figures.items()
        for f in listed
    ]
    if rows:
        console.table(["metrics of", "metric", before, after, "intervals"], rows)
    if not changes and not rows:
        console.say(f"{before} and {after} are the same")


_APART = {True: "apart", False: "meet", None: ""}


def _value(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def _show_change(change: "object") -> None:
    from r1cli import console
    from r1cli.lineage.diff import NAMED, Change

    assert isinstance(change, Change)
    words = [f"only {change.only}"] if change.only else []
    words += ["other code"] if change.code else []
    words += [f"other weights ({', '.join(change.weights)})"] if change.weights else []
    console.say(f"{change.stage}: {', '.join(words)}" if words else f"{change.stage}:")
    for key, (was, now) in change.params.items():
        console.say(f"  {key}: {was} -> {now}")
    for rows in change.rows:
        counts = f"{len(rows.added) - rows.changed:,} added, {len(rows.removed) - rows.changed:,} removed"
        named = ", ".join([*(f"+{i[:8]}" for i in rows.added[:NAMED]), *(f"-{i[:8]}" for i in rows.removed[:NAMED])])
        console.say(
            f"  {rows.table}: {rows.before:,} -> {rows.after:,} rows; {counts}, {rows.changed:,} changed ({named})"
        )


def export(
    target: Target, folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")], as_json: Json = False
) -> None:
    """Write a checkpoint as a Hugging Face folder with its model card and provenance."""
    from r1cli import console
    from r1cli.lineage import export as exporting
    from r1cli.lineage import snapshot

    project = find_project(Path.cwd())
    found = snapshot.opened(project.root)
    chosen = snapshot.checkpoint(found, target)
    written = exporting.export(project.root, found, chosen, folder, records=project.runs)
    if as_json:
        console.as_json({"folder": str(folder), "checkpoint": chosen.path, "files": written})
        return
    for name in written:
        console.say(f"{folder}/{name}")


COMMANDS: Mapping[str, Callable[..., None]] = {
    "lineage": lineage,
    "impact": impact,
    "forget": forget,
    "prove": prove,
    "verify": verify,
    "diff": diff,
    "export": export,
}
