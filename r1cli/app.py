"""The commands of `r1`. Each is a few lines: the work is done by the other modules."""

import errno
import os
import signal
import sys
import time
import traceback
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from r1cli import release, upkeep
from r1cli.arguments import Target, profile_names, stage_names
from r1cli.data import commands as data_commands
from r1cli.dispatch import commands as job_commands
from r1cli.lineage import commands as lineage_commands
from r1cli.project import Project, find_project
from stages.contract.errors import UserError
from stages.contract.files import replace_file

FAILED = 1
WRONG_USAGE = 2
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

app = typer.Typer(
    name="r1",
    help="The DeepSeek-R1 recipe as a DVC pipeline: every step a stage, on a laptop or a cluster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
profile_app = typer.Typer(
    no_args_is_help=True, help="Whole params.yaml files for different machines.", rich_markup_mode=None
)
reward_app = typer.Typer(no_args_is_help=True, help="Check rewards before any GPU hour.", rich_markup_mode=None)
app.add_typer(profile_app, name="profile")
app.add_typer(reward_app, name="reward")
app.add_typer(data_commands.app, name="data")


def main(arguments: list[str] | None = None) -> None:
    """Run `r1`. What the user can mend is shown as `error:` and `hint:`, never as a traceback (but with --debug)."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        raise SystemExit(app(args=given, prog_name="r1", standalone_mode=False) or 0)
    except (UserError, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno == errno.EPIPE:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(FAILED) from None
        if "--debug" in given:
            traceback.print_exc()
        from r1cli import console

        shown = problem if isinstance(problem, UserError) else _mendable(problem)
        console.error(shown)
        raise SystemExit(shown.code) from None
    except Exception as problem:
        _wrong_usage(problem)
        if "--debug" in given:
            raise
        from r1cli import console

        console.error(
            UserError(
                f"{type(problem).__name__}: {problem}",
                hint=f"this is a fault of r1; the traceback: r1 --debug {' '.join(given)}",
            )
        )
        raise SystemExit(FAILED) from None


def _wrong_usage(problem: Exception) -> None:
    """End, if Typer raised this about the command line itself (an option that isn't there, Ctrl-C, no command)."""
    if type(problem).__name__ == "Abort":
        raise SystemExit(128 + signal.SIGINT)
    told, context = getattr(problem, "format_message", None), getattr(problem, "ctx", None)
    if told is None:
        return
    if type(problem).__name__ == "NoArgsIsHelpError":
        problem.show()  # type: ignore[attr-defined]
    else:
        from r1cli import console

        text = str(told()).rstrip(".")
        console.error(UserError(text[:1].lower() + text[1:], hint=f"{context.command_path if context else 'r1'} -h"))
    raise SystemExit(WRONG_USAGE)


def _mendable(problem: OSError) -> UserError:
    where = f" ({problem.filename})" if problem.filename else ""
    hint = (
        "free some space (df -h .), then run the same command again: what is finished is kept"
        if problem.errno in NO_SPACE
        else "r1 doctor"
    )
    return UserError(f"{problem.strerror or problem}{where}", hint=hint)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"r1 {release()}")
        raise typer.Exit


def _project() -> Project:
    return find_project(Path.cwd())


Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a param in params.yaml first (may be repeated)."),
]


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    pass


Jobs = Annotated[
    int, typer.Option("-j", "--jobs", min=1, help="So many stages at once, where they don't need one another.")
]


@app.command()
def demo(jobs: Jobs = 2) -> None:
    """Run the whole recipe with the embedded model and show the results."""
    from r1cli import console, doctor, run

    began = time.monotonic()
    project = _project()
    run.prepare(project, "all", [], run.Options())
    console.say(f"cache links: {doctor.settle_links(project.root)}")
    run.repro(project, "all", run.Options(jobs=jobs))
    headers, rows = run.results(project.root)
    console.say()
    console.table(headers, rows, title="Held-out results", numeric=True)
    console.say(f"report: {_report(project)}")
    console.say(f"time: {console.seconds(time.monotonic() - began)}")


