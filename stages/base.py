"""The base model: a tiny one is pre-trained here; a real one is imported, pinned.

Paper: DeepSeek-V3-Base. Reads: data/prompts/corpus.parquet. Writes: checkpoint/.
"""

from stages.assembly.models import born
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.base is not None
    born(params, params.base, paths, report, seed=params.seed)


if __name__ == "__main__":
    start(main)
