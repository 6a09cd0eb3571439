"""Supervised fine-tuning: cross-entropy on the response's tokens, never on the prompt's."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from stages.contract.course import UNKEPT, Course, Progress
from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.params import SFT
from stages.contract.phases import phases
from stages.model.batches import Used, shuffled_batches, unrecorded
from stages.model.optimiser import Live, cosine_rate, finite
from stages.model.policy import Policy


def fine_tune(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    settings: SFT,
    *,
    seed: int,
    report: Reporter,
    progress: Progress[Live] = UNKEPT,
    used: Used = unrecorded,
) -> list[dict[str, float]]:
    """Train in place. The loss is the mean over a batch's response tokens; the rate falls along a cosine.
    `used` is told the rows of every step that is done.

    Returns the curve: step, loss, and the gradient's norm before clipping.

    Raises:
        UserError: no rows, or rows longer than max_tokens (they would be cut unseen).
    """
    torch.use_deterministic_algorithms(True)
    if not prompts:
        raise UserError("there are no rows to train on", hint="r1 status")
    longest = max(len(p) + len(r) for p, r in zip(prompts, responses, strict=True))
    if longest > settings.max_tokens:
        raise UserError(
            f"a row has {longest} tokens, max_tokens is {settings.max_tokens}", hint="raise max_tokens in params.yaml"
        )
    optimisation = policy.optimisation(settings)
    batches = shuffled_batches(len(prompts), settings.batch_size, [seed * 1009 + e for e in range(settings.epochs)])
    report.phase("fine-tuning", total=len(batches))
    course = Course(progress, optimisation.live(), total=len(batches), plan=batches.__getitem__, report=report)
    curve = cast(list[dict[str, float]], course.plain.get("curve", []))
    for step in course.steps():
        batch = batches[step]
        with phases("train"):
            loss = _accumulate(
                policy, [prompts[i] for i in batch], [responses[i] for i in batch], settings.micro_tokens
            )
            rate = cosine_rate(step, steps=len(batches), warmup=settings.warmup_steps, end=settings.lr_end)
            norm = finite(optimisation.update(settings.lr * rate), step=step + 1)
        curve.append({"step": step + 1, "loss": loss, "grad_norm": norm})
        report.step(step + 1, {"loss": loss})
        used(step + 1, batch)
        course.done(batch, lambda: {"curve": curve})
    course.finish()
    return curve


def _accumulate(policy: Policy, prompts: list[Sequence[int]], responses: list[Sequence[int]], budget: int) -> float:
    """Gradients of the mean token loss over the batch, micro-batch by micro-batch; the loss."""
    tokens = sum(map(len, responses))

    def loss_of(rows: list[int]) -> tuple[Tensor, float]:
        logps, _, mask = policy.logps([prompts[i] for i in rows], [responses[i] for i in rows], temperature=1.0)
        loss = -(logps * mask).sum() / tokens
        return loss, loss.item()

    return sum(
        policy.accumulate(
            policy.micro_batches([len(p) + len(r) for p, r in zip(prompts, responses, strict=True)], budget), loss_of
        )
    )
