"""Gradients of a loss that comes in parts, the parts spread over a team."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from stages.contract.team import Team

P = TypeVar("P")
R = TypeVar("R")


def accumulate(
    parameters: Iterable[nn.Parameter], parts: Sequence[P], loss_of: Callable[[P], tuple[Tensor, R]], *, team: Team
) -> list[R]:
    """Set every parameter's `.grad` to the gradient of the sum of the parts' losses.

    `loss_of` returns a part's loss and whatever else the caller wants of it; those are returned in the parts' order.
    Without parts the gradients are None.
    """
    listed = list(parameters)

    def share(member: int) -> tuple[list[Tensor], list[R]]:
        total: list[Tensor] = []
        found: list[R] = []
        for part in team.share(parts, member):
            loss, result = loss_of(part)
            slopes = torch.autograd.grad(loss, listed)
            total = (
                [a.add_(b) for a, b in zip(total, slopes, strict=True)] if total else [s.contiguous() for s in slopes]
            )
            found.append(result)
        return total, found

    shares = team.each(share)
    sums = [total for total, _ in shares if total]
    for number, parameter in enumerate(listed):
        parameter.grad = None
        if sums:
            whole = sums[0][number]
            for other in sums[1:]:
                whole.add_(other[number])
            parameter.grad = whole
    return [shares[place % team.size][1][place // team.size] for place in range(len(parts))]
