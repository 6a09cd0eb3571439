"""Completions on their way through a step of RL, and what is said of a step's."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stages.contract.task import Score, Task


@dataclass(kw_only=True)
class Sample:
    """One completion on its way through a step."""

    task: Task
    draw: int
    prompt: list[int]
    tokens: list[int]
    engine_logps: list[float]
    finished: bool
    text: str = ""
    score: Score | None = None
    advantage: float = 0.0
    masked: str | None = None
    old_logps: list[float] = field(default_factory=list)

    @property
    def earned(self) -> Score:
        assert self.score is not None
        return self.score


def figures_of(samples: Sequence[Sample], reflective: Callable[[str], int]) -> dict[str, float]:
    """Means over a step's samples, masked ones included. `reflective` counts reflective words in a text."""
    count = len(samples)
    ruled = [s for s in samples if s.task.kind == "reasoning"]
    judged = [s.earned.preference for s in samples if s.earned.preference is not None]
    figures = {
        "reward": sum(s.earned.reward for s in samples) / count,
        "accuracy": sum(s.earned.accuracy for s in ruled) / max(1, len(ruled)),
        "format": sum(s.earned.format for s in samples) / count,
        "language": sum(s.earned.language for s in samples) / count,
        "length": sum(len(s.tokens) for s in samples) / count,
        "truncated": sum(not s.finished for s in samples) / count,
        "unknown": sum(s.earned.verdict == "unknown" for s in ruled) / max(1, len(ruled)),
        "reflective": sum(reflective(s.text) for s in ruled) / max(1, len(ruled)),
    }
    if judged:
        figures["preference"] = sum(judged) / len(judged)
    return figures


def why(samples: Sequence[Sample]) -> dict[str, int]:
    """How many completions earned what they did for which reason, each counted once; how many groups had no variance.

    `bad_format` takes what lost nothing but its form: right (or not graded by rules), but outside the template.
    """
    full = ("correct", "not_rule_graded")
    reasons = Counter(
        "bad_format" if s.earned.reason in full and not s.earned.format else s.earned.reason for s in samples
    )
    reasons["zero_variance_groups"] = len({s.task.id for s in samples if s.masked == "zero_variance"})
    return dict(sorted(reasons.items()))
