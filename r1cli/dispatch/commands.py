"""The commands around a job: what it would need, what it writes, and how to end it."""

from pathlib import Path
from typing import Annotated

import typer

from r1cli.arguments import Target, profile_names, stage_names
from r1cli.project import find_project


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (("plan", plan), ("logs", logs), ("stop", stop)):
        app.command(name)(command)


def plan(
    target: Annotated[
        str, typer.Argument(metavar="[STAGE]", help="A stage; without one, all.", autocompletion=stage_names)
    ] = "",
    profile: Annotated[
        str, typer.Option("--profile", help="Plan this profile, not params.yaml.", autocompletion=profile_names)
    ] = "",
    device: Annotated[str, typer.Option("--device", help="cpu, rtx4090, a100, h100, h800, h200.")] = "",
    nodes: Annotated[int, typer.Option("--nodes", min=0, help="Default: r1.toml, or the profile's.")] = 0,
    gpus_per_node: Annotated[int, typer.Option("--gpus-per-node", min=0, help="Likewise.")] = 0,
    zero: Annotated[int, typer.Option("--zero", min=-1, max=3, help="DeepSpeed's ZeRO stage.")] = -1,
    offload: Annotated[bool, typer.Option("--offload", help="Optimizer states in the hosts' memory.")] = False,
    tensor_parallel: Annotated[int, typer.Option("--tensor-parallel", min=0, help="GPUs a rollout engine.")] = 0,
    sequence_parallel: Annotated[int, typer.Option("--sequence-parallel", min=0, help="GPUs a sequence.")] = 0,
    mean_share: Annotated[
        float, typer.Option("--mean-share", min=0.0, max=1.0, help="Mean answer, as a share of the longest allowed.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what a run would need: memory, disk, tokens, hours, and which settings can't work."""
    from r1cli.plan import command

    changes = {
        "nodes": nodes,
        "gpus_per_node": gpus_per_node,
        "offload": offload,
        "tensor_parallel": tensor_parallel,
        "sequence_parallel": sequence_parallel,
        "mean_share": mean_share,
    }
    given = {name: value for name, value in changes.items() if value} | ({"zero": zero} if zero >= 0 else {})
    command.show(find_project(Path.cwd()), target, profile=profile, device=device, changes=given, as_json=as_json)


def logs(
    target: Target,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the job ends.")] = False,
) -> None:
    """Show what a stage's newest job has written."""
    from r1cli import console, jobs

    for line in jobs.logs(find_project(Path.cwd()), target, follow=follow):
        console.say(line)


def stop(target: Target) -> None:
    """Ask a running stage to save its last step and end, here or on a cluster."""
    from r1cli import jobs

    jobs.stop(find_project(Path.cwd()), target)
