"""Calls of `generate` to engines that work on several of them at a time."""

from collections.abc import Hashable, Sequence

from stages.contract.engine import Completion, OnFinished


class Call:
    """One call of `generate`: what of it is done."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.found: dict[tuple[int, int], Completion] = {}
        self._told: OnFinished | None = None

    def tell(self, told: OnFinished | None) -> None:
        """Whom to tell of completions, and of those that are there."""
        self._told = told
        if told:
            for (place, draw), completion in self.found.items():
                told(place, draw, completion)

    def put(self, place: int, draw: int, completion: Completion) -> None:
        self.found[place, draw] = completion
        if self._told:
            self._told(place, draw, completion)


def call_key(prompts: Sequence[Sequence[int]], *settings: float) -> Hashable:
    """What a call of `generate` is known by."""
    return tuple(map(tuple, prompts)), settings
