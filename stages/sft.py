"""SFT of the **base** model (not of the RL model) on the rejection-sampled and general rows.

Paper: section 2.3.3 (Dev3). Reads: data/rejection/examples.parquet, data/base/checkpoint. Writes: checkpoint/.
"""

from stages.assembly.training import tune
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.sft is not None
    examples = "rejection/examples.parquet"
    tune(params, params.sft, paths, report, start_from="base/checkpoint", examples=examples, shuffled=True)


if __name__ == "__main__":
    start(main)
