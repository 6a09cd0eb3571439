"""The report: the paper's tables and figures, redrawn from this run, with a verdict on each of its effects.

Paper: Figs. 1-6, Tables 3 and 6. Reads: data/evaluate/MODEL/scores.parquet of every model and, where they are
there, contamination.parquet and .json beside it, data/plots, data/metrics, data/zero/rollouts.parquet.
Writes: index.html, summary.json, table.md.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from stages.contract.contamination import read_contamination
from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params
from stages.contract.results import Run, pipeline_order
from stages.contract.schemas import SCORES
from stages.contract.tables import read_table
from stages.evals.exposure import exposure, unseen
from stages.evals.measure import measure
from stages.evals.reflection import WORDS
from stages.figures.charts import charts
from stages.figures.contamination import cautioned
from stages.figures.findings import Verdict, findings
from stages.figures.funnel import funnel_parts
from stages.figures.inputs import curves, exhibits, funnels, metrics
from stages.figures.page import page
from stages.figures.table import markdown, results_table, summary
from stages.figures.traces import Words
from stages.tasks.traces import CONNECTIVES


def main(params: Params, paths: Paths, report: Reporter) -> None:
    report.phase("report", total=3)
    scores = _scores(params, paths)
    looked = {name: read_contamination(paths.data / "evaluate" / name) for name in scores}
    models, changes = measure(scores)
    run = Run(
        profile=params.profile,
        seed=params.seed,
        models=models,
        changes=changes,
        curves=curves(paths.data, "curve"),
        validations=curves(paths.data, "validation"),
        exhibits=exhibits(paths.data, scores),
        metrics=metrics(paths.data),
        exposures={name: exposure(frame, looked[name]) for name, frame in scores.items()},
        funnels=funnels(paths.data),
    )
    report.step(1)
    found = cautioned(findings(run), run, _without(run, unseen(scores, looked.values())))
    table, drawn, parts = results_table(run), charts(run), funnel_parts(run)
    report.step(2)
    words = Words(reflective=WORDS, connectives=[*CONNECTIVES, *CONNECTIVES.values()])
    (paths.out / "index.html").write_text(page(run, found, drawn, parts, table, words), encoding="utf-8")
    (paths.out / "summary.json").write_text(
        json.dumps(summary(run, found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (paths.out / "table.md").write_text(markdown(run, table, found, parts), encoding="utf-8")
    verdicts = [f.verdict for f in found]
    counts = {verdict.replace(" ", "_"): verdicts.count(verdict) for verdict in ("shown", "partly shown", "not shown")}
    paths.write_metrics({"models": len(scores), **counts})
    report.step(3)


def _without(run: Run, left: Mapping[str, pl.DataFrame]) -> dict[str, Verdict]:
    """The verdicts on the scores that are left without the problems that a model saw; none where nothing was seen."""
    if not any(found.seen for found in run.exposures.values()):
        return {}
    models, changes = measure(left)
    return {found.key: found.verdict for found in findings(replace(run, models=models, changes=changes))}


def _scores(params: Params, paths: Paths) -> dict[str, pl.DataFrame]:
    """Every model's scores, in pipeline order. A model that the params no longer name is left out."""
    folder = paths.data / "evaluate"
    names = sorted(path.parent.name for path in folder.glob("*/scores.parquet"))
    if params.evaluate is not None:
        names = [name for name in names if name in params.evaluate.models]
    if not names:
        raise UserError(
            "there are no scores to report: data/evaluate/*/scores.parquet is missing", hint="r1 run evaluate"
        )
    found = {name: read_table(folder / name / "scores.parquet", SCORES) for name in pipeline_order(names)}
    for name, frame in found.items():
        if frame.filter(pl.col("kind") == "reasoning").is_empty():
            raise UserError(
                f"data/evaluate/{name}/scores.parquet has no reasoning rows", hint=f"r1 run evaluate@{name} -f"
            )
    return found


if __name__ == "__main__":
    start(main)
