"""Alignment RL: rules on reasoning prompts; on general ones, in the run's last part only, reward models and format.

Paper: section 2.3.4 and 3.2 (stage 2, R1): temperature 0.7; general prompts and preference rewards only in
the last 400 of 1,700 steps, since longer invites reward hacking.
Reads: data/prompts/{train,validation,test,general,general_validation}.parquet, data/sft/checkpoint,
data/reward_model/{helpful,safety}. Writes: checkpoint/, rollouts.parquet, plots.
"""

from stages.assembly.models import reward_judge
from stages.assembly.training import picker, reinforce
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params
from stages.contract.schemas import TASKS
from stages.contract.tables import read_table
from stages.contract.task import Task, tasks_of


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.align is not None
    settings = params.align
    prompts = paths.data / "prompts"
    reasoning = tasks_of(read_table(prompts / "train.parquet", TASKS))
    general = tasks_of(read_table(prompts / "general.parquet", TASKS))
    joins = round(settings.general_from * settings.steps)
    few = round(settings.general_share * settings.prompts_per_step)
    pick_reasoning = picker(reasoning, settings.prompts_per_step, seed=params.seed)
    pick_general = picker(general, few, seed=params.seed + 1) if few else (lambda step: [])

    def pick(step: int) -> list[Task]:
        chosen = pick_reasoning(step)
        return chosen if step < joins else [*chosen[: settings.prompts_per_step - few], *pick_general(step)]

    reinforce(
        params,
        settings,
        paths,
        report,
        start_from="sft/checkpoint",
        judge=lambda model: reward_judge(paths.data, model),
        pick=pick,
        general=tasks_of(read_table(prompts / "general_validation.parquet", TASKS)),
    )


if __name__ == "__main__":
    start(main)
