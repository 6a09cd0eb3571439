"""Optimisers and schedules.

Muon (Jordan et al., 2024) orthogonalises the momentum of each matrix by a Newton-Schulz iteration. Here
all matrices of one shape are stacked and iterated together: on a CPU, matrices this small are otherwise
slower to schedule than to multiply.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from stages.contract.errors import UserError
from stages.contract.team import ALONE, Team
from stages.model.shards import Spec


@runtime_checkable
class Streamed(Protocol):
    """Tensors that lie in parts in several processes and are put together one by one. Every process takes part."""

    def specs(self) -> list[Spec]:
        """What `tensors` gives, in order."""

    def tensors(self) -> Iterator[Tensor]: ...

    def put(self, read: Callable[[str], Tensor]) -> None:
        """Take over the tensors that `read` gives by name."""


Live = Sequence[Tensor] | Optimizer | Streamed  # what training changes


class Hyper(Protocol):
    """What an optimiser needs of a training's settings (the params SFT and RL)."""

    @property
    def betas(self) -> list[float]: ...

    @property
    def weight_decay(self) -> float: ...

    @property
    def max_grad_norm(self) -> float: ...


class Optimisation(Protocol):
    """Turns gradients into updates."""

    def live(self) -> Mapping[str, Live]:
        """Weights and optimiser: all that an update changes."""

    def update(self, lr: float) -> float:
        """Clip the gradients, update the weights, forget the gradients; the norm that they had before clipping. The
        caller ends where it is not finite; the weights are not changed then, or not committed."""


class Muon:
    """Muon for matrices, in float32, batched by shape. Update scaled by sqrt(max(1, rows/columns)).

    The members of a team take a share of each shape's matrices.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], *, momentum: float = 0.95, team: Team = ALONE) -> None:
        self.groups: dict[tuple[int, int], list[nn.Parameter]] = {}
        for matrix in matrices:
            rows, columns = matrix.shape
            self.groups.setdefault((min(rows, columns), max(rows, columns)), []).append(matrix)
        self.momentum = momentum
        self.team = team
        self.buffers: dict[nn.Parameter, Tensor] = {}

    def momenta(self) -> list[Tensor]:
        """The momentum of each matrix, zero before the first step."""
        matrices = [matrix for group in self.groups.values() for matrix in group]
        return [self.buffers.setdefault(matrix, torch.zeros_like(matrix)) for matrix in matrices]

    def step(self, lr: float) -> None:
        self.team.each(lambda member: self._step(lr, member))

    @torch.no_grad()
    def _step(self, lr: float, member: int) -> None:
        for group in self.groups.values():
            if not (matrices := self.team.share(group, member)):
                continue
            updates = []
            for matrix in matrices:
                assert matrix.grad is not None
                buffer = self.buffers.setdefault(matrix, torch.zeros_like(matrix))
                buffer.lerp_(matrix.grad, 1 - self.momentum)
                nesterov = matrix.grad.lerp(buffer, self.momentum)
                updates.append(nesterov if _wide(matrix) else nesterov.T)
            for matrix, update in zip(matrices, _orthogonalise(torch.stack(updates)), strict=True):
                rows, columns = matrix.shape
                matrix.add_(update if _wide(matrix) else update.T, alpha=-lr * max(1.0, rows / columns) ** 0.5)


def _wide(matrix: Tensor) -> bool:
    return matrix.shape[0] <= matrix.shape[1]


def _orthogonalise(g_NRC: Tensor) -> Tensor:
    """Five quintic Newton-Schulz steps on a stack of wide matrices [N, rows <= columns]."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x: Tensor = g_NRC / (g_NRC.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def adamw(parameters: Iterable[nn.Parameter], *, betas: list[float], weight_decay: float) -> torch.optim.AdamW:
    """AdamW whose rate is set before every step; decay on matrices only."""
    listed = list(parameters)
    groups = [
        {"params": [p for p in listed if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in listed if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(betas[0], betas[1]), eps=1e-8, foreach=True)


def set_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = lr


class AdamW:
    """The optimisation of a model that one process holds."""

    def __init__(self, parameters: Iterable[nn.Parameter], settings: Hyper) -> None:
        self.parameters = list(parameters)
        self.optimiser = adamw(self.parameters, betas=settings.betas, weight_decay=settings.weight_decay)
        self.max_grad_norm = settings.max_grad_norm

    def live(self) -> Mapping[str, Live]:
        return {"weights": self.parameters, "optimiser": self.optimiser}

    def update(self, lr: float) -> float:
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm)
        set_rate(self.optimiser, lr)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.optimiser.zero_grad()
        return float(norm)


def finite(norm: float, *, step: int) -> float:
    """The norm.

    Raises:
        UserError: it is infinite or no number.
    """
    if not math.isfinite(norm):
        raise UserError(f"step {step}: the gradient is not finite", hint="lower lr")
    return norm


def linear_rate(step: int, *, steps: int, warmup: int, end: float) -> float:
    """Share of the peak rate at `step` (from 0): linear warm-up, then linear to `end` at the last step.

    >>> [round(linear_rate(s, steps=5, warmup=0, end=0.0), 2) for s in range(5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if step < warmup:
        return (step + 1) / warmup
    span = max(1, steps - 1 - warmup)
    return 1.0 - (1.0 - end) * min(1.0, (step - warmup) / span)


def cosine_rate(step: int, *, steps: int, warmup: int, end: float) -> float:
    """Share of the peak rate at `step`: linear warm-up, then half a cosine to `end` at the last step."""
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * done))


def trapezoid_rate(step: int, *, steps: int, warmup: int, decay_from: float) -> float:
    """Share of the peak rate at `step`: warm-up, flat, then linear to 0 over the last part."""
    if step < warmup:
        return (step + 1) / warmup
    return min(1.0, (1.0 - step / steps) / max(1e-9, 1.0 - decay_from))
