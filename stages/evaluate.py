"""Evaluation of one checkpoint under the one protocol: many draws of every held-out problem.

Paper: section 3 and D: pass@1 as the mean over k samples, cons@k, pass@k; general prompts judged by the reward models.
Reads: data/prompts/{test,general_test}.parquet, the model's checkpoint, data/reward_model, and by the checkpoint's lineage
all that it was trained on. Writes: scores.parquet, contamination.parquet, contamination.json.
"""

import polars as pl

from stages.assembly.exposure import contamination
from stages.assembly.models import digest, open_model, reward_judge
from stages.assembly.sampling import Draw, generated, sample_tasks
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Evaluate, Params
from stages.contract.schemas import SCORES, TASKS
from stages.contract.tables import read_table, write_table
from stages.contract.task import tasks_of
from stages.contract.transcript import Template
from stages.evals.summary import headline
from stages.rewards.scorer import refused
from stages.tasks.general import REFUSALS


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.evaluate is not None
    settings = params.evaluate
    # The model `distill-small` is what the stage `distill@small` wrote.
    model = open_model(paths.data / paths.item.replace("-", "/", 1) / "checkpoint", params)
    asked = {
        name: read_table(paths.data / "prompts" / f"{name}.parquet", TASKS)[: count or None]
        for name, count in (("test", settings.problems), ("general_test", settings.general))
    }
    problems, general = (tasks_of(frame) for frame in asked.values())
    sampling = settings.sampling
    drawn = [
        draw
        for name, tasks, draws in (
            ("test problems", problems, sampling.draws),
            ("general prompts", general, settings.general_draws),
        )
        for draw in sample_tasks(model, tasks, sampling, paths, report, draws=draws, seed=params.seed, name=name)
    ]
    preferences = reward_judge(paths.data, model)([d.task for d in drawn], [d.text for d in drawn])
    checkpoint = digest(model.folder)
    rows = [
        _row(paths.item, d, p, settings, checkpoint, params.seed, model.codec.template)
        for d, p in zip(drawn, preferences, strict=True)
    ]
    scores = pl.DataFrame(rows, schema=SCORES.schema)
    write_table(scores, paths.out / "scores.parquet", SCORES)
    report.phase("contamination")
    found, verdict = contamination(paths, paths.item, model.folder, pl.concat(asked.values()), report)
    found.write(paths.out)
    paths.write_metrics({**headline(scores), **verdict})


def _row(
    name: str, draw: Draw, preference: float | None, settings: Evaluate, checkpoint: str, seed: int, template: Template
) -> dict[str, object]:
    grades = draw.grade
    row: dict[str, object] = {
        "r1_parents": [draw.task.id],
        "r1_op": "verify",
        "r1_gen": generated(draw, settings.sampling, checkpoint=checkpoint, seed=seed),
        "model": name,
        "task_id": draw.task.id,
        "kind": draw.task.kind,
        "family": draw.task.family,
        "difficulty": draw.task.difficulty,
        "language": draw.task.language,
        "prompt": draw.task.prompt,
        "completion": draw.text,
        "answer": grades.answer,
        "verdict": grades.verdict,
        "reason": grades.reason,
        "correct": grades.verdict == "correct",
        "format": grades.format,
        "language_consistency": grades.language,
        "num_tokens": len(draw.completion.tokens),
        "truncated": not draw.completion.finished,
        "refused": refused(draw.text, REFUSALS, template),
        "preference": preference,
    }
    return {"r1_id": SCORES.row_id(row), **row}


if __name__ == "__main__":
    start(main)
