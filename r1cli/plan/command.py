"""The command `r1 plan`: finds the params and the place, and prints."""

import difflib
from collections.abc import Mapping
from dataclasses import replace

from r1cli import console, params_file, runs
from r1cli.dispatch import places
from r1cli.plan.place import DEVICES, PLACES, Place
from r1cli.plan.plan import Plan, assumptions, plans
from r1cli.project import Project
from stages.contract.errors import UserError
from stages.contract.params import parse

PAPER_GPU_HOURS = 147_000  # v2 B.4.4: 101K for R1-Zero, 5K for SFT data, 41K for R1


def show(
    project: Project, target: str, *, profile: str, device: str, changes: Mapping[str, object], as_json: bool
) -> None:
    """Print the plan of a profile or of params.yaml.

    Raises:
        UserError: bad params, an unknown stage, profile or device; or, after printing, a setting that can't work.
    """
    if profile:
        values = params_file.read_text(params_file.profile_text(project.profiles, profile), f"{profile}.yaml")
    else:
        values = params_file.read_params(project.params)
    params = parse(values)
    place = place_of(project, params.profile, device, changes, own=not profile)
    # A rate that was measured here is of these params on this machine.
    measured = {} if profile else _measured(project)
    found = plans(params, place, target=target, measured=measured)
    if as_json:
        console.as_json({"assumptions": dict(assumptions(place)), "stages": [plan.as_json() for plan in found]})
    else:
        _print(found, place, params.profile)
    wrong = [plan.stage for plan in found if any(not problem.warning for problem in plan.problems)]
    if wrong:
        raise UserError(
            f"{', '.join(wrong)} can't run so", hint="what mends each stands above; r1 run STAGE --set KEY=VALUE"
        )


def place_of(project: Project, profile: str, device: str, changes: Mapping[str, object], *, own: bool) -> Place:
    """The profile's own place, with r1.toml's nodes and GPUs where it gives some, and the changes asked for."""
    place = PLACES.get(profile, Place(device=DEVICES["h100"]))
    wants = places.settings(project).resources
    if own and wants.gpus_per_node and not place.embedded:
        place = replace(place, nodes=wants.nodes, gpus_per_node=wants.gpus_per_node)
    if device:
        if device not in DEVICES:
            near = difflib.get_close_matches(device, DEVICES, n=1)
            raise UserError(
                f"unknown device {device!r}" + (f" (did you mean {near[0]}?)" if near else ""),
                hint=f"--device {' | '.join(DEVICES)}",
            )
        place = replace(place, device=DEVICES[device])
    return replace(place, **changes)  # type: ignore[arg-type]


def _measured(project: Project) -> dict[str, float]:
    found = {name: run.figures.get("tokens_per_s", 0.0) for name, run in runs.latest(project.runs).items()}
    return {name: rate for name, rate in found.items() if rate > 0}


def _print(found: list[Plan], place: Place, profile: str) -> None:
    console.table(["assumed", "of"], [list(line) for line in assumptions(place)])
    headers = ["stage", "parameters", "GPUs", "GB/GPU", "of it", "tokens", "FLOP", "hours", "GPU-hours", "disk"]
    rows = [_row(plan) for plan in found]
    console.say()
    console.table(headers, rows, numeric=True)
    total = sum(plan.cost.gpu_hours for plan in found)
    # Students and evaluations stand beside the recipe, as they do in the paper's own account.
    recipe = sum(plan.cost.gpu_hours for plan in found if "@" not in plan.stage)
    paper = f"; the paper: {PAPER_GPU_HOURS:,} on H800" if profile == "r1-671b" and len(found) > 1 else ""
    console.say(f"total: {total:,.0f} GPU-hours; without students and evaluations: {recipe:,.0f}{paper}")
    for plan in found:
        for problem in plan.problems:
            word = "warning" if problem.warning else "wrong"
            console.say(f"{plan.stage}: {word}: {problem.what}; nearest: {problem.mend}")


def _row(plan: Plan) -> list[str]:
    cost, memory = plan.cost, plan.memory
    larger = "training" if memory.training >= memory.sampling else "sampling"
    tokens = cost.sampled_tokens + cost.trained_tokens
    return [
        plan.stage,
        _short(plan.parameters),
        f"{cost.gpus}",
        f"{memory.peak:.2f}" if memory.peak < 10 else f"{memory.peak:.0f}",
        larger,
        _short(tokens) + (" (measured)" if plan.measured else ""),
        f"{cost.flops:.1e}",
        f"{cost.hours:.2g}" if cost.hours < 10 else f"{cost.hours:,.0f}",
        f"{cost.gpu_hours:.2g}" if cost.gpu_hours < 10 else f"{cost.gpu_hours:,.0f}",
        f"{cost.disk_gb:,.2g} GB" if cost.disk_gb < 10 else f"{cost.disk_gb:,.0f} GB",
    ]


def _short(value: float) -> str:
    """A count for people.

    >>> _short(486496), _short(7.6e9), _short(12)
    ('486K', '7.6B', '12')
    """
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.0f}"
