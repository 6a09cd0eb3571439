"""Rejection sampling: many answers of the RL model, the right and readable ones kept, general rows added.

Paper: section 2.3.3 and B.3.3 (about 600K reasoning rows and 200K general ones; Table 5). The embedded
world's people write the general rows, as V3's pipeline and annotators do in the paper; some write badly.
Reads: data/prompts/{train,general,validation,test}.parquet, data/grpo/checkpoint.
Writes: examples.parquet (+ rejected).
"""

import random

import polars as pl

from stages.assembly.rows import sampled_examples, write_examples
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params
from stages.contract.schemas import EXAMPLES, TASKS
from stages.contract.tables import read_table
from stages.contract.task import Task, tasks_of
from stages.curate.filters import bad_format, code_block, incorrect, long_paragraph, mixed_language, repetition
from stages.curate.outcome import Curated, forget
from stages.tasks.general import by_question, reply

QUALITY = 0.85  # share of the general rows that are as the guideline wants them


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.rejection is not None and params.rollout is not None
    settings = params.rejection
    filters = [
        incorrect,
        bad_format(params.rollout.template),
        mixed_language(min_consistency=settings.min_language),
        code_block,
        long_paragraph(max_characters=settings.max_paragraph),
        repetition(max_share=settings.max_repetition),
    ]
    sampled, curated = sampled_examples(params, settings, paths, report, checkpoint="grpo/checkpoint", filters=filters)
    general = read_table(paths.data / "prompts" / "general.parquet", TASKS)
    written = forget(general_rows(tasks_of(general), settings.general, seed=params.seed), settings.forget)
    everything = Curated(
        kept=pl.concat([curated.kept, written.kept]),  # rows of a task side by side; trainings shuffle them
        rejected=pl.concat([curated.rejected, written.rejected]),
    )
    dropped = write_examples(everything, paths)
    kept = {"sampled": sampled, "reasoning_rows": len(curated.kept), "general_rows": len(written.kept)}
    paths.write_metrics({**kept, "accepted": len(curated.kept) / max(1, sampled), **dropped})


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
