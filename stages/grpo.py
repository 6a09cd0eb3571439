"""Reasoning RL from the cold-started model: accuracy, format and language consistency.

Paper: section 2.3.2 (stage 1, Dev2). Reads: data/prompts/{train,validation,test}.parquet, data/cold_sft/checkpoint.
Writes: checkpoint/, rollouts.parquet, plots.
"""

from stages.assembly.training import reinforce
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.grpo is not None
    reinforce(params, params.grpo, paths, report, start_from="cold_sft/checkpoint")


if __name__ == "__main__":
    start(main)
