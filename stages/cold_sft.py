"""Cold-start SFT: the base model on the cold-start rows.

Paper: section 2.3.1 (Dev1). Reads: data/cold_start/examples.parquet, data/base/checkpoint. Writes: checkpoint/.
"""

from stages.assembly.training import tune
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.cold_sft is not None
    tune(params, params.cold_sft, paths, report, start_from="base/checkpoint", examples="cold_start/examples.parquet")


if __name__ == "__main__":
    start(main)
