"""The comparison of expressions with all means: what the worker runs, and nothing else does."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType

from stages.rewards.compare import decided
from stages.rewards.exact import normal_equal
from stages.rewards.exact import proportional as exactly_proportional
from stages.rewards.precise import equal, proportional
from stages.rewards.sampling import OutOfRangeError
from stages.rewards.tree import BIG, Node, contains


class AllLeaves:
    """Always decides: what is out of range, or can't be worked out, is equal by structure alone.

    `loading` is around the import of sympy, which takes half a second and which few answers need.
    """

    def __init__(self, loading: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self._loading = loading
        self._module: ModuleType | None = None

    def equal(self, left: Node, right: Node) -> bool:
        known = decided(left, right)
        if known is not None:
            return known
        if contains(left, BIG) or contains(right, BIG):
            return self._equal_when_worked_out(left, right)
        try:
            return equal(left, right)
        except OutOfRangeError:
            return False

    def _equal_when_worked_out(self, left: Node, right: Node) -> bool:
        symbolic = self._symbolic()
        try:
            sides = [symbolic.worked_out(left), symbolic.worked_out(right)]
        except symbolic.UnsolvedError:
            return normal_equal(left, right) is True  # as far as the operators are the same
        return self.equal(*sides)

    def proportional(self, left: Node, right: Node) -> int:
        known = exactly_proportional(left, right)
        if known is not None:
            return known
        try:
            return proportional(left, right)
        except OutOfRangeError:
            return 0

    def solutions(self, relation: Node) -> Sequence[Node]:
        """What solves a relation in one variable, in the ways that it may have been meant (real, complex); none if
        sympy finds no complete answer."""
        symbolic = self._symbolic()
        try:
            found: Sequence[Node] = symbolic.solutions(relation)
        except symbolic.UnsolvedError:
            return ()
        return found

    def _symbolic(self) -> ModuleType:
        if self._module is None:
            with self._loading():
                from stages.rewards import symbolic
            self._module = symbolic
        return self._module
