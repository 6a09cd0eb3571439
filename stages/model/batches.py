"""From token lists to right-padded batches of bounded size."""

import random
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


def packed(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices, cut into sequences of at most `budget` tokens that lie one after the other without padding (at least one
    row each). The longest are placed first, each where it leaves the least room; the shortest sequence comes first.

    >>> packed([5, 2, 9, 2], budget=10)
    [[0, 1, 3], [2]]
    """
    bins: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        fitting = [(left - lengths[index], place) for place, left in enumerate(room) if left >= lengths[index]]
        if fitting:
            left, place = min(fitting)
            bins[place].append(index)
            room[place] = left
        else:
            bins.append([index])
            room.append(budget - lengths[index])
    return sorted(bins, key=lambda rows: (sum(lengths[i] for i in rows), rows))


def shuffled_batches(count: int, size: int, seeds: Sequence[int]) -> list[list[int]]:
    """Indices below `count`, once an epoch, in batches of `size` (the epoch's last may be smaller); a seed an epoch.

    >>> shuffled_batches(3, 2, [0, 1])
    [[0, 2], [1], [1, 2], [0]]
    """
    batches = []
    for seed in seeds:
        order = list(range(count))
        random.Random(seed).shuffle(order)
        batches += [order[start : start + size] for start in range(0, count, size)]
    return batches
