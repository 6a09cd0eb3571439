"""Threads that work side by side on one machine, each on a share that is fixed beforehand.

A tiny model's operations are too small to be split over cores one by one: two threads with half of the rows each are
faster than one operation after the other on two threads (docs/log.md, "Speed"). Torch lets go of Python's lock within
its operations, so threads do. What a member gets depends on its number only, so sums come out the same in every run;
they depend on the team's size, which is therefore a param (`threads`).
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """The cores that this process may use: those that a scheduler or a container gave it, not all of the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Team:
    """`size` members; the caller's thread is the first of them. Work must not call the same team again."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._others = ThreadPoolExecutor(size - 1, thread_name_prefix="team") if size > 1 else None

    def each(self, work: Callable[[int], R]) -> list[R]:
        """`work(member)` for every member at once; the results by member. The first error is raised, after all ended."""
        if self._others is None:
            return [work(0)]
        waiting = [self._others.submit(work, member) for member in range(1, self.size)]
        try:
            first = work(0)
        finally:
            for future in waiting:
                future.exception()  # waits: nothing may still run when this returns
        return [first, *(future.result() for future in waiting)]

    def share(self, items: Sequence[T], member: int) -> Sequence[T]:
        """Every `size`-th item: where they are sorted by length, all shares are of like length."""
        return items[member :: self.size]

    def map(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """`work(item)` for every item, spread over the members; the results in the items' order.

        >>> Team(2).map(lambda x: x * x, [1, 2, 3])
        [1, 4, 9]
        """
        found = self.each(lambda member: [work(item) for item in self.share(items, member)])
        return [found[place % self.size][place // self.size] for place in range(len(items))]


ALONE = Team(1)
