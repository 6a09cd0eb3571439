"""Cold-start data: R1-Zero's right and readable traces, put into the question's language.

Paper: section 2.3.1 and B.3.2: several samples a prompt at temperature 1; a refiner mends language mixing;
what it wrote is verified again; right and readable rows stay.
Reads: data/prompts/{train,validation,test,held_out}.parquet, data/zero/checkpoint. Writes: examples.parquet (+ rejected).
"""

from functools import partial

import polars as pl

from stages.assembly.curation import Part, curated
from stages.assembly.held_out import held_out_problems
from stages.assembly.rows import sampled_rows
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params
from stages.contract.transcript import split
from stages.curate.recipe import Recipe
from stages.tasks.traces import response, translated


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.cold_start is not None and params.rollout is not None
    settings = params.cold_start
    # The refiner knows the world's own words only: a thought that is still mixed after it is not readable.
    readable = Recipe(
        verified=True,
        template=params.rollout.template,
        min_language=1.0,
        max_tokens=settings.max_tokens,
        min_words=settings.min_words,
        max_repetition=settings.max_repetition,
        sketched=settings.near_duplicates > 0,
        forget=settings.forget,
        seed=params.seed,
    )
    sampled = partial(sampled_rows, params, settings, paths, report, checkpoint="zero/checkpoint", refine=refine)
    funnel = curated(
        [Part(name="sampled", files=sampled, recipe=readable)],
        settings,
        held_out_problems(paths),
        paths,
        report,
        template=params.rollout.template,
        workers=params.threads,
    )
    ops = pl.scan_parquet(paths.out / "examples.parquet").filter(pl.col("r1_op") == "refine").select(pl.len()).collect()
    refined = int(ops.item())
    paths.write_metrics(
        {"sampled": funnel.sources[0][0], "rows": funnel.kept, "refined": refined, **funnel.dropped_metrics()}
    )


def refine(text: str, language: str) -> str:
    """A response with its thought in one language; a malformed one stays as it is, and is dropped later."""
    parts = split(text)
    if not parts.well_formed or not parts.thought or parts.answer is None:
        return text
    return response(translated(parts.thought, language), parts.answer)


if __name__ == "__main__":
    start(main)
