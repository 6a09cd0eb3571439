"""From token lists to right-padded batches of bounded size."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Used = Callable[[int, Sequence[int]], None]  # step (from 1), the numbers of the rows that it took in


def unrecorded(step: int, rows: Sequence[int]) -> None:
    """Forgets what a step used."""


def pad(sequences: Sequence[Sequence[int]], value: int) -> Tensor:
    """Right-padded [B, longest]."""
    longest = max(map(len, sequences))
    return torch.tensor([[*s, *[value] * (longest - len(s))] for s in sequences])


def by_budget(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices, shortest first, cut into batches of at most `budget` padded positions (at least one each).

    >>> by_budget([5, 2, 9, 2], budget=10)
    [[1, 3], [0], [2]]
    """
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    batches: list[list[int]] = []
    for index in order:
        # Sorted by length, so the newest is the longest and sets the padded width.
        if batches and (len(batches[-1]) + 1) * lengths[index] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
