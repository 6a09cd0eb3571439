"""Reward models: the policy's architecture with a scalar head.

Paper: helpful, pairwise (Bradley-Terry), reading the final summary only; safety, point-wise (binary cross
entropy), reading the whole response. One epoch.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from stages.contract.course import UNKEPT, Course, Progress
from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.params import SFT
from stages.contract.phases import phases
from stages.contract.team import ALONE, Team
from stages.model.batches import Used, by_budget, pad, shuffled_batches, unrecorded
from stages.model.decoder import Decoder
from stages.model.gradients import accumulate
from stages.model.optimiser import AdamW, Hyper, Live, Optimisation, cosine_rate, finite

P = TypeVar("P")
R = TypeVar("R")


class Scoring(Protocol):
    """A reward model in training; see `Policy` in stages/model/policy.py for what it has in common with one."""

    def optimisation(self, settings: Hyper) -> Optimisation: ...

    def scores(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """[B], differentiable."""

    def shares(self, rows: Sequence[int], lengths: Sequence[int], budget: int) -> list[Sequence[int]]:
        """Rows, which have so many tokens each, cut into the parts that are computed at once."""

    def accumulate(self, parts: Sequence[P], loss_of: Callable[[P], tuple[Tensor, R]]) -> list[R]: ...


class RewardModel:
    """Scores token sequences with one number each."""

    def __init__(self, decoder: Decoder, *, pad_id: int, team: Team = ALONE) -> None:
        self.decoder = decoder
        self.pad_id = pad_id
        self.team = team

    def scores(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """[B], differentiable."""
        last = torch.tensor([len(s) - 1 for s in sequences])
        return self.decoder.scores(pad(sequences, self.pad_id), last)[:, 0]

    def optimisation(self, settings: Hyper) -> Optimisation:
        return AdamW(self.decoder.parameters(), settings)

    def shares(self, rows: Sequence[int], lengths: Sequence[int], budget: int) -> list[Sequence[int]]:
        """One a member of the team, whatever the budget: a tiny model's batch fits."""
        return [share for member in range(self.team.size) if (share := self.team.share(rows, member))]

    def accumulate(self, parts: Sequence[P], loss_of: Callable[[P], tuple[Tensor, R]]) -> list[R]:
        return accumulate(self.decoder.parameters(), parts, loss_of, team=self.team)

    def score_all(self, sequences: Sequence[Sequence[int]], *, budget: int = 2048) -> list[float]:
        """Scores of any number of sequences, in their order."""

        @torch.no_grad()
        def values(rows: list[int]) -> list[float]:
            scored: list[float] = self.scores([sequences[i] for i in rows]).tolist()
            return scored

        batches = by_budget([len(s) for s in sequences], budget)
        found = [0.0] * len(sequences)
        for rows, scored in zip(batches, self.team.map(values, batches), strict=True):
            for row, value in zip(rows, scored, strict=True):
                found[row] = value
        return found


def train_pairwise(
    model: Scoring,
    chosen: Sequence[Sequence[int]],
    rejected: Sequence[Sequence[int]],
    settings: SFT,
    *,
    seed: int,
    report: Reporter,
    progress: Progress[Live] = UNKEPT,
    used: Used = unrecorded,
) -> list[dict[str, float]]:
    """Bradley-Terry: -log sigmoid(score(chosen) - score(rejected)). Returns the curve: step, loss, accuracy."""

    def loss_of(rows: Sequence[int]) -> tuple[Tensor, float]:
        scores = model.scores([*(chosen[i] for i in rows), *(rejected[i] for i in rows)])
        margin = scores[: len(rows)] - scores[len(rows) :]
        return -F.logsigmoid(margin).sum(), float((margin > 0).sum())

    return _train(
        model,
        [len(a) + len(b) for a, b in zip(chosen, rejected, strict=True)],
        loss_of,
        settings,
        seed=seed,
        report=report,
        name="helpful reward model",
        progress=progress,
        used=used,
    )


def train_pointwise(
    model: Scoring,
    sequences: Sequence[Sequence[int]],
    safe: Sequence[bool],
    settings: SFT,
    *,
    seed: int,
    report: Reporter,
    progress: Progress[Live] = UNKEPT,
    used: Used = unrecorded,
) -> list[dict[str, float]]:
    """Binary cross-entropy with label 1 for safe. Returns the curve: step, loss, accuracy."""

    def loss_of(rows: Sequence[int]) -> tuple[Tensor, float]:
        scores = model.scores([sequences[i] for i in rows])
        target = torch.tensor([float(safe[i]) for i in rows])
        loss = F.binary_cross_entropy_with_logits(scores, target, reduction="sum")
        return loss, float(((scores > 0) == (target > 0)).sum())

    return _train(
        model,
        [len(s) for s in sequences],
        loss_of,
        settings,
        seed=seed,
        report=report,
        name="safety reward model",
        progress=progress,
        used=used,
    )


def _train(
    model: Scoring,
    lengths: Sequence[int],
    loss_of: Callable[[Sequence[int]], tuple[Tensor, float]],
    settings: SFT,
    *,
    seed: int,
    report: Reporter,
    name: str,
    progress: Progress[Live],
    used: Used,
) -> list[dict[str, float]]:
    """`lengths`: the rows' tokens. `loss_of` gives some rows' summed loss and how many of them are right; a step takes a
    batch's means."""
    torch.use_deterministic_algorithms(True)
    if not lengths:
        raise UserError(
            f"there are no rows to train the {name} on", hint="r1 run sft -f ; or lower reward_model.min_margin"
        )
    optimisation = model.optimisation(settings)
    batches = shuffled_batches(len(lengths), settings.batch_size, [seed * 1013 + e for e in range(settings.epochs)])
    report.phase(name, total=len(batches))
    course = Course(progress, optimisation.live(), total=len(batches), plan=batches.__getitem__, report=report)
    curve = cast(list[dict[str, float]], course.plain.get("curve", []))
    for step in course.steps():
        with phases("train"):
            loss, accuracy = _step_gradients(model, batches[step], lengths, settings.micro_tokens, loss_of)
            rate = cosine_rate(step, steps=len(batches), warmup=settings.warmup_steps, end=settings.lr_end)
            finite(optimisation.update(settings.lr * rate), step=step + 1)
        curve.append({"step": step + 1, "loss": loss, "accuracy": accuracy})
        report.step(step + 1, {"loss": loss, "accuracy": accuracy})
        used(step + 1, batches[step])
        course.done(batches[step], lambda: {"curve": curve})
    course.finish()
    return curve


def _step_gradients(
    model: Scoring,
    batch: Sequence[int],
    lengths: Sequence[int],
    budget: int,
    loss_of: Callable[[Sequence[int]], tuple[Tensor, float]],
) -> tuple[float, float]:
    """Leave the gradient of the batch's mean loss for the update; the loss and the share of rows that are right."""

    def part(rows: Sequence[int]) -> tuple[Tensor, tuple[float, float]]:
        loss, right = loss_of(rows)
        loss = loss / len(batch)
        return loss, (loss.item(), right / len(batch))

    found = model.accumulate(model.shares(batch, [lengths[i] for i in batch], budget), part)
    return sum(loss for loss, _ in found), sum(right for _, right in found)
