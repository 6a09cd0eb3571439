"""The commands that look after a project: what this machine has, what can go, what changed in the code alone."""

from pathlib import Path
from typing import Annotated

import typer

from r1cli.arguments import Target
from r1cli.project import check_tools, find_project
from stages.contract.errors import UserError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (("doctor", doctor), ("gc", gc), ("code-lock", code_lock), ("adopt", adopt)):
        app.command(name)(command)


def doctor(
    torch: Annotated[
        bool, typer.Option("--torch", help="Also import torch and show its threads (takes seconds).")
    ] = False,
) -> None:
    """Show what this machine has, set DVC's cache links to what its file system can do, mend what a kill left."""
    from r1cli import console, doctor, mend

    project = find_project(Path.cwd())
    found = [*doctor.facts(project.root, torch=torch), *doctor.place(project)]
    console.table(["what", "here"], [list(fact) for fact in found])
    check_tools(project)
    doctor.settle_links(project.root)
    for done in mend.mend(project):
        console.say(done)


def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Remove them.")] = False,
    store: Annotated[
        bool, typer.Option("--store", help="Also what stages keep for later runs: sampled answers, curated shards.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the work folders and cached files that no dvc.lock and no last run refers to; with --yes, remove them."""
    from r1cli import console, gc, mend

    project = find_project(Path.cwd())
    for done in mend.mend(project):
        console.say(done) if not as_json else None
    found, stayed = gc.collect(project, store=store) if yes else (gc.plan(project, store=store), [])
    if as_json:
        console.as_json(gc.described(project, found, stayed, removed=yes))
        return
    for line in found.notes:
        console.say(line)
    if not found.items:
        console.say("nothing to remove: everything is referred to")
        return
    console.table(["what", "why", "files", "size", "frees"], gc.cells(project, found))
    for item in stayed:
        console.say(f"in use meanwhile, so it stayed: {project.shown(item.path)}")
    frees = console.amount(sum(item.frees for item in found.items if item not in stayed))
    console.say(
        f"{frees} freed"
        if yes
        else f"{frees} would be freed; nothing was changed: r1 gc {'--store ' if store else ''}--yes removes it"
    )


def code_lock(
    check: Annotated[bool, typer.Option("--check", help="Only say whether they are up to date.")] = False,
) -> None:
    """Renew the hashes of the stages' code that DVC compares."""
    from r1cli import code_lock, console, pipeline

    project = find_project(Path.cwd())
    stale = code_lock.out_of_date(project.root, pipeline.load(project.root).modules)
    if check and stale:
        raise UserError(
            f"the code locks of {', '.join(stale)} are out of date", hint="r1 code-lock   (or: make code-lock)"
        )
    code_lock.write(project.root, stale)
    console.say(f"renewed: {', '.join(stale)}" if stale else "all code locks are up to date")


def adopt(target: Target) -> None:
    """Record that a stage's code changed but not its result: it is not run again."""
    from r1cli import console, pipeline
    from stages.contract import manifest as manifests

    project = find_project(Path.cwd())
    adopted: list[str] = []
    standings = {found.stage.name: found for found in pipeline.standings(project.root)}
    for chosen in pipeline.load(project.root).match(target):
        found = standings[chosen.name]
        lock = f"stages/code.lock/{chosen.module}"
        others = found.changed_cmd or found.changed_params or found.changed_outs or set(found.changed_deps) - {lock}
        if found.never or others:
            raise UserError(f"{chosen.name} can't be adopted: more than its code has changed", hint="r1 status")
        if lock not in found.changed_deps:
            console.say(f"{chosen.name}: its code lock is the recorded one")
            continue
        # What reads whole folders (report) has read the manifests that were changed just now.
        read = [dep for dep in chosen.deps if any(Path(out).is_relative_to(dep) for out in adopted)]
        inputs = {dep: manifests.describe_input(project.root / dep) for dep in read}
        for out in chosen.outs:
            manifests.adopt_code(project.root / out, (project.root / lock).read_text().strip(), inputs)
        adopted += chosen.outs
        code, said = pipeline.call_quietly(project.root, "commit", "-f", chosen.name)
        if code != 0:
            raise UserError(
                f"dvc commit {chosen.name} failed: {said.splitlines()[-1] if said else code}", hint="r1 doctor"
            )
        console.say(f"{chosen.name}: recorded in dvc.lock without running it")