@app.command("run")
def run_command(
    target: Target,
    single: Annotated[bool, typer.Option("-s", "--single", help="Only this stage, without those before it.")] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Run even what is fresh.")] = False,
    downstream: Annotated[bool, typer.Option("--downstream", help="This stage and all after it.")] = False,
    jobs: Jobs = 1,
    settings: Settings = None,
    on: Annotated[
        str,
        typer.Option(
            "--on", metavar="PLACE", help="local, slurm, ray, sky: where its GPU stages run; default: r1.toml."
        ),
    ] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Submit this stage's job and don't wait for it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would run, why, and the job scripts; change nothing.")
    ] = False,
) -> None:
    """Run a stage and what it needs, if stale (dvc repro)."""
    from r1cli import jobs as cluster
    from r1cli import pipeline, run, status
    from r1cli.dispatch import places

    project = _project()
    if dry_run and settings:
        raise UserError(
            "--dry-run changes nothing, so it can't show a --set", hint="run it without --dry-run, or edit params.yaml"
        )
    wanted = run.Options(single=single, force=force, downstream=downstream, jobs=jobs)
    place = places.settings(project)
    places.open_executor(on or place.executor, place)  # before DVC removes anything
    chosen = run.prepare(project, target, settings or [], wanted)
    if dry_run:
        planned = status.plan(pipeline.standings(project.root), chosen, single=single, force=force)
        cluster.preview(project, planned, on)
        return
    if detach:
        cluster.detach(project, target, on)
        return
    if on:
        os.environ[places.ON] = on  # for the stages that DVC starts
    run.repro(project, target, wanted)


job_commands.register(app)


@app.command(hidden=True)
def stage(name: Annotated[str, typer.Argument()]) -> None:
    """Run one stage now, wherever its inputs stand. This is what dvc.yaml calls."""
    from r1cli.execute import run_stage
    from stages.contract.stopping import end_with_parent

    end_with_parent()
    run_stage(_project(), name)


