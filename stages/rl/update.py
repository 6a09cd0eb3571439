"""One policy update over a step's completions: micro-batches, losses, gradients, the learning rate.

Shapes: B rows of a micro-batch, T positions.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from stages.contract.errors import UserError
from stages.contract.params import RL
from stages.contract.phases import phases
from stages.rl.objective import Normaliser, grpo_loss
from stages.rl.samples import Sample

P = TypeVar("P")
R = TypeVar("R")
L = TypeVar("L")  # what training changes, as whoever commits it takes it (stages/model/optimiser.py)
L_co = TypeVar("L_co", covariant=True)


class Optimisation(Protocol[L_co]):
    """Turns gradients into updates."""

    def live(self) -> Mapping[str, L_co]: ...

    def update(self, lr: float) -> float:
        """Clip the gradients, update the weights, forget the gradients; the norm that they had before clipping. The
        caller ends where it is not finite."""


class Policy(Protocol[L_co]):
    """The model in training. `accumulate` and `measure` spread their parts over what the policy has to compute with."""

    def logps(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], *, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor]: ...

    def micro_batches(self, lengths: Sequence[int], budget: int) -> list[list[int]]: ...

    def accumulate(self, parts: Sequence[P], loss_of: Callable[[P], tuple[Tensor, R]]) -> list[R]: ...

    def measure(self, parts: Sequence[P], figure_of: Callable[[P], R]) -> list[R]: ...

    def frozen_copy(self) -> "Policy[L_co]": ...

    def weights(self) -> L_co: ...

    def in_dtype(self, dtype: torch.dtype) -> "Policy[L_co] | None": ...


def remember(policy: Policy[L], rollout: list[Sample], settings: RL) -> None:
    """Log-probabilities under the policy that made the rollout, as the trainer computes them."""

    def logps_of(rows: list[Sample]) -> list[list[float]]:
        logps, _, _ = policy.logps([s.prompt for s in rows], [s.tokens for s in rows], temperature=settings.temperature)
        found: list[list[float]] = logps.tolist()
        return found

    batches = _micro_batches(policy, rollout, settings.micro_tokens)
    with phases("train"):
        measured = policy.measure(batches, logps_of)
    # Not within `logps_of`: it may have run in another process.
    for rows, found in zip(batches, measured, strict=True):
        for sample, values in zip(rows, found, strict=True):
            sample.old_logps = values[: len(sample.tokens)]


def _micro_batches(policy: Policy[L], samples: Sequence[Sample], budget: int) -> list[list[Sample]]:
    """Samples of like length together, at most `budget` positions in a batch."""
    lengths = [len(s.prompt) + len(s.tokens) for s in samples]
    return [[samples[i] for i in rows] for rows in policy.micro_batches(lengths, budget)]


def update(
    policy: Policy[L],
    reference: Policy[L] | None,
    samples: list[Sample],
    settings: RL,
    step: int,
    optimisation: Optimisation[L],
    *,
    off_policy: bool,
) -> dict[str, float]:
    """One policy update over the samples that count; the objective's figures."""
    used = [s for s in samples if s.masked is None]
    normaliser = Normaliser(sequences=len(used), tokens=sum(len(s.tokens) for s in used))
    totals: dict[str, float] = {}
    for figures in policy.accumulate(
        _micro_batches(policy, used, settings.micro_tokens),
        lambda rows: _loss(policy, reference, rows, settings, normaliser, off_policy=off_policy),
    ):
        for name, value in figures.items():
            totals[name] = totals.get(name, 0.0) + value
    rate = _rate(settings, step)
    norm = optimisation.update(rate) if used else 0.0
    if not math.isfinite(norm):
        raise UserError(f"step {step + 1}: the gradient is not finite", hint="lower lr, or look at the last rollouts")
    tokens = max(1, normaliser.tokens)
    means = {name: value / tokens for name, value in totals.items()}
    return {"grad_norm": norm, "lr": rate, "kl": 0.0, "entropy": 0.0, **means}


def _loss(
    policy: Policy[L],
    reference: Policy[L] | None,
    rows: list[Sample],
    settings: RL,
    normaliser: Normaliser,
    *,
    off_policy: bool,
) -> tuple[Tensor, dict[str, float]]:
    prompts, completions = [s.prompt for s in rows], [s.tokens for s in rows]
    logp, entropy, mask = policy.logps(prompts, completions, temperature=settings.temperature)
    engine = _padded([s.engine_logps for s in rows])
    # With one update a rollout the policy that made it is the one that is being trained.
    old = _padded([s.old_logps for s in rows]) if off_policy else logp.detach()
    reference_logp = None
    if reference is not None:
        with torch.no_grad():
            reference_logp, _, _ = reference.logps(prompts, completions, temperature=settings.temperature)
    loss, figures = grpo_loss(
        logp,
        old_logp_BT=old,
        advantage_B=torch.tensor([s.advantage for s in rows]),
        mask_BT=mask,
        options=settings.objective,
        normaliser=normaliser,
        reference_logp_BT=reference_logp,
        engine_logp_BT=engine,
    )
    sums = {name: float(value) for name, value in figures.items()}
    sums["entropy"] = float((entropy * mask).sum())
    sums["mismatch"] = float(((old - engine).abs() * mask).sum())
    return loss, sums


def _padded(rows: Sequence[Sequence[float]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*r, *[0.0] * (longest - len(r))] for r in rows])


def _rate(settings: RL, step: int) -> float:
    if step < settings.warmup_steps:
        return settings.lr * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - 1 - settings.warmup_steps)
    return settings.lr * (1.0 - (1.0 - settings.lr_end) * min(1.0, done))


def divergence(policy: Policy[L], origin: Policy[L], samples: Sequence[Sample], settings: RL) -> float:
    """Mean k3 estimate a token of KL(policy, origin) over the policy's own samples, in nats."""

    def summed(rows: list[Sample]) -> tuple[float, int]:
        prompts, completions = [s.prompt for s in rows], [s.tokens for s in rows]
        logp, _, mask = policy.logps(prompts, completions, temperature=settings.temperature)
        then, _, _ = origin.logps(prompts, completions, temperature=settings.temperature)
        gap = then - logp
        return float(((gap.exp() - gap - 1) * mask).sum()), int(mask.sum())

    with phases("train"):
        found = policy.measure(_micro_batches(policy, samples, settings.micro_tokens), summed)
    return sum(total for total, _ in found) / max(1, sum(tokens for _, tokens in found))
