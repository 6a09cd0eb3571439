"""The comparison of expressions with all means: what the worker runs, and nothing else does."""

from stages.rewards.compare import decided
from stages.rewards.exact import proportional as exactly_proportional
from stages.rewards.precise import equal, proportional
from stages.rewards.sampling import OutOfRangeError
from stages.rewards.tree import Node


class AllLeaves:
    """Always decides: what is out of range is equal by structure alone."""

    def equal(self, left: Node, right: Node) -> bool:
        known = decided(left, right)
        if known is not None:
            return known
        try:
            return equal(left, right)
        except OutOfRangeError:
            return False

    def proportional(self, left: Node, right: Node) -> int:
        known = exactly_proportional(left, right)
        if known is not None:
            return known
        try:
            return proportional(left, right)
        except OutOfRangeError:
            return 0
