"""Calls of `generate` to an engine that works on several of them at a time."""

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
