"""Whether a reward can teach a model, from a few groups of its own answers, before any GPU hour is spent.

A group teaches only where its rewards differ; an answer that the length limit cuts off earns nothing, however good it
was going to be; a verdict that the grader can't reach is noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

BINS = ("0", "0-1/4", "1/4-1/2", "1/2-3/4", "3/4-1", "1")  # pass rates of a problem; the ends are exact

# Where training would be a waste; each is far from what any healthy run shows (docs/rewards.md).
MOST_TRUNCATED = 0.5
MOST_ZERO_VARIANCE = 0.9
MOST_UNKNOWN = 0.05
LEAST_SOLVED = 0.05  # of the problems, at least once


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One sampled answer: what it earned, and its length in tokens."""

    reward: float
    correct: bool
    well_formed: bool
    unknown: bool
    finished: bool
    length: int


@dataclass(frozen=True, kw_only=True)
class Fitness:
    """Shares over all answers unless said otherwise. Lengths in tokens; None where no answer was correct."""

    num_problems: int
    group_size: int
    correct: float
    well_formed: float
    truncated: float
    unknown: float
    solved: float  # of the problems: at least one answer correct (pass@k, k the group size)
    zero_variance: float  # of the groups: all rewards equal
    histogram: dict[str, int]  # problems by pass rate, BINS
    correct_p50: int | None
    correct_p95: int | None


def fitness(groups: Sequence[Sequence[Answer]]) -> Fitness:
    """Measure groups of equal size, one a problem.

    Raises:
        ValueError: no groups, or groups of unequal or no size.
    """
    sizes = {len(group) for group in groups}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(f"groups must be of one size, got {sorted(sizes)}")
    answers = [answer for group in groups for answer in group]
    rates = [sum(a.correct for a in group) / len(group) for group in groups]
    lengths = sorted(a.length for a in answers if a.correct)
    flat = [max(a.reward for a in group) - min(a.reward for a in group) <= 1e-6 for group in groups]
    return Fitness(
        num_problems=len(groups),
        group_size=sizes.pop(),
        correct=_share([a.correct for a in answers]),
        well_formed=_share([a.well_formed for a in answers]),
        truncated=_share([not a.finished for a in answers]),
        unknown=_share([a.unknown for a in answers]),
        solved=_share([rate > 0 for rate in rates]),
        zero_variance=_share(flat),
        histogram={name: sum(_bin(rate) == name for rate in rates) for name in BINS},
        correct_p50=_quantile(lengths, 0.5),
        correct_p95=_quantile(lengths, 0.95),
    )


def unfit(found: Fitness, *, stage: str, limit: int) -> tuple[str, str] | None:
    """Why training on this reward would be a waste, and the param to change; None where it is fit."""
    if found.truncated > MOST_TRUNCATED:
        seen = f"; half of the correct ones took {found.correct_p50} or more" if found.correct_p50 else ""
        return (
            f"{found.truncated:.0%} of the answers are cut off at {limit} tokens{seen}",
            f"raise {stage}.lengths (max_new_tokens)",
        )
    if found.unknown > MOST_UNKNOWN:
        return (
            f"{found.unknown:.0%} of the verdicts are unknown",
            "r1 reward check   (lists golds that can't be graded)",
        )
    if found.solved < LEAST_SOLVED:
        return (
            f"the model solves {found.solved:.0%} of the problems in {found.group_size} tries: nothing to reinforce",
            f"use easier problems (world.difficulties, prompts.imports), or a larger {stage}.group_size",
        )
    if found.zero_variance > MOST_ZERO_VARIANCE:
        return (
            f"{found.zero_variance:.0%} of the groups have rewards without variance: nothing to compare",
            f"use harder problems if most are solved (see the histogram), or a larger {stage}.group_size",
        )
    return None


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values)


def _bin(rate: float) -> str:
    """The name of a pass rate's bin.

    >>> [_bin(rate) for rate in (0.0, 0.25, 0.26, 0.99, 1.0)]
    ['0', '0-1/4', '1/4-1/2', '3/4-1', '1']
    """
    if rate in (0.0, 1.0):
        return BINS[0] if rate == 0.0 else BINS[-1]
    return next(name for name, end in zip(BINS[1:-1], (0.25, 0.5, 0.75, 1.0), strict=True) if rate <= end)


def _quantile(ordered: Sequence[int], share: float) -> int | None:
    """The smallest value that at least this share of the values doesn't exceed."""
    return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)] if ordered else None
