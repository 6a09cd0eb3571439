"""Cold-start data: R1-Zero's right and readable traces, put into the question's language.

Paper: section 2.3.1 and B.3.2: several samples a prompt at temperature 1; a refiner mends language mixing;
what it wrote is verified again; right and readable rows stay.
Reads: data/prompts/{train,validation,test}.parquet, data/zero/checkpoint. Writes: examples.parquet (+ rejected).
"""

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
from stages.contract.task import tasks_of
from stages.contract.transcript import split
from stages.curate.filters import bad_format, incorrect, mixed_language, repetition
from stages.tasks.traces import response, translated


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.cold_start is not None and params.rollout is not None
    set_threads(params)
    settings = params.cold_start
    model = open_model(paths.data / "zero" / "checkpoint", params.rollout)
    pool = {
        name: read_table(paths.data / "prompts" / f"{name}.parquet", TASKS) for name in ("train", "validation", "test")
    }
    limit = settings.sampling.max_new_tokens
    tasks = fitting(model, tasks_of(pool["train"]), max_new_tokens=limit, report=report)[: settings.prompts]
    draws = settings.sampling.draws
    drawn = sample_tasks(
        model, tasks, settings.sampling, draws=draws, seed=params.seed, report=report, name="sampling R1-Zero"
    )
    texts = [refine(draw.text, draw.task.language) for draw in drawn]
    rows = example_rows(drawn, texts, settings.sampling, checkpoint=digest(model.folder), seed=params.seed, op="refine")
    # The refiner knows the world's own words only: a thought that is still mixed after it is not readable.
    filters = [
        incorrect,
        bad_format,
        mixed_language(min_consistency=1.0),
        repetition(max_share=settings.max_repetition),
    ]
    held_out = held_out_guard(pool["validation"], pool["test"])
    curated = curated_examples(
        rows, filters, held_out=held_out, keep_per_prompt=settings.keep_per_prompt, seed=params.seed
    )
    write_table(curated.kept, paths.out / "examples.parquet", EXAMPLES)
    write_table(curated.rejected, paths.out / "examples_rejected.parquet", EXAMPLES.rejected())
    dropped = {f"dropped_{reason}": count for reason, count in reasons(curated.rejected).items()}
    refined = int((curated.kept["r1_op"] == "refine").sum())
    paths.write_metrics({"sampled": len(rows), "rows": len(curated.kept), "refined": refined, **dropped})


def refine(text: str, language: str) -> str:
    """A response with its thought in one language; a malformed one stays as it is, and is dropped later."""
    parts = split(text)
    if not parts.well_formed or not parts.thought or parts.answer is None:
        return text
    return response(translated(parts.thought, language), parts.answer)


if __name__ == "__main__":
    start(main)
