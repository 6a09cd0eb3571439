"""`r1 run`: check everything that can be checked, then let DVC decide what is stale and run it."""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from r1cli import code_lock, console, mend, parallel, params_file, pipeline, runs
from r1cli.pipeline import Pipeline
from r1cli.project import Project, check_tools
from stages.contract.errors import UserError
from stages.contract.files import replace_file
from stages.contract.params import parse


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `dvc repro` is asked for."""

    single: bool = False
    force: bool = False
    downstream: bool = False
    jobs: int = 1  # stages at once

    def flags(self) -> list[str]:
        wanted = {"--single-item": self.single, "--force": self.force, "--downstream": self.downstream}
        return [flag for flag, given in wanted.items() if given]


def prepare(project: Project, target: str, settings: Sequence[str], options: Options) -> list[str]:
    """Check the place, the params and the code locks, make the settings, and return the names of the stages concerned.

    Nothing has been started or deleted when this raises, and params.yaml is as it was.

    Raises:
        UserError: naming what is wrong.
    """
    check_tools(project)
    for done in mend.mend(project):
        console.say(done)
    parallel.restore_order(project)
    old = params_file.read_params(project.params)
    if settings:
        text = params_file.set_values(project.params.read_text(), settings)
    else:
        parse(old)
    found = pipeline.load(project.root)
    chosen = concerned(found, target, options)
    modules = [module for module in found.modules if module in {name.partition("@")[0] for name in chosen}]
    stale = code_lock.out_of_date(project.root, modules)
    if stale:
        raise UserError(
            f"code changed since its lock was written: {', '.join(stale)}", hint="r1 code-lock   (or: make code-lock)"
        )
    if settings:
        replace_file(project.params, text)
    return chosen


def concerned(found: Pipeline, target: str, options: Options) -> list[str]:
    """The names of the stages that `dvc repro` looks at for a target, in order."""
    names = {stage.name for stage in found.match(target)}
    if options.downstream:
        names = found.below(names)
    elif not options.single:
        names = found.above(names)
    return [stage.name for stage in found.stages if stage.name in names]


def repro(project: Project, target: str, options: Options) -> None:
    """Run `dvc repro`, then stage what git should track of the result.

    Raises:
        UserError: DVC failed for another reason than a stage, whose own error is already on the terminal.
        SystemExit: a stage failed, or a signal stopped it.
    """
    if options.downstream and target == "all":
        options = replace(options, downstream=False)
    began = time.time()
    arguments = ["repro", *options.flags(), *([] if target == "all" else [target])]
    if options.jobs > 1:
        names = concerned(pipeline.load(project.root), target, options)
        code = parallel.repro(project, names, jobs=options.jobs, force=options.force)
    else:
        code = pipeline.call(project.root, *arguments)
    if code == 0:
        add_tracked(project.root)
        return
    restore(project.root)
    if code > 128 and code != pipeline.FAILED:
        raise SystemExit(code)  # stopped by a signal; what was running has said so
    if _stage_failed_since(project.runs, began):
        raise SystemExit(1)
    raise UserError(
        f"dvc {' '.join(arguments)} stopped with exit code {code}", hint="what it said stands above; r1 doctor"
    )


def add_tracked(root: Path) -> None:
    """`git add` the metrics and curves that DVC's autostage passes over, so that `dvc metrics diff` sees them."""
    folders = [folder for folder in ("data/metrics", "data/plots") if (root / folder).is_dir()]
    if folders:
        subprocess.run(["git", "add", "--", *folders], cwd=root, capture_output=True)


def restore(root: Path) -> None:
    """Bring back the outs that DVC deleted before a stage that then failed, as dvc.lock records them.

    What can't be brought back stays away: `r1 status` shows it.
    """
    gone: list[str] = []
    tracked: list[str] = []
    for standing in pipeline.standings(root):
        stage = standing.stage
        if standing.never:
            continue
        gone += [path for path in stage.outs if standing.changed_outs.get(path) == "deleted"]
        tracked += [path for path in (*stage.metrics, *stage.plots) if not (root / path).exists()]
    if gone:
        pipeline.call_quietly(root, "checkout", *gone)
    for path in tracked:
        # From the index: `r1 run` adds every published file to it.
        subprocess.run(["git", "checkout", "--", path], cwd=root, capture_output=True)


def results(root: Path) -> tuple[list[str], list[list[str]]]:
    """The evaluation's headline metrics: headers, and one row a model in dvc.yaml's order.

    `x_low` and `x_high` are the ends of the 95% interval of `x`, and stand in its cell.
    """
    found: list[tuple[str, dict[str, float]]] = []
    for stage in pipeline.load(root).match("evaluate"):
        for path in stage.metrics:
            if (root / path).is_file():
                found.append((stage.item, json.loads((root / path).read_text())))
    names = list(dict.fromkeys(name for _, metrics in found for name in metrics))
    shown = [name for name in names if not name.endswith(("_low", "_high"))]
    rows = [[model, *(_figure(metrics, name) for name in shown)] for model, metrics in found]
    return ["model", *(name.replace("_at_", "@").replace("_", " ") for name in shown)], rows


def _figure(metrics: Mapping[str, float], name: str) -> str:
    if name not in metrics:
        return "-"
    value = metrics[name]
    text = f"{value:.3f}" if isinstance(value, float) and abs(value) < 10 else f"{value:.4g}"
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return text if low is None or high is None else f"{text} [{low:.3f}, {high:.3f}]"


def _stage_failed_since(folder: Path, began: float) -> bool:
    newest = [path for path in folder.glob("*.json") if path.stat().st_mtime >= began - 1]
    return any(run.exit_code != 0 for run in (runs.read(path) for path in newest) if run is not None)
