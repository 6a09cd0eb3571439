"""Rejection sampling: many answers of the RL model, the right and readable ones kept, general rows added.

Paper: section 2.3.3 and B.3.3 (about 600K reasoning rows and 200K general ones; Table 5). The embedded
world's people write the general rows, as V3's pipeline and annotators do in the paper; some write badly.
Reads: data/prompts/{train,general,validation,test}.parquet, data/grpo/checkpoint.
Writes: examples.parquet (+ rejected).
"""

import random

import polars as pl

from stages.assembly import (
    curated_examples,
    digest,
    example_rows,
    fitting,
    held_out_guard,
    open_model,
    reasons,
    sample_tasks,
    set_threads,
)
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params
from stages.contract.schemas import EXAMPLES, TASKS
from stages.contract.tables import read_table, write_table
from stages.contract.task import Task, tasks_of
from stages.curate.filters import bad_format, code_block, incorrect, long_paragraph, mixed_language, repetition
from stages.curate.mix import shuffle
from stages.tasks.general import by_question, reply

QUALITY = 0.7  # share of the general rows that are as the guideline wants them


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.rejection is not None and params.rollout is not None
    set_threads(params)
    settings = params.rejection
    model = open_model(paths.data / "grpo" / "checkpoint", params.rollout)
    pool = {
        name: read_table(paths.data / "prompts" / f"{name}.parquet", TASKS)
        for name in ("train", "general", "validation", "test")
    }
    limit = settings.sampling.max_new_tokens
    tasks = fitting(model, tasks_of(pool["train"]), max_new_tokens=limit, report=report)[: settings.prompts]
    draws = settings.sampling.draws
    drawn = sample_tasks(
        model, tasks, settings.sampling, draws=draws, seed=params.seed, report=report, name="rejection sampling"
    )
    rows = example_rows(
        drawn,
        [d.text for d in drawn],
        settings.sampling,
        checkpoint=digest(model.folder),
        seed=params.seed,
        op="generate",
    )
    filters = [
        incorrect,
        bad_format,
        mixed_language(min_consistency=settings.min_language),
        code_block,
        long_paragraph(max_characters=settings.max_paragraph),
        repetition(max_share=settings.max_repetition),
    ]
    held_out = held_out_guard(pool["validation"], pool["test"])
    curated = curated_examples(
        rows, filters, held_out=held_out, keep_per_prompt=settings.keep_per_prompt, seed=params.seed
    )
    general = general_rows(tasks_of(pool["general"]), settings.general, seed=params.seed)
    everything = shuffle(pl.concat([curated.kept, general]), seed=params.seed)
    write_table(everything, paths.out / "examples.parquet", EXAMPLES)
    write_table(curated.rejected, paths.out / "examples_rejected.parquet", EXAMPLES.rejected())
    dropped = {f"dropped_{reason}": count for reason, count in reasons(curated.rejected).items()}
    kept = {"sampled": len(rows), "reasoning_rows": len(curated.kept), "general_rows": len(general)}
    paths.write_metrics({**kept, "accepted": len(curated.kept) / max(1, len(rows)), **dropped})


def general_rows(tasks: list[Task], count: int, *, seed: int) -> pl.DataFrame:
    """`count` general-capability rows, written by the world's people."""
    rng, prompts = random.Random(f"{seed} general rows"), by_question()
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
            "source": "r1/embedded-world",
        }
        rows.append({"r1_id": EXAMPLES.row_id(row), **row})
    return pl.DataFrame(rows, schema=EXAMPLES.schema)


if __name__ == "__main__":
    start(main)
