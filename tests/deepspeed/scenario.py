"""Trainings over however many processes torchrun starts: `python -m tests.deepspeed.scenario FOLDER RUNS`.

RUNS is JSON: {label: [Trainer, [scenario, ...]]}. The first process writes FOLDER/label/SCENARIO.json (the curve) and
FOLDER/label/SCENARIO/ (the checkpoint). All begin from FOLDER/model. With the engine `embedded` the single-process twin runs.
Several trainers one after the other in one process, because a process that imports DeepSpeed takes long to start.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from stages.assembly.progress import Kept
from stages.contract.attempt import Attempt
from stages.contract.course import Progress
from stages.contract.engine import Completion, OnFinished
from stages.contract.events import Silent
from stages.contract.params import RL, SFT, Checkpoints, Objective, Reward, Stretch, Trainer, parse
from stages.contract.ranks import ALONE, ranks_of
from stages.contract.task import Score, Task
from stages.model.checkpoint import load_decoder, save_checkpoint
from stages.model.optimiser import Live
from stages.model.policy import DecoderPolicy, Policy
from stages.model.processes import Processes
from stages.model.reward_model import RewardModel, Scoring, train_pairwise, train_pointwise
from stages.model.sft import fine_tune
from stages.rl.loop import Parts, train
from tests import tiny_model

Curve = list[dict[str, float]]
SETTINGS = SFT(
    epochs=2, batch_size=8, lr=3e-3, lr_end=0.1, warmup_steps=1, betas=[0.9, 0.95], weight_decay=0.01,
    max_grad_norm=1.0, max_tokens=100, micro_tokens=90,
)  # fmt: skip
# 3 prompts of 3 draws: nothing here divides by two processes. Two updates a rollout: the second is off-policy.
GRPO = RL(
    steps=4, prompts_per_step=3, group_size=3, steps_per_rollout=2, lengths=[Stretch(from_step=0, max_new_tokens=9)],
    temperature=0.9, top_p=1.0, lr=3e-3, lr_end=1.0, warmup_steps=0, betas=[0.9, 0.95], weight_decay=0.01,
    max_grad_norm=1.0, reference_every=2, drop_zero_variance=True, micro_tokens=40, validate_every=2,
    validate_problems=0, keep_rollouts=1,
    objective=Objective(adv_scale="group_std", agg="seq_mean", agg_tokens=1, loss="clip", ratio="token", clip_low=0.2,
        clip_high=0.28, dual_clip=0.0, kl="k3", kl_beta=0.02, tis="none", tis_cap=2.0),
    reward=Reward(accuracy=1.0, format=0.0, language=0.0, preference=0.0, overlong=0.0, combine="sum"),
)  # fmt: skip


class Models:
    """Models of one kind, from the checkpoint `start`; what is written goes below `work`."""

    def __init__(self, work: Path, start: Path, settings: Trainer) -> None:
        self.work, self.start, self.settings = work, start, settings
        work.mkdir(exist_ok=True)
        self.ranks = ranks_of(os.environ) if settings.engine == "deepspeed" else ALONE
        self.processes = Processes()
        if settings.engine == "deepspeed":
            from stages.model.trainer import connect

            self.processes = connect(self.ranks)

    def policy(self) -> Policy:
        if self.settings.engine == "embedded":
            return DecoderPolicy(load_decoder(self.start), pad_id=0)
        from stages.model.transformer import TransformerPolicy

        return TransformerPolicy(self._sharded(labels=0), pad_id=0)

    def scoring(self) -> Scoring:
        if self.settings.engine == "embedded":
            return RewardModel(load_decoder(self.start, labels=1), pad_id=0)
        from stages.model.transformer import TransformerReward

        return TransformerReward(self._sharded(labels=1), pad_id=0)

    def _sharded(self, *, labels: int):  # type: ignore[no-untyped-def]
        from stages.model.trainer import open_sharded
        from stages.model.transformer import load_transformer

        def build() -> torch.nn.Module:
            return load_transformer(self.start, self.settings, labels=labels)

        return open_sharded(build, self.settings, self.ranks, self.processes)

    def save(self, model: object, name: str) -> None:
        folder = self.work / name
        folder.mkdir(exist_ok=True)
        if isinstance(model, DecoderPolicy | RewardModel):
            save_checkpoint(model.decoder, tiny_model.tokenizer(), folder, tokenizer_from=self.start)
        else:
            model.write(folder)  # type: ignore[attr-defined]


def sft(models: Models, progress: Progress[Live] | None = None, name: str = "sft") -> Curve:
    """19 rows in batches of 8: the last is of 3."""
    policy = models.policy()
    prompts, responses = tiny_model.sequences(19, seed=1), tiny_model.sequences(19, shortest=1, seed=2)
    more = {"progress": progress} if progress else {}
    curve = fine_tune(policy, prompts, responses, SETTINGS, seed=1, report=Silent(), **more)  # type: ignore[arg-type]
    models.save(policy, name)
    return curve


def one_row(models: Models) -> Curve:
    """A batch of one row: all processes but one have none."""
    policy = models.policy()
    curve = fine_tune(policy, [[5, 6, 7]], [[8, 9]], SETTINGS, seed=1, report=Silent())
    models.save(policy, "one_row")
    return curve


def kept(models: Models) -> Curve:
    """Commits its state after every third step below WORK/steps, and goes on from what is there."""
    attempt = Attempt(models.work / f"steps-{models.ranks.rank}", Checkpoints(every_s=1e6, every_steps=3, keep=9))
    if models.ranks.leads:
        (attempt.folder / "sft").mkdir(exist_ok=True)
    return sft(models, Kept(attempt, "sft", Silent(), (), models.processes), "kept")


def pairwise(models: Models) -> Curve:
    scoring = models.scoring()
    chosen, rejected = tiny_model.sequences(11, seed=3), tiny_model.sequences(11, seed=4)
    settings = replace(SETTINGS, batch_size=4)
    curve = train_pairwise(scoring, chosen, rejected, settings, seed=2, report=Silent())
    models.save(scoring, "pairwise")
    return curve


def pointwise(models: Models) -> Curve:
    scoring = models.scoring()
    labels = [bool(number % 3) for number in range(11)]
    curve = train_pointwise(scoring, tiny_model.sequences(11, seed=5), labels, SETTINGS, seed=2, report=Silent())
    models.save(scoring, "pointwise")
    return curve


class _Engine:
    """Samples that depend on the seed alone."""

    copies_weights = False

    def renew(self) -> None: ...

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        draws: int,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        on_finished: OnFinished | None = None,
        logps: bool = True,
    ) -> list[list[Completion]]:
        made = tiny_model.sequences(len(prompts) * draws, shortest=1, longest=max_new_tokens, seed=seed)
        whole = [Completion(tokens=tokens, logps=[-5.0] * len(tokens), finished=True) for tokens in made]
        return [whole[start : start + draws] for start in range(0, len(whole), draws)]


class _Codec:
    def prompt(self, question: str) -> list[int]:
        return [5] * (1 + int(question))

    def text(self, tokens: Sequence[int]) -> str:
        return " ".join(map(str, tokens))


def _task(number: int) -> Task:
    return Task(
        id=f"t{number}", kind="reasoning", family="logic", difficulty=2, language="en", prompt=str(number), answer=""
    )


def _score(
    tasks: Sequence[Task], texts: Sequence[str], finished: Sequence[bool], lengths: Sequence[int], limit: int
) -> list[Score]:
    """Task 2's answers all earn the same: a group that teaches nothing."""
    return [
        Score(verdict="wrong", reason="wrong", accuracy=0.0, format=0.0, language=1.0, preference=None, overlong=0.0,
            reward=0.5 if task.id == "t2" else length % 5 / 4)
        for task, length in zip(tasks, lengths, strict=True)
    ]  # fmt: skip


