"""R1-Zero: pure GRPO from the base model, rewards by rule only.

Paper: section 2.2. Reads: data/prompts/{train,validation,test}.parquet, data/base/checkpoint.
Writes: checkpoint/, rollouts.parquet, plots.
"""

from stages.assembly.training import reinforce
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.zero is not None
    reinforce(params, params.zero, paths, report, start_from="base/checkpoint")


if __name__ == "__main__":
    start(main)
