"""What the processes of one training tell each other. Every process calls the same methods in the same order."""

from collections.abc import Sequence
from typing import TypeVar, cast

import torch
from torch import distributed

from stages.contract.phases import phases
from stages.contract.ranks import ALONE, Ranks

T = TypeVar("T")


class Processes:
    """Of a process that is alone each method gives back what it was given. Values travel pickled, between processes of
    one job that trust each other; none is ever read from a file."""

    def __init__(self, ranks: Ranks = ALONE) -> None:
        """`torch.distributed` must be initialised where there is more than one."""
        self.rank, self.size = ranks.rank, ranks.size

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def first(self, value: T) -> T:
        """The value that the first process has."""
        if self.size == 1:
            return value
        box = [value if self.leads else None]
        with phases("collective"):
            distributed.broadcast_object_list(box, src=0)
        return cast(T, box[0])

    def all(self, value: T) -> list[T]:
        """Every process's value, by rank."""
        if self.size == 1:
            return [value]
        found: list[T | None] = [None] * self.size
        with phases("collective"):
            distributed.all_gather_object(found, value)
        return cast(list[T], found)

    def most(self, number: int) -> int:
        """The largest number that a process has."""
        return max(self.all(number))

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Every `size`-th item, from this process's rank on."""
        return items[self.rank :: self.size]


def device_of(ranks: Ranks) -> torch.device:
    """Where this process computes."""
    return torch.device("cuda", ranks.local) if torch.cuda.is_available() else torch.device("cpu")