def grpo(models: Models) -> Curve:
    policy = models.policy()
    parts = Parts(
        policy=policy,
        engine=_Engine(),
        codec=_Codec(),
        score=_score,
        pick=lambda step: [_task(step), _task(2), _task(4)],
        forbidden=lambda text: False,
        reflective=len,
        validate=lambda draw: {"accuracy": float(len(draw([_task(6), _task(7), _task(8)])))},
        keep=lambda step, samples: None,
    )
    curve, validation = train(parts, GRPO, seed=1, optimisation=policy.optimisation(GRPO), report=Silent())
    models.save(policy, "grpo")
    return [{**row, "divergence": validation[min(place // 2, 1)]["kl"]} for place, row in enumerate(curve)]


SCENARIOS: dict[str, Callable[[Models], Curve]] = {
    "sft": sft, "one_row": one_row, "kept": kept, "pairwise": pairwise, "pointwise": pointwise, "grpo": grpo,
}  # fmt: skip


def run(folder: Path, runs: Mapping[str, tuple[Mapping[str, object], Sequence[str]]]) -> None:
    torch.set_num_threads(1)
    for label, (engine, names) in runs.items():
        models = Models(folder / label, folder / "model", parse({"trainer": engine}).trainer)
        for name in names:
            curve = SCENARIOS[name](models)
            if models.ranks.leads:
                (models.work / f"{name}.json").write_text(json.dumps(curve))


if __name__ == "__main__":
    run(Path(sys.argv[1]), json.loads(sys.argv[2]))
