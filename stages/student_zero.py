"""The control of distillation: GRPO straight on the student.

Paper: Table 6 (Qwen2.5-32B-Zero). Reads: data/prompts/{train,validation,test}.parquet, data/student/STUDENT/checkpoint.
Writes: checkpoint/, rollouts.parquet, plots.
"""

from stages.assembly.training import reinforce
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.student_zero is not None
    reinforce(params, params.student_zero, paths, report, start_from=f"student/{paths.item}/checkpoint")


if __name__ == "__main__":
    start(main)