@app.command("status")
def status_command(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show how each stage stands: fresh, stale and why, running, failed, stopped, never run."""
    from dataclasses import asdict

    from r1cli import console, jobs, pipeline, runs, status

    project = _project()
    found = status.statuses(
        pipeline.standings(project.root),
        runs.latest(project.runs),
        project.root,
        project.work,
        jobs.under_way(project),
    )
    if as_json:
        console.as_json([asdict(line) for line in found])
        return
    rows = [
        [
            line.stage,
            line.word,
            line.started.replace("T", " ").removesuffix("+00:00"),
            console.seconds(line.seconds),
            "" if line.unknown is None else f"{line.unknown:.1%}",
            line.why,
        ]
        for line in found
    ]
    console.table(["stage", "is", "last run (UTC)", "took", "unknown", "why"], rows)


@app.command()
def graph(mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid flowchart.")] = False) -> None:
    """Show the stages and what feeds what."""
    from r1cli import console, pipeline

    found = pipeline.standings(_project().root)
    if mermaid:
        console.say("flowchart TD")
        for one in found:
            console.say(f'  {one.stage.slug}["{one.stage.name}"]')
        for one in found:
            for above in one.upstream:
                console.say(f"  {above.replace('@', '-')} --> {one.stage.slug}")
        return
    # A DAG as a tree: each stage hangs under the last of those it reads from; the others stand beside it.
    children: dict[str, list[str]] = {}
    notes: dict[str, str] = {}
    for one in found:
        *others, last = one.upstream or ("",)
        children.setdefault(last, []).append(one.stage.name)
        notes[one.stage.name] = one.stage.desc + (f" (also reads {', '.join(others)})" if others else "")

    def node(name: str) -> console.Node:
        return console.Node(label=name, note=notes[name], children=tuple(map(node, children.get(name, ()))))

    console.outline(console.Node(label="r1", style="", children=tuple(map(node, children.get("", ())))))


@profile_app.command("list")
def profile_list() -> None:
    """The profiles; a star marks the one in params.yaml."""
    from r1cli import console, params_file

    project = _project()
    current = params_file.read_params(project.params).get("profile") if project.params.exists() else None
    for name in params_file.profile_names(project.profiles):
        first = params_file.profile_text(project.profiles, name).splitlines()[0]
        console.say(
            f"{'*' if name == current else ' '} {name}"
            + (f"  {first.removeprefix('#').strip()}" if first.startswith("#") else "")
        )


@profile_app.command("show")
def profile_show(
    name: Annotated[
        str, typer.Argument(help="Without a name: params.yaml as it is.", autocompletion=profile_names)
    ] = "",
) -> None:
    """Print a profile, or params.yaml."""
    from r1cli import console, params_file

    project = _project()
    if not name:
        params_file.read_params(project.params)
    console.say((params_file.profile_text(project.profiles, name) if name else project.params.read_text()).rstrip())


@profile_app.command("use")
def profile_use(name: Annotated[str, typer.Argument(autocompletion=profile_names)]) -> None:
    """Rewrite params.yaml whole from a profile, keeping the values you changed yourself."""
    from r1cli import console, params_file

    project = _project()
    new = params_file.profile_text(project.profiles, name)
    kept = dropped = None
    if project.params.exists():
        current = params_file.read_params(project.params)
        before = str(current.get("profile", ""))
        if before in params_file.profile_names(project.profiles):
            old = params_file.read_text(params_file.profile_text(project.profiles, before), f"{before}.yaml")
            change = params_file.switch(current, old, new, name)
            new, kept, dropped = change.text, change.kept, change.dropped
        else:
            raise UserError(
                f"params.yaml is of profile {before!r}, which is not in profiles/, so your own changes can't be told",
                hint=f"cp profiles/{name}.yaml params.yaml   (gives them up)",
            )
    replace_file(project.params, new)
    console.say(f"params.yaml is profile {name}")
    for key, value in (kept or {}).items():
        console.say(f"  kept your {key}: {value}")
    for key, value in (dropped or {}).items():
        console.say(f"  dropped your {key}: {value} (this profile has no place for it)")


def _report(project: Project) -> Path:
    path = project.data / "report" / "index.html"
    if not path.is_file():
        raise UserError("there is no report yet", hint="r1 run report")
    return path


@app.command()
def report(open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False) -> None:
    """Print the report's path."""
    from r1cli import console

    path = _report(_project())
    console.say(str(path))
    if open_it:
        webbrowser.open(path.as_uri())


@reward_app.command("check")
def reward_check(
    on: Annotated[
        str,
        typer.Option(
            "--on",
            metavar="FILE|STAGE",
            help="A file of problems, or an RL stage: also sample its starting model. Without it, the task pool.",
            autocompletion=stage_names,
        ),
    ] = "",
    data: Annotated[str, typer.Option("--data", metavar="NAME", help="An import, instead.")] = "",
    problems: Annotated[int, typer.Option("--problems", min=1, help="How many to sample for a stage.")] = 64,
) -> None:
    """Is the reward fit for training? Golds must earn 1, altered ones 0; a stage's samples must differ."""
    from r1cli import console, reward
    from r1cli.dispatch.local import LocalExecutor

    def show(metrics: Mapping[str, float]) -> None:
        rows = [[name.replace("_", " "), f"{value:.4g}"] for name, value in metrics.items()]
        console.table(["what", "found"], rows, numeric=True)

    reward.check(_project(), on=on, data=data, problems=problems, executor=LocalExecutor(), show=show)


# Last, so that `r1 --help` begins with what a newcomer needs.
lineage_commands.register(app)
upkeep.register(app)
