"""Cold-start data: R1-Zero's right and readable traces, put into the question's language.

Paper: section 2.3.1 and B.3.2: several samples a prompt at temperature 1; a refiner mends language mixing;
what it wrote is verified again; right and readable rows stay.
Reads: data/prompts/{train,validation,test}.parquet, data/zero/checkpoint. Writes: examples.parquet (+ rejected).
"""

from stages.assembly.rows import sampled_examples, write_examples
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params
from stages.contract.transcript import split
from stages.curate.filters import bad_format, incorrect, mixed_language, repetition
from stages.tasks.traces import response, translated


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.cold_start is not None and params.rollout is not None
    settings = params.cold_start
    # The refiner knows the world's own words only: a thought that is still mixed after it is not readable.
    filters = [
        incorrect,
        bad_format(params.rollout.template),
        mixed_language(min_consistency=1.0),
        repetition(max_share=settings.max_repetition),
    ]
    sampled, curated = sampled_examples(
        params, settings, paths, report, checkpoint="zero/checkpoint", filters=filters, refine=refine
    )
    dropped = write_examples(curated, paths)
    refined = int((curated.kept["r1_op"] == "refine").sum())
    paths.write_metrics({"sampled": sampled, "rows": len(curated.kept), "refined": refined, **dropped})


def refine(text: str, language: str) -> str:
    """A response with its thought in one language; a malformed one stays as it is, and is dropped later."""
    parts = split(text)
    if not parts.well_formed or not parts.thought or parts.answer is None:
        return text
    return response(translated(parts.thought, language), parts.answer)


if __name__ == "__main__":
    start(main)
