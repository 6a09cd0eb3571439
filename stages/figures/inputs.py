"""Reading what the figures show besides scores: curves, funnels, headline metrics, and the responses to print."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from stages.contract.errors import UserError
from stages.contract.results import CURATED, RL_STAGES, Curve, Exhibit, Funnel, Sample
from stages.contract.schemas import ROLLOUTS
from stages.contract.tables import read_table
from stages.figures.paper import label


def curves(data: Path, name: str) -> dict[str, Curve]:
    """A curve (`curve` or `validation`) of each RL stage that has it."""
    folders = sorted(
        path for path in (data / "plots").glob("*") if path.name in RL_STAGES or path.name.startswith("student_zero-")
    )
    return {folder.name: read_curve(folder / f"{name}.tsv") for folder in folders if (folder / f"{name}.tsv").exists()}


def read_curve(path: Path) -> Curve:
    """A curve's columns as numbers, empty cells as NaN.

    Raises:
        UserError: a cell is no number, or a row is short.
    """
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    try:
        return Curve(
            columns={
                name: [float(row[i]) if row[i] else math.nan for row in rows[1:]] for i, name in enumerate(rows[0])
            }
        )
    except (ValueError, IndexError) as error:
        stage = path.parent.name.replace("-", "@", 1)
        raise UserError(
            f"data/plots/{path.parent.name}/{path.name} is no table of numbers ({error})", hint=f"r1 run {stage} -f"
        ) from error


def funnels(data: Path) -> dict[str, Funnel]:
    """The funnel of each curated stage that has one."""
    paths = {stage: data / "plots" / stage / "funnel.tsv" for stage in CURATED}
    return {stage: read_funnel(path) for stage, path in paths.items() if path.exists()}


def read_funnel(path: Path) -> Funnel:
    """A funnel as stages/curate/outcome.py writes it: rows in, dropped by each reason, out.

    Raises:
        UserError: it is none, or its rows don't add up.
    """
    try:
        steps = {step: int(rows) for step, rows in (line.split("\t") for line in path.read_text().splitlines()[1:])}
        rows, out = steps.pop("in"), steps.pop("out")
        found = Funnel(rows=rows, dropped=steps)
        if out != found.kept:
            raise ValueError(f"{rows} rows less those dropped are {found.kept}, not {out}")
    except (ValueError, KeyError) as error:
        raise UserError(
            f"data/plots/{path.parent.name}/{path.name} is no funnel ({error})", hint=f"r1 run {path.parent.name} -f"
        ) from error
    return found


def metrics(data: Path) -> dict[str, dict[str, float | int | str]]:
    """Headline metrics by stage. Evaluations have their own table, and the report's own are an earlier run's."""
    found = sorted(
        path for path in (data / "metrics").glob("*.json") if not path.name.startswith(("report", "evaluate"))
    )
    return {path.stem: json.loads(path.read_text()) for path in found}


def exhibits(data: Path, scores: Mapping[str, pl.DataFrame]) -> list[Exhibit]:
    """The responses to print: of test problems, of R1-Zero's training, of general prompts."""
    return [*_tests(scores), *_training(data), *_general(scores)]


def _tests(scores: Mapping[str, pl.DataFrame]) -> list[Exhibit]:
    """A test problem of each family, answered by base, zero and align. Every fourth is Chinese, so that both languages show."""
    models = [name for name in ("base", "zero", "align") if name in scores]
    if not models:
        return []
    tasks = (
        scores[models[0]]
        .filter(pl.col("kind") == "reasoning")
        .unique("task_id")
        .sort(["difficulty", "task_id"], descending=[True, False])
    )
    found = []
    for place, family in enumerate(sorted(tasks["family"].unique())[:4]):
        part = tasks.filter(pl.col("family") == family)
        wanted = part.filter(pl.col("language") == ("zh" if place % 4 == 3 else "en"))
        task = (part if wanted.is_empty() else wanted).row(0, named=True)
        found.append(_exhibit(scores, models, task, group="tests", name=f"{family}, difficulty {task['difficulty']}"))
    return found


def _general(scores: Mapping[str, pl.DataFrame]) -> list[Exhibit]:
    """An unsafe prompt and a harmless one, answered by sft and align."""
    models = [name for name in ("sft", "align") if name in scores]
    if not models:
        return []
    found = []
    for kind, name in (("safety", "unsafe"), ("helpful", "helpful")):
        tasks = scores[models[0]].filter((pl.col("kind") == kind) & (pl.col("language") == "en")).sort("task_id")
        if len(tasks):
            found.append(_exhibit(scores, models, tasks.row(0, named=True), group="general", name=name))
    return found


def _exhibit(
    scores: Mapping[str, pl.DataFrame], models: Sequence[str], task: Mapping[str, str], *, group: str, name: str
) -> Exhibit:
    samples = []
    for model in models:
        draws = scores[model].filter(pl.col("task_id") == task["task_id"]).sort(pl.col("r1_gen").struct.field("draw"))
        if len(draws):
            row = draws.row(0, named=True)
            ruled = row["kind"] == "reasoning"
            said = row["reason"] if ruled else "refused" if row["refused"] else "answered"
            samples.append(
                Sample(
                    title=label(model),
                    text=row["completion"],
                    verdict=row["verdict"] if ruled else "",
                    reason=said,
                    num_tokens=row["num_tokens"],
                )
            )
    return Exhibit(group=group, label=name, prompt=task["prompt"], samples=samples)


def _training(data: Path) -> list[Exhibit]:
    """An early and a late rollout of the code family, where checking pays (of all families where there is no code)."""
    path = data / "zero" / "rollouts.parquet"
    if not path.exists():
        return []
    rows = read_table(path, ROLLOUTS)
    rows = rows.filter(pl.col("family") == "code") if "code" in rows["family"] else rows
    found = []
    for when, step in (("early", rows["step"].min()), ("late", rows["step"].max())):
        if rows.is_empty():
            break
        row = rows.filter(pl.col("step") == step).sort("r1_id").row(0, named=True)
        sample = Sample(
            title=f"step {row['step']}",
            text=row["completion"],
            verdict=row["verdict"],
            reason=row["reason"],
            num_tokens=row["num_tokens"],
        )
        found.append(
            Exhibit(group="training", label=f"{when}, {row['family']}", prompt=row["prompt"], samples=[sample])
        )
    return found
