"""What a verifier says of one answer: correct, wrong, or unknown, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["correct", "wrong", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A graded answer, true if and only if it is correct.

    `reason` is one word or `word:detail`. An unknown verdict (the verifier ran out of time, the gold can't be read,
    the sandbox failed) is never rewarded; it is counted, because a high rate means that the reward is broken.

    >>> bool(Verdict(status="correct", reason="equal")), Verdict(status="unknown", reason="timeout").reward
    (True, 0.0)
    """

    status: Status
    reason: str
    extracted: str | None = None  # the answer as it was read, in canonical form where there is one
    parts: Mapping[str, float] = field(default_factory=dict)  # e.g. the fraction of tests passed

    @property
    def reward(self) -> float:
        """1.0 for a correct answer, else 0.0."""
        return float(self.status == "correct")

    def __bool__(self) -> bool:
        return self.status == "correct"
