"""Rejection sampling: many answers of the RL model, the right and readable ones kept, general rows added.

Paper: section 2.3.3 and B.3.3 (about 600K reasoning rows and 200K general ones; Table 5). The embedded
world's people write the general rows, as V3's pipeline and annotators do in the paper; some write badly.
Reads: data/prompts/{train,general,validation,test,held_out}.parquet, data/grpo/checkpoint.
Writes: examples.parquet (+ rejected).
"""

import random
from functools import partial

import polars as pl

from stages.assembly.curation import Part, curated
from stages.assembly.held_out import held_out_problems
from stages.assembly.rows import sampled_rows
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params
from stages.contract.schemas import EXAMPLES, TASKS
from stages.contract.tables import read_table
from stages.contract.task import Task, tasks_of
from stages.curate.recipe import GRADED, Recipe
from stages.tasks.corpus import SOURCE
from stages.tasks.general import by_question, reply

QUALITY = 0.85  # share of the general rows that are as the guideline wants them


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.rejection is not None and params.rollout is not None
    settings = params.rejection
    readable = Recipe(
        verified=True,
        template=params.rollout.template,
        min_language=settings.min_language,
        no_code_block=True,
        max_paragraph=settings.max_paragraph,
        max_tokens=settings.max_tokens,
        min_words=settings.min_words,
        max_repetition=settings.max_repetition,
        sketched=settings.near_duplicates > 0,
        domains=settings.domains,
        forget=settings.forget,
        seed=params.seed,
    )
    general = read_table(paths.data / "prompts" / "general.parquet", TASKS)
    written = general_rows(tasks_of(general), settings.general, seed=params.seed)
    # Few people write it all: what they write is alike, and all of it is wanted.
    as_written = Recipe(unique=False, forget=settings.forget, seed=params.seed)
    funnel = curated(
        [
            Part(
                name="sampled",
                files=partial(sampled_rows, params, settings, paths, report, checkpoint="grpo/checkpoint"),
                recipe=readable,
            ),
            Part(name="general", files=lambda store: [store.write("general.parquet", written)], recipe=as_written),
        ],
        settings,
        held_out_problems(paths),
        paths,
        report,
        template=params.rollout.template,
        workers=params.threads,
    )
    (sampled, accepted), general_kept = funnel.sources[0], _count(paths, pl.col("kind") != "reasoning")
    # Its people's rows are for a model that is born in their world.
    if settings.general and _count(paths, (pl.col("kind") != "reasoning") & (pl.col("r1_op") == "ingest")):
        report.note(f"{len(written)} general rows are the embedded world's: --set rejection.general=0 leaves them out")
    kept = {"sampled": sampled, "reasoning_rows": funnel.kept - general_kept, "general_rows": general_kept}
    paths.write_metrics({**kept, "accepted": accepted / max(1, sampled), **funnel.dropped_metrics()})


def _count(paths: Paths, rows: pl.Expr) -> int:
    """How many of the kept rows are such."""
    return int(pl.scan_parquet(paths.out / "examples.parquet").filter(rows).select(pl.len()).collect().item())


def general_rows(tasks: list[Task], count: int, *, seed: int) -> pl.DataFrame:
    """`count` general-capability rows, written by the world's people."""
    rng, prompts = random.Random(f"{seed} general rows"), by_question()
    ungraded = {"verdict": "unknown", "language_consistency": 1.0, "held_out": False, **SOURCE}
    rows = []
    for number in range(count):
        task = tasks[number % len(tasks)]
        row: dict[str, object] = {
            "r1_parents": [task.id],
            "r1_op": "template",
            "r1_gen": None,
            "task_id": task.id,
            "kind": task.kind,
            "family": task.family,
            "language": task.language,
            "prompt": task.prompt,
            "response": reply(rng, prompts[task.prompt], quality=QUALITY),
            "num_tokens": 0,
            **ungraded,
        }
        rows.append({"r1_id": EXAMPLES.row_id(row), **row})
    return pl.DataFrame(rows, schema={**EXAMPLES.columns, **GRADED})


if __name__ == "__main__":
    start(main)
