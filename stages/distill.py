"""Distillation: a student fine-tuned on the rejection rows; no RL.

Paper: section 2.4. Reads: data/rejection/examples.parquet, data/student/STUDENT/checkpoint. Writes: checkpoint/.
"""

from stages.assembly.training import tune
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params


def main(params: Params, paths: Paths, report: Reporter) -> None:
    settings = params.students[paths.item].distill
    tune(
        params,
        settings,
        paths,
        report,
        start_from=f"student/{paths.item}/checkpoint",
        examples="rejection/examples.parquet",
        shuffled=True,
    )


if __name__ == "__main__":
    start(main)
