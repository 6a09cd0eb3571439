"""A student's base model: smaller, with the base model's tokenizer; or an imported one.

Paper: the bases of the distilled models (Qwen2.5, Llama 3). Reads: data/prompts/corpus.parquet,
data/base/checkpoint. Writes: checkpoint/.
"""

from stages.assembly.models import born
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params


def main(params: Params, paths: Paths, report: Reporter) -> None:
    born(
        params,
        params.students[paths.item].base,
        paths,
        report,
        seed=params.seed + 1,
        tokenizer_from=paths.data / "base" / "checkpoint",
    )


if __name__ == "__main__":
    start(main)
